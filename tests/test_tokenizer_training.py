"""The tokenizer's part of a training in memory: what learns in which part of the run, and what is kept of it."""

import numpy as np
import pytest
import torch

from gpt_video.diorama.tokenizer_training import Schedule, TokenizerTraining
from tokenizer import VideoTokenizer, VideoTokenizerConfig

KINDS = 3
SCHEDULE = Schedule(stills_until=0.1, settled_at=0.4, sharpened_from=0.6)


def turn(rng, frames):
    pixels = rng.integers(0, 256, (frames, 32, 32, 3)).astype(np.uint8)
    return {}, pixels, rng.integers(0, 1 + KINDS, (frames, 32, 32)).astype(np.uint8)


@pytest.fixture(scope="module")
def training():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    old = VideoTokenizer(VideoTokenizerConfig.preset("tiny"))
    training = TokenizerTraining(old, "", KINDS, SCHEDULE, 10, "cpu")
    training.add([("stills", [turn(rng, 1)]) for _ in range(4)] + [("clips", [turn(rng, 17)]) for _ in range(4)])
    return training


def changed_by(training, progress):
    """Which parts of the tokenizer a step changes."""
    parts = {
        name: training.model.get_submodule(name) for name in ("encoder", "quantizer.into", "decoder", "quantizer.out")
    }
    before = {name: [p.detach().clone() for p in part.parameters()] for name, part in parts.items()}
    training.step(progress)
    return {
        name
        for name, part in parts.items()
        if any(not torch.equal(a, b) for a, b in zip(before[name], part.parameters(), strict=True))
    }


def test_the_encoder_settles_then_the_decoder_learns_alone_and_then_against_a_critic(training, tmp_path):
    drawing, reading = {"decoder", "quantizer.out"}, {"encoder", "quantizer.into"}
    assert changed_by(training, 0.05) == drawing
    assert changed_by(training, 0.2) == drawing | reading
    training.settle(tmp_path)
    stored = VideoTokenizer.from_pretrained(tmp_path)
    clip = torch.rand(2, 3, 17, 32, 32) * 2 - 1
    codes_Bthw = stored.encode(clip)
    assert torch.equal(training.model.encode(clip), codes_Bthw)
    assert changed_by(training, 0.5) == drawing
    assert changed_by(training, 0.65) == set()  # the critic learns alone first
    assert changed_by(training, 0.95) == drawing
    training.save(tmp_path)
    kept = VideoTokenizer.from_pretrained(tmp_path)
    assert torch.equal(kept.encode(clip), codes_Bthw) and torch.equal(training.model.encode(clip), codes_Bthw)
    assert training.sharpening is not None and training.sharpening.average.steps == 1
    mean = training.sharpening.average.model.decoder.head.weight.half().float()
    torch.testing.assert_close(kept.decoder.head.weight, mean)
    assert training.facts["steps"] == 5 and training.facts["of its encoder"] == 1
    assert training.facts["against a critic"] == 2
