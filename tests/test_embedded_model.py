"""The model inside the package: it loads, is what its hashes say, and makes videos that follow the plainest words."""

import numpy as np
import pytest

from gpt_video.bundle import DEFAULT_FOLDER
from gpt_video.generate import GenerateRequest, VideoGenerator
from gpt_video.request import PastTurn


@pytest.fixture(scope="module")
def generator() -> VideoGenerator:
    return VideoGenerator.from_pretrained()


def _shape(generator: VideoGenerator, size: str) -> tuple[int, int]:
    """Height and width of the trained shape that is square, wide or tall."""
    signs = {"square": 0, "wide": 1, "tall": -1}
    (found,) = ((h, w) for h, w in generator.settings.shapes if np.sign(w - h) == signs[size])
    return found


@pytest.mark.parametrize("name", ["MODEL_CARD.md", "training_data.json", "SHA256SUMS", "pictures/loss.png"])
def test_the_weights_come_with_their_papers(name: str) -> None:
    assert (DEFAULT_FOLDER / name).stat().st_size > 0


@pytest.mark.parametrize("prompt", ["a red ball in the snow", "un chien bleu dans le désert"])
def test_a_sentence_becomes_a_video_and_the_same_one_twice(generator: VideoGenerator, prompt: str) -> None:
    request = GenerateRequest(prompt, seconds=1, seed=3)
    first, again = generator.generate(request), generator.generate(request)
    assert first.frames_THWC.shape == (9, *_shape(generator, "square"), 3) and first.fps == 8
    assert np.array_equal(first.codes_thw, again.codes_thw)
    assert first.frames_THWC.std() > 20, "a flat picture"


@pytest.mark.parametrize("size", ["wide", "tall"])
def test_every_shape_can_be_made(generator: VideoGenerator, size: str) -> None:
    still = generator.generate(GenerateRequest("a green tree in a meadow", seconds=0.125, size=size))
    assert still.frames_THWC.shape == (1, *_shape(generator, size), 3)


@pytest.mark.parametrize(("night", "day"), [("at night", "by day"), ("la nuit", "de jour")])
def test_night_is_darker_than_day(generator: VideoGenerator, night: str, day: str) -> None:
    def brightness(words: str) -> float:
        requests = [GenerateRequest(f"a red car in the desert {words}", seconds=0.125, seed=seed) for seed in range(4)]
        return float(np.mean([video.frames_THWC.mean() for video in generator.generate_many(requests)]))

    assert brightness(night) < 0.8 * brightness(day)


def test_an_edit_and_a_continuation_go_on_from_a_video(generator: VideoGenerator) -> None:
    source = generator.generate(GenerateRequest("a yellow car on the road", seconds=1))
    edited = generator.generate(GenerateRequest("make it red", action="edit", context=source.turns))
    assert edited.frames_THWC.shape == source.frames_THWC.shape
    continued = generator.generate(GenerateRequest("then it jumps", seconds=1, action="continue", context=source.turns))
    assert continued.frames_THWC.shape == (8, *_shape(generator, "square"), 3)


def test_an_image_that_someone_brings_is_seen_again(generator: VideoGenerator) -> None:
    """No thing of its world: a grey slope with a dark disc and a bright bar, under noise as of a camera."""
    y, x = np.mgrid[:96, :96]
    image = np.repeat((90 + x / 2 + y / 3)[..., None], 3, axis=-1)
    image[(x - 60) ** 2 + (y - 40) ** 2 < 400] = (40, 60, 90)
    image[70:78, 10:50] = (230, 220, 190)
    image = (image + np.random.default_rng(0).normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)

    def decibel(codes_thw: np.ndarray) -> float:
        drawn_THWC = generator.film([PastTurn("", "new", codes_thw)])
        return float(10 * np.log10(255**2 / np.square(drawn_THWC[0].astype(float) - image).mean()))

    assert decibel(generator.take_in(image[None])) > decibel(generator.encode(image[None])) + 1
