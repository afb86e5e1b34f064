"""The search for codes: it draws better than the encoder's answer, and leaves the model as it was."""

import pytest
import torch

from tests.test_tokenizer import shaken
from tokenizer import VideoTokenizer, VideoTokenizerConfig
from tokenizer.search import search_codes


@pytest.fixture(scope="module", params=["fsq", "vq"])
def model(request) -> VideoTokenizer:
    config = VideoTokenizerConfig(
        channels=(16, 16, 24),
        encoder_blocks=(1, 1, 1),
        decoder_blocks=(1, 1, 1),
        levels=(5, 5, 5),
        quantizer=request.param,
    )
    return shaken(config)


def clip_of(frames: int) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(3, frames, 32, 48) * 2 - 1


def error_of(model: VideoTokenizer, codes_thw: torch.Tensor, clip_CTHW: torch.Tensor) -> float:
    with torch.inference_mode():
        return float((model.decode(codes_thw[None])[0] - clip_CTHW).square().mean())


def test_no_step_is_the_answer_of_the_encoder(model):
    clip = clip_of(9)
    assert torch.equal(search_codes(model, clip, steps=0), model.encode(clip[None])[0])


def test_what_is_found_draws_the_clip_better_and_is_the_same_again(model):
    clip = clip_of(9)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.inference_mode():  # as the chat asks
        inside, found = clip.clone(), search_codes(model, clip)
        assert torch.equal(search_codes(model, inside), found)
        assert found.shape == model.grid(9, 32, 48) and found.min() >= 0 and found.max() < model.codebook_size
        assert error_of(model, found, clip) < 0.97 * error_of(model, model.encode(clip[None])[0], clip)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_no_step_makes_it_worse(model, monkeypatch):
    clip = clip_of(5)
    monkeypatch.setattr("tokenizer.search.RATE", 1e3)  # every step goes astray
    least, found = (error_of(model, search_codes(model, clip, steps), clip) for steps in (0, 3))
    assert found <= 1.001 * least


def test_the_gradient_is_that_of_the_positions(model):
    positions = model.positions(clip_of(1)[None]).detach().requires_grad_(True)
    drawn, quantized = model.draw(positions)
    assert torch.allclose(drawn, model.decode(quantized.codes[None]), atol=1e-4)
    (gradient,) = torch.autograd.grad(drawn.square().sum(), positions)
    assert gradient.abs().sum() > 0
