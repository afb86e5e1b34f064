"""Two sets of videos under a named protocol: rankings, skips, resumption, refusals, and the same number on every road to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("scipy", reason="scipy is in the extra `eval`")

import eval.feature_set as module
from eval.feature_set import Sampling, features_of
from eval.features import I3D_CROP, Extractor, InputLaw, random_extractor
from eval.fvd import PRESETS, compare_models, frechet_scores, fvd, load_extractor, preset_of
from eval.protocol import compare
from tests.moving_shapes import FRAMES, WORSE, videos
from tokenizer.video import write_video

EXTRACTOR = random_extractor()
SAMPLING = Sampling(frames=FRAMES)
PRESET = preset_of(EXTRACTOR, n=48, sampling=SAMPLING)
REAL, MADE = videos(96, seed=1), videos(48, seed=2)


@pytest.fixture(scope="module")
def real_set():
    return features_of(REAL, EXTRACTOR, SAMPLING)


@pytest.fixture(scope="module")
def good(real_set):
    return frechet_scores(real_set, features_of(MADE, EXTRACTOR, SAMPLING), PRESET, EXTRACTOR)


def test_a_model_that_draws_from_the_truth_is_at_the_noise_floor(good) -> None:
    for score in good:
        low, high = score.interval
        assert low <= score.floor <= high and score.floor_n == score.n == 48


@pytest.mark.parametrize("change", WORSE)
def test_a_known_worse_model_ranks_below_on_every_number_that_can_see_it(change: str, good, real_set) -> None:
    worse = features_of([WORSE[change](frames) for frames in MADE], EXTRACTOR, SAMPLING)
    scores = frechet_scores(real_set, worse, PRESET, EXTRACTOR)
    for before, after in zip(good, scores, strict=True):
        assert compare(before, after).better == "a", f"{after.name} does not see that the videos are {change}"


def test_what_a_distance_between_sets_does_not_see(good, real_set) -> None:
    """Which prompt a video answers, and that the videos are copies of real ones: both sets are the same set to it."""
    reordered = frechet_scores(real_set, features_of(MADE[::-1], EXTRACTOR, SAMPLING), PRESET, EXTRACTOR)
    assert reordered == good
    copies = frechet_scores(real_set, features_of(REAL[:48], EXTRACTOR, SAMPLING), PRESET, EXTRACTOR)
    assert copies[0].value <= good[0].value


def test_a_score_says_under_which_protocol_it_was_measured(good) -> None:
    distance, kernel = good
    assert (distance.name, kernel.name) == ("FD-random-conv3d", "KD-random-conv3d")
    protocol = distance.protocol
    assert (protocol.n, protocol.n_reference, protocol.frames, protocol.ddof) == (48, 48, FRAMES, 1)
    assert protocol.extractor_sha256 == EXTRACTOR.sha256 and protocol.reference_sha256
    assert protocol.size == (32, 32) and protocol.decoder == "arrays" and "stretch to 32x32" in protocol.input_law
    assert distance.interval_method == "95 % delete-block jackknife, 16 blocks"
    with pytest.raises(ValueError, match="'FD-random-conv3d' against 'KD-random-conv3d'"):
        compare(distance, kernel)


def test_only_i3d_gives_an_fvd(real_set) -> None:
    settings = "400 logits, batch norm eps 0.001"
    stand_in = replace(EXTRACTOR, name="i3d", law=PRESETS["fvd-original"].law, settings=settings)
    scores = frechet_scores(real_set, real_set, replace(PRESETS["fvd-original"], sampling=SAMPLING), stand_in)
    assert [score.name for score in scores] == ["FVD", "KVD"]
    with pytest.raises(ValueError, match="a protocol for i3d, not for random-conv3d"):
        frechet_scores(real_set, real_set, PRESETS["fvd-original"], EXTRACTOR)
    with pytest.raises(ValueError, match="feeds its network by stretch"):
        frechet_scores(real_set, real_set, PRESETS["fvd-original"], replace(stand_in, law=I3D_CROP))
    with pytest.raises(ValueError, match=r"eps 0\.001, not 400 logits, batch norm eps 1e-05"):
        other = replace(stand_in, settings="400 logits, batch norm eps 1e-05")
        frechet_scores(real_set, real_set, PRESETS["fvd-original"], other)
    vjepa = replace(EXTRACTOR, name="vjepa2")
    scores = frechet_scores(real_set, real_set, PRESETS["jedi-kernel-vjepa2"], vjepa)
    assert [score.name for score in scores] == ["FD-vjepa2", "JEDi-kernel-vjepa2"]


def test_presets_differ_in_what_the_publications_differ_in() -> None:
    assert all(name == preset.name for name, preset in PRESETS.items())
    original, stylegan, larp, cdfvd = (
        PRESETS[name] for name in ("fvd-original", "styleganv-2048-16f", "larp-ucf-10k", "cdfvd")
    )
    assert (original.ddof, stylegan.ddof, larp.ddof, cdfvd.ddof) == (1, 0, 0, 0)
    assert (original.batch_norm_eps, cdfvd.batch_norm_eps) == (1e-3, 1e-5)
    assert original.law is not None and original.law.filter == "tf1" and stylegan.law != original.law
    assert (larp.n, larp.whole_reference) == (10_000, True)
    assert PRESETS["styleganv-2048-128f-subsample8"].sampling.span == 121


def test_the_same_number_from_any_order_names_and_place(tmp_path, good) -> None:
    forward = fvd(REAL, MADE, PRESET, EXTRACTOR)
    backward = fvd(REAL[::-1], MADE[::-1], PRESET, EXTRACTOR)
    assert forward == backward
    for index, frames in enumerate(MADE[:20]):
        write_video(tmp_path / f"{index}.mp4", frames, 8)
    there = features_of(tmp_path, EXTRACTOR, SAMPLING)
    moved = tmp_path / "moved" / "deeper"
    moved.mkdir(parents=True)
    for index, path in enumerate(sorted(tmp_path.glob("*.mp4"))):
        path.rename(moved / f"{100 - index}.mp4")
    again = features_of(tmp_path, EXTRACTOR, SAMPLING)
    assert np.array_equal(there.features_ND, again.features_ND) and there.keys == again.keys
    assert there.decoder.startswith("PyAV ")


def test_fewer_videos_than_the_protocol_asks_for_are_another_protocol_and_say_so(real_set) -> None:
    few = features_of(MADE[:20], EXTRACTOR, SAMPLING)
    score = frechet_scores(real_set, few, PRESET, EXTRACTOR)[0]
    assert score.n == score.protocol.n == 20 and "asks for 48 videos" in score.note
    assert "mostly bias" in score.note and score.floor is not None
    full = frechet_scores(real_set, features_of(MADE, EXTRACTOR, SAMPLING), PRESET, EXTRACTOR)[0]
    with pytest.raises(ValueError, match="n is 20 against 48"):
        compare(score, full)


@pytest.mark.parametrize(("count", "words"), [(1, "1 videos to 96"), (15, "15 videos to 96")])
def test_too_few_videos_are_refused(count: int, words: str, real_set) -> None:
    with pytest.raises(ValueError, match=words):
        frechet_scores(real_set, features_of(MADE[:count], EXTRACTOR, SAMPLING), PRESET, EXTRACTOR)


def test_an_empty_folder_and_a_missing_one_are_errors(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("no video")
    with pytest.raises(ValueError, match=r"holds no video: give \.mp4"):
        features_of(tmp_path, EXTRACTOR, SAMPLING)
    with pytest.raises(ValueError, match="there is no folder"):
        features_of(tmp_path / "none", EXTRACTOR, SAMPLING)
    with pytest.raises(ValueError, match="the list holds no video"):
        features_of([], EXTRACTOR, SAMPLING)
    with pytest.raises(ValueError, match="cannot be read"):
        features_of([tmp_path / "none.mp4"], EXTRACTOR, SAMPLING)


def test_unreadable_and_short_files_are_skipped_and_counted(tmp_path, real_set) -> None:
    for index, frames in enumerate(MADE[:18]):
        write_video(tmp_path / f"{index}.mp4", frames, 8)
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    write_video(tmp_path / "short.mp4", MADE[20][:3], 8)
    features = features_of(tmp_path, EXTRACTOR, SAMPLING)
    assert len(features) == 18 and len(features.skipped) == 2
    assert any("short.mp4: has 3 frames, but 9 are needed" in reason for reason in features.skipped)
    note = frechet_scores(real_set, features, PRESET, EXTRACTOR)[0].note
    assert "2 of 20 generated videos skipped" in note
    with pytest.raises(ValueError, match=r"none of 1 videos could be used; the first: broken\.mp4"):
        features_of([tmp_path / "broken.mp4"], EXTRACTOR, SAMPLING)


def test_unequal_sizes_are_an_error_unless_a_size_is_given(tmp_path, real_set) -> None:
    large = [np.repeat(np.repeat(frames, 2, axis=1), 2, axis=2) for frames in MADE]
    with pytest.raises(ValueError, match=r"64x64|32x32.*give Sampling a size"):
        features_of([*MADE[:4], *large[:4]], EXTRACTOR, SAMPLING)
    with pytest.raises(ValueError, match="the real videos are 32x32 and the generated ones 64x64"):
        frechet_scores(real_set, features_of(large, EXTRACTOR, SAMPLING), PRESET, EXTRACTOR)
    for index, frames in enumerate([*MADE[:2], *large[:2]]):
        write_video(tmp_path / f"{index}.mp4", frames, 8)
    fitted = replace(SAMPLING, size=(16, 24))
    assert features_of(tmp_path, EXTRACTOR, fitted).size == (16, 24)
    assert features_of([*MADE[:4], *large[:4]], EXTRACTOR, fitted).size == (16, 24)


def test_a_broken_protocol_is_not_taken_for_a_broken_file() -> None:
    """An error of the network must stop the run, not be counted as thousands of skipped videos."""
    wrong = replace(EXTRACTOR, frames=4)
    with pytest.raises(ValueError, match="exactly 4 frames"):
        features_of(MADE[:2], wrong, SAMPLING)


def test_the_cache_resumes_and_is_keyed_by_everything_that_matters(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "SHARD", 8)
    seen: list[int] = []

    def counted(fail_at: int | None = None) -> Extractor:
        def network(clip):
            seen.append(1)
            if len(seen) == fail_at:
                raise KeyboardInterrupt
            return EXTRACTOR.network(clip)

        return replace(EXTRACTOR, network=network)

    plain = features_of(MADE[:30], EXTRACTOR, SAMPLING)
    with pytest.raises(KeyboardInterrupt):
        features_of(MADE[:30], counted(fail_at=20), SAMPLING, cache=tmp_path)
    seen.clear()
    resumed = features_of(MADE[:30], counted(), SAMPLING, cache=tmp_path)
    assert len(seen) == 30 - 16  # two shards of eight were done
    assert np.array_equal(resumed.features_ND, plain.features_ND) and resumed.keys == plain.keys
    seen.clear()
    done: list[tuple[int, int]] = []
    cached = features_of(MADE[:30], counted(), SAMPLING, cache=tmp_path, progress=lambda *step: done.append(step))
    assert not seen and np.array_equal(cached.features_ND, plain.features_ND) and done[-1] == (30, 30)
    for extractor, sampling, made in (
        (replace(counted(), sha256="other"), SAMPLING, MADE[:30]),
        (replace(counted(), law=InputLaw(size=(32, 32))), SAMPLING, MADE[:30]),
        (counted(), replace(SAMPLING, frames=5), MADE[:30]),
        (counted(), SAMPLING, MADE[1:31]),
    ):
        seen.clear()
        features_of(made, extractor, sampling, cache=tmp_path)
        assert len(seen) == 30
    assert not list(tmp_path.rglob("*partial*"))


def test_choice_of_frames() -> None:
    frames = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)

    def taken(**settings) -> list[int]:
        return Sampling(**{"frames": 4, **settings}).pick(frames, "key").ravel().tolist()

    assert taken() == [0, 1, 2, 3]
    assert taken(stride=3) == [0, 3, 6, 9]
    assert taken(choice="centre") == [8, 9, 10, 11]
    assert taken(choice="spread") == [0, 6, 13, 19]
    starts = {tuple(taken(choice="random", seed=seed)) for seed in range(60)}
    assert len(starts) > 10 and all(0 <= start[0] <= 16 and start[3] == start[0] + 3 for start in starts)
    assert taken(choice="random", seed=5) == taken(choice="random", seed=5)
    with pytest.raises(ValueError, match="has 20 frames, but 22 are needed"):
        taken(stride=7)
    with pytest.raises(ValueError, match="no choice of frames"):
        Sampling(choice="last")


def test_models_are_compared_on_the_same_prompts(real_set) -> None:
    """Paired by the names of files, or the numbers of arrays, whatever order their contents put them in."""
    a = features_of(MADE[:20], EXTRACTOR, SAMPLING)
    b = features_of([WORSE["blurred"](frames) for frames in MADE[:20]], EXTRACTOR, SAMPLING)
    assert a.names != b.names and set(a.names) == set(b.names)
    result = compare_models(real_set, a, b, PRESET)
    assert result.value > 0 and result.p_value is not None and result.p_value < 0.05 and result.n == 20
    with pytest.raises(ValueError, match="share 0 file names"):
        compare_models(real_set, a, replace(b, names=tuple(f"other{name}" for name in b.names)), PRESET)


def test_a_preset_loads_its_own_network_with_its_own_law(tmp_path) -> None:
    import torch

    from eval.i3d import I3D

    torch.save(I3D().state_dict(), tmp_path / "i3d.pt")
    extractor = load_extractor(PRESETS["cdfvd"], tmp_path / "i3d.pt")
    assert "eps 1e-05" in extractor.description and extractor.law == PRESETS["cdfvd"].law
    assert load_extractor(PRESETS["fvd-original"], tmp_path / "i3d.pt").law.filter == "tf1"
