"""Bits per token against a slow reading, drift of videos with known faults, copies against brute force, the two anchors."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy", reason="scipy is in the extra `eval`")

from eval.autoregressive import Pairs, anchored, bits_per_token, drift, surprise_scores
from eval.copies import TrainingCodes, copy_scores, grams
from eval.judge import Judge
from eval.judge_net import JudgeConfig, JudgeNet
from eval.model_parts import ModelTask, long_videos
from eval.protocol import Protocol
from eval.suite import Form, build_suite
from gpt_video import sequence
from tests.tiny_model import moving_square

pytest_plugins = ["tests.bundle_fixture"]
RNG = np.random.default_rng(0)
TEXTS = ["a red ball", "make it blue", "then it jumps"]
CLIPS = [moving_square(9), moving_square(9)[::-1].copy(), moving_square(17)]


# ---------------------------------------------------------------------------------------------------- bits per token


def test_bits_are_those_of_a_slow_reading_token_by_token(tiny_generator):
    bits_N = bits_per_token(tiny_generator, TEXTS, CLIPS)
    bundle, gpt = tiny_generator.bundle, tiny_generator.engine.gpt
    codes_thw = tiny_generator.encode(CLIPS[0])
    ids_L = sequence.pack(
        [sequence.Turn(tuple(bundle.text_tokenizer.encode(TEXTS[0])), "new", codes_thw)], bundle.vocabulary
    )
    total = 0.0
    with torch.inference_mode():
        for place in np.flatnonzero(sequence.video_mask(ids_L, bundle.vocabulary)):
            logits = gpt(input_ids=torch.from_numpy(ids_L[None, :place])).logits[0, -1, bundle.vocabulary.video_slice]
            total -= float(logits.log_softmax(-1)[bundle.vocabulary.codes(ids_L[place])]) / np.log(2)
    assert bits_N[0] == pytest.approx(total / codes_thw.size, rel=1e-4)


def test_bits_do_not_depend_on_the_batch(tiny_generator):
    together = bits_per_token(tiny_generator, TEXTS, CLIPS)
    alone = [bits_per_token(tiny_generator, [text], [clip])[0] for text, clip in zip(TEXTS, CLIPS, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_scores_of_surprise_say_how_many_codes_there_are(tiny_generator):
    bits, saved = surprise_scores(tiny_generator, TEXTS, CLIPS)
    assert "log2 K" in bits.note and bits.interval is not None and not bits.higher_is_better and saved.higher_is_better
    with pytest.raises(ValueError, match="one text for each"):
        bits_per_token(tiny_generator, TEXTS[:1], CLIPS)


# ------------------------------------------------------------------------------------------------------------- drift


@pytest.fixture(scope="module")
def judge() -> Judge:
    torch.manual_seed(0)
    return Judge(JudgeNet(JudgeConfig(8, 8, 8, 8, 8)), {})


def film(seconds: int, seed: int = 0) -> np.ndarray:
    """Every second a new picture that flickers: colourful, sharp, never the same."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (8 * seconds, 32, 32, 3), dtype=np.uint8)


def test_a_film_that_does_not_change_its_ways_does_not_drift(judge):
    found = drift([film(8, seed) for seed in range(3)], judge)
    assert abs(found.change("colour")).max() < 0.1 and abs(found.change("sharpness")).max() < 0.1
    assert found.curve("repetition").max() == 0 and found.curve("confidence").shape == (8,)


def test_a_frozen_film_repeats_itself_and_has_no_motion(judge):
    frozen = np.repeat(film(1)[:1], 64, axis=0)
    found = drift([frozen], judge)
    assert found.curve("motion").max() == 0
    assert found.curve("repetition")[2:].min() == 1 and found.curve("repetition")[0] == 0


def test_a_film_that_fades_to_grey_loses_its_colour_and_one_that_blurs_its_sharpness(judge):
    frames = film(8).astype(float)
    grey = frames.mean(axis=-1, keepdims=True)
    share = np.linspace(0, 1, len(frames))[:, None, None, None]
    faded = (frames * (1 - share) + grey * share).astype(np.uint8)
    flat = (frames * (1 - share) + frames.mean(axis=(1, 2), keepdims=True) * share).astype(np.uint8)
    assert drift([faded], judge).change("colour")[0] < -0.5
    assert drift([flat], judge).change("sharpness")[0] < -0.5
    scores = {score.name: score.value for score in drift([faded, faded], judge).scores(Protocol("drift"))}
    assert scores["drift of colour"] > 0.5


def test_films_of_two_lengths_are_an_error(judge):
    with pytest.raises(ValueError, match="one length"):
        drift([film(2), film(3)], judge)


class OfThreeShapes:
    """A model of small pictures, as the embedded one: not all sides are multiples of 16."""

    settings = SimpleNamespace(shapes=((96, 96), (72, 120), (120, 72)))
    bundle = SimpleNamespace(model_hash="")

    def generate_many(self, requests, batch_size, on_progress):
        made = []
        for request in requests:
            width, height = map(int, request.size.split("x"))
            frames = film(2, request.seed)
            made.append(SimpleNamespace(frames_THWC=np.resize(frames, (len(frames), height, width, 3)), turn=None))
        return made


def test_long_videos_of_every_shape_are_measured(judge, tmp_path):
    task = ModelTask(build_suite(Form(8, 0, 1, 0), frames=1), ("bench", "drift"), drift_videos=8, drift_seconds=2)
    assert len({prompt.size for prompt in task.scenes}) == 3
    part = long_videos(OfThreeShapes(), tmp_path, task, SimpleNamespace(judge=judge), lambda done, total: None)
    assert np.array(part.curves["drift"]["sharpness"]).shape == (8, 2)
    assert (
        len(list((tmp_path / "drift").glob("*.mp4"))) == len(list((tmp_path / "drift" / "renderer").glob("*.mp4"))) == 8
    )
    done = OfThreeShapes()
    done.generate_many = None  # all are kept
    again = long_videos(done, tmp_path, task, SimpleNamespace(judge=judge), lambda done, total: None)
    assert [score.value for score in again.scores] == [score.value for score in part.scores]
    assert all(score.floor is not None and score.floor < 1 for score in part.scores)


# ------------------------------------------------------------------------------------------------------------ copies

runs = st.lists(st.integers(0, 2), min_size=1, max_size=14)


@settings(max_examples=40)
@given(st.lists(runs, min_size=1, max_size=3), runs, st.integers(1, 4))
def test_runs_and_containment_agree_with_brute_force(training: list[list[int]], output: list[int], n: int):
    as_codes = [np.array(row).reshape(-1, 1, 1) for row in (*training, output)]
    found = TrainingCodes(as_codes[:-1], gram=n).check(as_codes[-1:])
    parts = {tuple(row[i:j]) for row in training for i in range(len(row)) for j in range(i + 1, len(row) + 1)}
    mine = [tuple(output[i : i + n]) for i in range(len(output) - n + 1)]
    cuts = [(i, j) for i in range(len(output)) for j in range(i + 1, len(output) + 1)]
    longest = max((j - i for i, j in cuts if tuple(output[i:j]) in parts), default=0)
    assert found.longest_run[0] == longest
    assert found.containment[0] == pytest.approx(np.mean([gram in parts for gram in mine]) if mine else 0)


def codes(n: int, seed: int, shape: tuple[int, int, int] = (3, 4, 4)) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 1000, (n, *shape)))


def test_a_copy_is_found_and_named_and_a_new_clip_is_not():
    training = codes(50, 1)
    known = TrainingCodes(training, gram=8)
    copied = training[17].copy()
    copied[2, :, :2] = 0
    found = known.check([training[30], copied, codes(1, 2)[0]])
    assert found.nearest[:2].tolist() == [30, 17] and found.agreement[0] == 1 and found.longest_run[0] == 48
    assert found.agreement[1] > 0.7 and found.longest_run[1] >= 32 and found.containment[2] == 0
    assert known.check([np.zeros((3, 5, 5), int)]).nearest[0] == -1


def test_copies_stand_out_against_held_out_clips():
    training = codes(40, 1)
    known = TrainingCodes(training, gram=8)
    held_out = known.check(codes(40, 3))
    honest = copy_scores(known.check(codes(40, 4)), held_out, Protocol("copies"))
    thief = copy_scores(known.check([*training[:12], *codes(28, 5)]), held_out, Protocol("copies"))
    assert honest[0].value <= 0.2 and thief[0].value >= 0.3
    assert "held-out" in honest[0].note


def test_equal_runs_have_equal_hashes_wherever_they_stand():
    row = RNG.integers(0, 60_000, 600).astype(np.uint16)
    assert np.array_equal(grams(row, 40)[100:], grams(row[100:], 40))
    assert len(np.unique(grams(row, 3))) == len({tuple(row[i : i + 3]) for i in range(598)})
    with pytest.raises(ValueError, match="no training codes"):
        TrainingCodes([])


# ----------------------------------------------------------------------------------------------------------- anchors


def scenes(n: int, seed: int, noise: float = 0.1) -> Pairs:
    """Words, and videos that are a function of them, as far as `noise` lets."""
    rng = np.random.default_rng(seed)
    words = rng.standard_normal((n, 4))
    mix = np.random.default_rng(99).standard_normal((4, 6))
    return Pairs(words @ mix + noise * rng.standard_normal((n, 6)), words)


def test_real_videos_lie_at_0_those_with_shuffled_captions_at_1_and_a_worse_model_in_between():
    reference, real = scenes(400, 1), scenes(400, 2)
    half = Pairs(
        np.where(np.arange(400)[:, None] % 2, real.videos_ND, np.roll(real.videos_ND, 1, axis=0)), real.words_NE
    )
    made = {"copy": real, "half": half, "shuffled": real.shuffled(5)}
    found = {score.name: score for score in anchored("test", reference, real, made, Protocol("joint"))}
    place = {what: found[f"place of {what} between the anchors"] for what in made}
    assert place["copy"].value == pytest.approx(0, abs=1e-9)
    assert place["shuffled"].value == pytest.approx(1, abs=0.1)
    assert 0.1 < place["half"].value < 0.9
    assert place["half"].interval[0] < place["half"].value < place["half"].interval[1]
    assert found["joint test, copy"].floor == pytest.approx(found["joint test, copy"].value)


def test_a_distance_of_videos_alone_would_not_see_the_captions():
    """Why the pairs: the set of videos is the same in any order."""
    from eval.frechet import frechet_distance

    real = scenes(100, 1)
    assert frechet_distance(real.videos_ND, real.shuffled(0).videos_ND, ddof=1) == pytest.approx(0, abs=1e-9)
    assert not any((row == other).all() for row, other in zip(real.words_NE, real.shuffled(0).words_NE, strict=True))


def test_sets_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="one size"):
        anchored("test", scenes(40, 1), scenes(40, 2), {"model": scenes(30, 3)}, Protocol("joint"))
