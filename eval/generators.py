"""Whatever makes videos from words, behind one face: a model, the renderer itself, and versions of both that are known to be worse.

Enters: `Ask`s. Leaves: one `Made` for each, in order. The benchmark knows no model: it asks, and looks at frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from eval.clips import blurred, network_input
from eval.unaffected import rendered
from gpt_video.diorama.scene import Scene
from gpt_video.diorama.world import CORE
from gpt_video.generate import VideoGenerator
from gpt_video.request import GenerateRequest, PastTurn, size_name
from tokenizer.video import clip_to_frames, fit, nearest_shape


@dataclass(frozen=True, eq=False)
class Made:
    """A video: uint8 frames_THWC, and what its maker needs to go on from it (for a model, its codes)."""

    frames_THWC: np.ndarray
    turn: Any = None


@dataclass(frozen=True, eq=False)
class Ask:
    """One video to make. context: the videos of this conversation so far. scene: what it should show, for makers that render."""

    key: str
    prompt: str
    scene: Scene
    size: tuple[int, int]
    seconds: float
    seed: int
    action: str = "new"
    context: tuple[Made, ...] = ()


class Generator(Protocol):
    """Makes videos. `name` and `sha256` go into the record of what was scored."""

    name: str
    sha256: str

    def make(self, asks: Sequence[Ask]) -> list[Made]:
        """One video for each, in order."""
        ...

    def given(self, frames_THWC: np.ndarray, prompt: str) -> Made:
        """A clip from elsewhere as an earlier video, with the frames that the maker can show of it at best."""
        ...


class ModelGenerator:
    """A bundle: words and codes in, videos out. A model that was trained on other sizes makes the one of the nearest shape.

    What it makes is then fitted to the size that was asked for, so that all models are looked at alike.
    on_progress: as of `VideoGenerator.generate_many`.
    """

    def __init__(
        self,
        generator: VideoGenerator,
        batch_size: int = 8,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ):
        self.generator, self.batch_size, self.on_progress = generator, batch_size, on_progress
        self.name, self.sha256 = "gpt-video", generator.bundle.model_hash

    def make(self, asks: Sequence[Ask]) -> list[Made]:
        requests = [
            GenerateRequest(
                ask.prompt,
                seconds=ask.seconds,
                size=size_name(trained_size(self.generator, ask.size)),
                seed=ask.seed,
                action=ask.action,
                context=tuple(made.turn for made in ask.context),
            )
            for ask in asks
        ]
        videos = self.generator.generate_many(requests, self.batch_size, self.on_progress)
        return [Made(fit(v.frames_THWC, *ask.size), v.turn) for v, ask in zip(videos, asks, strict=True)]

    def given(self, frames_THWC: np.ndarray, prompt: str) -> Made:
        turn = PastTurn(prompt, "new", codes_of(self.generator, frames_THWC))
        return Made(fit(self.generator.film([turn]), *frames_THWC.shape[1:3]), turn)


def trained_size(generator: VideoGenerator, size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) that the model was trained on whose shape is nearest to `size`."""
    return nearest_shape(*size, generator.settings.shapes)


def trained_world(generator: VideoGenerator) -> str:
    """The name of the diorama's world that the model was trained on: "world" in its training_data.json; the core if not there."""
    path = generator.bundle.folder / "training_data.json"
    return str(json.loads(path.read_text("utf-8")).get("world") or CORE.name) if path.is_file() else CORE.name


def codes_of(generator: VideoGenerator, frames_THWC: np.ndarray) -> np.ndarray:
    """uint8 frames of any size -> codes_thw of the model's tokenizer, at the size that it was trained on."""
    return generator.encode(fit(frames_THWC, *trained_size(generator, frames_THWC.shape[1:3])))


class RenderGenerator:
    """The renderer itself: what a perfect model would make. Its scores are the ceiling of the benchmark."""

    name, sha256 = "renderer", ""

    def make(self, asks: Sequence[Ask]) -> list[Made]:
        """Raises RendererUnavailable where MuJoCo has no way to draw."""
        return [Made(rendered(ask.scene, ask.size)) for ask in asks]

    def given(self, frames_THWC: np.ndarray, prompt: str) -> Made:
        return Made(frames_THWC)


class Worse:
    """Another generator, made worse in a known way: one of WAYS, or "wrong words", which gives each ask the words of the next."""

    def __init__(self, generator: Generator, way: str, seed: int = 0):
        if way not in (*WAYS, "wrong words"):
            raise ValueError(
                f"there is no way {way!r} to make a video worse: use one of {', '.join(WAYS)}, wrong words"
            )
        self.generator, self.way, self.seed = generator, way, seed
        self.name, self.sha256 = f"{generator.name}, {way}", generator.sha256

    def make(self, asks: Sequence[Ask]) -> list[Made]:
        if self.way == "wrong words":
            others = [*asks[1:], *asks[:1]]
            asks = [replace(ask, prompt=o.prompt, scene=o.scene) for ask, o in zip(asks, others, strict=True)]
            return self.generator.make(asks)
        rng = np.random.default_rng(self.seed)
        return [replace(made, frames_THWC=WAYS[self.way](made.frames_THWC, rng)) for made in self.generator.make(asks)]

    def given(self, frames_THWC: np.ndarray, prompt: str) -> Made:
        return self.generator.given(frames_THWC, prompt)


def _shuffled(frames_THWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return frames_THWC[rng.permutation(len(frames_THWC))]


def _frozen(frames_THWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.repeat(frames_THWC[:1], len(frames_THWC), axis=0)


def _blurred(frames_THWC: np.ndarray, rng: np.random.Generator, sigma: float = 6.0) -> np.ndarray:
    clip_TCHW = blurred(network_input(frames_THWC), sigma)
    return clip_to_frames(clip_TCHW.transpose(0, 1))


def _noise(frames_THWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, frames_THWC.shape, dtype=np.uint8)


WAYS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "shuffled": _shuffled,
    "frozen": _frozen,
    "blurred": _blurred,
    "noise": _noise,
}
