"""CLIP scores with their scales, cut prompts and both shapes of output; consistency beside motion, so that a still does not win."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("scipy", reason="scipy is in the extra `eval`")

from eval.clip_score import (
    CLIP_MEAN,
    CLIP_STD,
    Alignment,
    ClipNetwork,
    adjacent_consistency,
    align,
    clip_law,
    clip_score,
    consistency_scores,
    motion,
    vbench_consistency,
)
from eval.features import InputLaw, module_sha256
from eval.protocol import Score, compare
from tests.moving_shapes import WORSE, videos
from tests.tiny_clip import LIMIT, ColourClip, random_clip, tokenizer

VIDEOS = videos(6)
PROMPTS = ["ab", "cd", "ef", "ab", "cd", "gh"]


@pytest.fixture(scope="module")
def network() -> ClipNetwork:
    model = random_clip()
    return ClipNetwork(model, tokenizer(), module_sha256(model), clip_law(model), name="tiny-CLIP")


@pytest.fixture(scope="module")
def colours() -> ClipNetwork:
    law = InputLaw(size=(16, 16), mean=(0, 0, 0), std=(1, 1, 1))
    return ClipNetwork(ColourClip(), tokenizer(), "0" * 64, law, name="colour-CLIP")  # type: ignore[arg-type]


def plain(colour: tuple[int, int, int], frames: int = 4) -> np.ndarray:
    return np.full((frames, 20, 20, 3), colour, np.uint8)


def test_cosines_are_those_of_the_model_itself(network: ClipNetwork) -> None:
    """Against the model's own logits, which are the cosines times a learnt scale."""
    tokens = tokenizer()("ab", return_tensors="pt")
    pixels = network.law(VIDEOS[0]).permute(1, 0, 2, 3)
    with torch.inference_mode():
        output = network.model(**tokens, pixel_values=pixels)
        expected = (output.logits_per_image / network.model.logit_scale.exp())[:, 0]
    np.testing.assert_allclose(align(VIDEOS[:1], ["ab"], network).cosines[0], expected.numpy(), atol=1e-6)


def test_the_pixels_are_normalised_as_clip_was_trained(network: ClipNetwork) -> None:
    assert (network.law.mean, network.law.std) == (CLIP_MEAN, CLIP_STD)
    grey = network.law(plain((128, 128, 128)))[:, 0, 0, 0]
    torch.testing.assert_close(grey, (128 / 255 - torch.tensor(CLIP_MEAN)) / torch.tensor(CLIP_STD))


@pytest.mark.parametrize("wrap", [lambda features: features, lambda features: SimpleNamespace(pooler_output=features)])
def test_tensors_and_outputs_with_pooling_are_both_accepted(wrap, colours: ClipNetwork) -> None:
    """transformers 5 wraps the features: torchmetrics' CLIPScore crashes on it."""

    class Wrapped(ColourClip):
        def get_image_features(self, pixel_values):
            return wrap(super().get_image_features(pixel_values))

        def get_text_features(self, input_ids, attention_mask):
            return wrap(super().get_text_features(input_ids, attention_mask))

    other = ClipNetwork(Wrapped(), colours.tokenizer, colours.sha256, colours.law, colours.name)  # type: ignore[arg-type]
    red = plain((255, 0, 0))
    assert np.array_equal(align([red], ["r"], other).cosines[0], align([red], ["r"], colours).cosines[0])


def test_scales() -> None:
    alignment = Alignment(("a", "a", "b"), (np.array([0.5, -0.1]), np.array([0.3]), np.array([-0.2, -0.4])), 0.0)
    assert alignment.per_frame("100 cos")[0].tolist() == [50, -10]
    assert alignment.per_frame("2.5 cos")[0].tolist() == [1.25, 0]
    np.testing.assert_allclose(alignment.per_video("100 cos"), [20, 30, -30])
    np.testing.assert_allclose(alignment.per_video("2.5 cos"), [0.625, 0.75, 0])
    assert alignment.per_prompt("100 cos") == pytest.approx({"a": 25, "b": -30})
    with pytest.raises(ValueError, match="no scale 'cos'"):
        alignment.per_frame("cos")


def test_a_score_names_its_scale_and_two_scales_are_not_compared(network: ClipNetwork) -> None:
    hundred, alignment = clip_score(VIDEOS, PROMPTS, network)
    hessel, _ = clip_score(VIDEOS, PROMPTS, network, scale="2.5 cos")
    assert hundred.name == "tiny-CLIP score (100 cos)" and hessel.name == "tiny-CLIP score (2.5 cos)"
    with pytest.raises(ValueError, match=r"statistic is .*100 cos.* against .*2\.5 max"):
        compare(hundred, hessel)
    means = list(alignment.per_prompt("100 cos").values())
    assert len(means) == 4 and hundred.value == pytest.approx(max(0.0, float(np.mean(means))))
    assert hundred.n == 6 and "over 4 prompts" in str(hundred)


def test_other_prompts_are_another_protocol(network: ClipNetwork) -> None:
    one, two = (clip_score(VIDEOS, prompts, network)[0] for prompts in (PROMPTS, [*PROMPTS[:5], "xy"]))
    with pytest.raises(ValueError, match="reference_sha256"):
        compare(one, two)
    prefixed, _ = clip_score(VIDEOS, PROMPTS, network, prefix="a photo of ")
    with pytest.raises(ValueError, match=r"extra\.prefix is '' against 'a photo of '"):
        compare(one, prefixed)


def test_a_mean_below_zero_is_clamped_as_torchmetrics_does(colours: ClipNetwork) -> None:
    law = InputLaw(size=(16, 16), mean=(1, 1, 1), std=(1, 1, 1))  # every pixel is negative
    dark = ClipNetwork(colours.model, colours.tokenizer, colours.sha256, law, colours.name)
    score, alignment = clip_score([plain((9, 9, 9))] * 2, ["r", "g"], dark)
    assert alignment.per_video("100 cos").max() < 0 and score.value == 0.0


def test_long_prompts_are_cut_with_their_end_kept_and_counted(network: ClipNetwork) -> None:
    """Without the end token the feature is read from the wrong place: 26 falls to 17 in one report."""
    long = "abcdefghijklmnopqrstuvwxyz"
    cut, was_long = network.text_features(long)
    assert was_long and not network.text_features(long[: LIMIT - 2])[1]
    assert np.array_equal(cut, network.text_features(long + "more")[0])
    tokens = tokenizer()(long, truncation=True, max_length=LIMIT)["input_ids"]
    assert tokens[-1] == tokenizer().eos_token_id and len(tokens) == LIMIT
    score, alignment = clip_score(VIDEOS, [long, *PROMPTS[1:]], network)
    assert alignment.truncated_share == pytest.approx(1 / 6) and "17% of prompts cut" in score.note


def test_a_number_does_not_depend_on_the_other_videos(network: ClipNetwork) -> None:
    together = align(VIDEOS, PROMPTS, network).cosines
    for index in range(6):
        alone = align([VIDEOS[index]], [PROMPTS[index]], network).cosines[0]
        assert np.array_equal(alone, together[index])
    lazily = align((frames for frames in VIDEOS), PROMPTS, network).cosines
    assert all(np.array_equal(one, two) for one, two in zip(lazily, together, strict=True))


def test_wrong_captions_rank_below_right_ones_and_the_order_of_frames_is_not_seen(colours: ClipNetwork) -> None:
    made = [plain((200, 10, 10)), plain((10, 200, 10)), plain((10, 10, 200)), plain((200, 10, 200))]
    captions = ["r", "g", "b", "rb"]
    right, _ = clip_score(made, captions, colours)
    wrong, _ = clip_score(made, [*captions[1:], captions[0]], colours)
    assert right.value > 90 and wrong.value < 60
    assert compare(right, wrong).better == "a"
    mixed = np.concatenate(made)
    forward, backward = (clip_score([frames, frames], ["r", "g"], colours)[0].value for frames in (mixed, mixed[::-1]))
    assert forward == pytest.approx(backward, rel=1e-12)


def test_a_still_video_is_perfectly_consistent_and_has_no_motion(network: ClipNetwork) -> None:
    still = [WORSE["frozen"](frames) for frames in VIDEOS]
    moving, frozen = (consistency_scores(made, PROMPTS, network) for made in (VIDEOS, still))
    names = ["tiny-CLIP frame consistency", "tiny-CLIP frame consistency (VBench form)", "motion"]
    assert [score.name for score in frozen] == names
    assert frozen[0].value == pytest.approx(1) and frozen[1].value == pytest.approx(1) and frozen[2].value == 0
    assert moving[0].value < 1 and moving[2].value > 1
    assert "a still video has 1; the motion beside it is 0" in str(frozen[0])


def test_consistency_sees_shuffled_frames_and_cuts() -> None:
    turning_TD = np.array([[np.cos(angle), np.sin(angle)] for angle in np.linspace(0, 1, 8)])
    cut_TD = np.concatenate([turning_TD[:4], -turning_TD[4:]])
    shuffled_TD = turning_TD[[3, 0, 6, 1, 7, 2, 5, 4]]
    for law in (adjacent_consistency, vbench_consistency):
        assert law(cut_TD) < law(turning_TD) and law(shuffled_TD) < law(turning_TD) < 1
    assert adjacent_consistency(turning_TD) == pytest.approx(np.cos(1 / 7))
    expected = np.mean([(np.cos(1 / 7) + np.cos(step / 7)) / 2 for step in range(1, 8)])
    assert vbench_consistency(turning_TD) == pytest.approx(expected)


def test_motion_is_in_levels_and_hardly_sees_fine_noise() -> None:
    assert motion(np.stack([np.zeros((64, 64, 3)), np.full((64, 64, 3), 10)]).astype(np.uint8)) == 10
    rng = np.random.default_rng(0)
    noise = (128 + rng.integers(-6, 7, (5, 256, 256, 3))).astype(np.uint8)
    assert motion(noise) < 1 < motion(VIDEOS[0])
    with pytest.raises(ValueError, match="at least two"):
        motion(VIDEOS[0][:1])


def test_any_clip_loads_from_a_folder(network: ClipNetwork, tmp_path) -> None:
    network.model.save_pretrained(tmp_path)
    network.tokenizer.save_pretrained(tmp_path)
    loaded = ClipNetwork.from_pretrained(tmp_path)
    assert loaded.name == "CLIP" and len(loaded.sha256) == 64 and loaded.law == network.law
    for one, two in zip(align(VIDEOS, PROMPTS, loaded).cosines, align(VIDEOS, PROMPTS, network).cosines, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    with pytest.raises(ValueError, match="there is no model folder"):
        ClipNetwork.from_pretrained(tmp_path / "none")


def test_one_prompt_has_a_score_without_an_interval_and_wrong_counts_are_errors(network: ClipNetwork) -> None:
    score, _ = clip_score(VIDEOS[:2], ["ab", "ab"], network)
    assert isinstance(score, Score) and score.interval is None and "no interval" in str(score)
    for scores in (clip_score, consistency_scores):
        with pytest.raises(ValueError, match="6 videos came with 2 prompts"):
            scores(VIDEOS, ["a", "b"], network)
        with pytest.raises(ValueError, match="0 videos came with 0 prompts"):
            scores([], [], network)
