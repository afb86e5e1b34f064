"""The records of generation: what is asked (`GenerateRequest`), what was made (`GeneratedVideo`), and what the words and
numbers in a request mean (sizes, seconds).

Everything here is plain data: no model is loaded, nothing is computed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Real

import numpy as np

from gpt_video.sequence import ACTIONS

LONGEST_SECONDS = 60.0
SIZE_WORDS = {"square": lambda h, w: h == w, "wide": lambda h, w: w > h, "tall": lambda h, w: h > w}


@dataclass(frozen=True, eq=False)
class PastTurn:
    """An earlier message and its video: codes_thw integers in [0, K). Context of a request."""

    prompt: str
    action: str
    codes_thw: np.ndarray


@dataclass(frozen=True)
class GenerateRequest:
    """One video to make. `None` leaves a choice to the model: its defaults, or what the context or the image implies.

    prompt: words, in the languages that the model was trained on.
    seconds: length of the new part; 0.125 is a still at 8 frames a second, 60 the longest.
    size: "WxH" in pixels, or square, wide, tall.
    seed: any integer; the same request and seed give the same video on the same machine.
    action: "new", or "edit" (changes the last video of `context`), or "continue" (goes on from its end).
    context: earlier turns, the oldest first.
    image: frame_HWC uint8, becomes the first frame of a new video.
    temperature > 0, top_k >= 0 (0 = off), 0 < top_p <= 1, guidance_scale >= 0 (1 = off).
    Raises ValueError, naming the value, on what no model could do.
    """

    prompt: str
    seconds: float | None = None
    size: str | None = None
    seed: int = 0
    action: str = "new"
    context: tuple[PastTurn, ...] = ()
    image: np.ndarray | None = field(default=None, compare=False)
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    guidance_scale: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "context", tuple(self.context))
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise ValueError("the prompt is empty: describe the video in a few words")
        if self.action not in ACTIONS:
            raise ValueError(f"action {self.action!r} is unknown: use one of {', '.join(ACTIONS)}")
        if self.action != "new" and not self.context:
            raise ValueError(f"nothing to {self.action}: give the earlier video (--video, or `context`)")
        if self.image is not None and self.action != "new":
            raise ValueError(f"an image starts a new video, it cannot be used to {self.action} one")
        if self.image is not None:
            self._check_image(self.image)
        self._check_numbers()

    def _check_image(self, image: np.ndarray) -> None:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"the image is {image.dtype} {image.shape}: expected uint8 (height, width, 3)")

    def _check_numbers(self) -> None:
        limits = {
            "seconds": (lambda x: 0 < x <= LONGEST_SECONDS, f"more than 0 and at most {LONGEST_SECONDS:g}"),
            "temperature": (lambda x: 0 < x <= 100, "more than 0 and at most 100"),
            "top_k": (lambda x: x >= 0 and x == int(x), "a whole number, 0 (off) or more"),
            "top_p": (lambda x: 0 < x <= 1, "more than 0 and at most 1"),
            "guidance_scale": (lambda x: 0 <= x <= 100, "between 0 and 100 (1 is off)"),
            "seed": (lambda x: 0 <= x < 2**63 and x == int(x), "a whole number from 0 to 2^63 - 1"),
        }
        for name, (holds, expected) in limits.items():
            value = getattr(self, name)
            is_number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
            if value is not None and not (is_number and holds(value)):
                raise ValueError(f"{name} is {value!r}: expected {expected}")


@dataclass(frozen=True)
class Timings:
    """Seconds of wall clock, from the request; of a batch: those of the whole batch, `tokens` of all its videos."""

    first_frames: float
    total: float
    tokens: int

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.total if self.total > 0 else 0.0


@dataclass(frozen=True, eq=False)
class GeneratedVideo:
    """A finished (or stopped) video: uint8 frames_THWC of the new part, its codes_thw, and the request with all choices made."""

    frames_THWC: np.ndarray
    fps: float
    codes_thw: np.ndarray
    request: GenerateRequest
    seed: int
    timings: Timings
    model_hash: str
    tokenizer_hash: str
    stopped: bool = False

    @property
    def turn(self) -> PastTurn:
        """This video as context of a next request."""
        return PastTurn(self.request.prompt, self.request.action, self.codes_thw)

    @property
    def turns(self) -> tuple[PastTurn, ...]:
        """The whole conversation, this video included."""
        return (*self.request.context, self.turn)


@dataclass(frozen=True, eq=False)
class Progress:
    """One piece of a stream: the new frames_THWC, how many of the latent frames are done, an estimate of the seconds left,
    and the codes_thw of all latent frames so far.

    The last item carries the whole `video`; after a stop it may hold no new frames.
    """

    frames_THWC: np.ndarray
    latent_index: int
    latent_total: int
    seconds_left: float
    codes_thw: np.ndarray
    video: GeneratedVideo | None = None


def variations(request: GenerateRequest, n: int) -> list[GenerateRequest]:
    """n requests that differ in the seed: seed, seed + 1, ..."""
    if n < 1:
        raise ValueError(f"{n} variations were asked for: expected 1 or more")
    return [replace(request, seed=request.seed + i) for i in range(n)]


def film_codes(turns: Sequence[PastTurn]) -> np.ndarray:
    """codes_thw of the film that ends with the last of `turns` (at least one): a video and all that continues it."""
    start = len(turns) - 1
    while start > 0 and turns[start].action == "continue":
        start -= 1
    return np.concatenate([turn.codes_thw for turn in turns[start:]])


def cut_film(turns: Sequence[PastTurn], kept: int) -> tuple[PastTurn, ...]:
    """`turns` whose last film is cut to its first `kept` latent frames: going on from there leaves out what came after.

    Raises ValueError unless 1 <= kept <= its latent frames.
    """
    total = len(film_codes(turns))
    if not 1 <= kept <= total:
        raise ValueError(f"a video of {total} latent frames cannot be cut to {kept}: 1 to {total} are possible")
    left, surplus = list(turns), total - kept
    while surplus >= len(left[-1].codes_thw):
        surplus -= len(left.pop().codes_thw)
    last = left[-1]
    return (*left[:-1], replace(last, codes_thw=last.codes_thw[: len(last.codes_thw) - surplus]))


# ------------------------------------------------------------------------------------------------ sizes and seconds


def size_name(shape: tuple[int, int]) -> str:
    """(height, width) -> "WxH"."""
    return f"{shape[1]}x{shape[0]}"


def parse_size(size: str, shapes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """ "WxH" or square|wide|tall -> one of the trained (height, width) `shapes`; ValueError lists those."""
    word = size.strip().lower()
    if word in SIZE_WORDS:
        found = [shape for shape in shapes if SIZE_WORDS[word](*shape)]
    else:
        match = re.fullmatch(r"(\d{1,5})\s*[x×*]\s*(\d{1,5})", word)
        found = [shape for shape in shapes if match and shape == (int(match[2]), int(match[1]))]
    if not found:
        names = [f"{size_name(s)} ({next(word for word, holds in SIZE_WORDS.items() if holds(*s))})" for s in shapes]
        raise ValueError(f"size {size!r} was not trained: choose {', '.join(names)}")
    return found[0]


@dataclass(frozen=True)
class Lengths:
    """Seconds <-> latent frames of one kind of turn.

    `trained`: latent lengths the model knows, in order. `fresh`: the turn starts with a frame of its own (new, edit), which is
    1/fps long; a continuation has only whole latent frames of `step` seconds.
    """

    trained: tuple[int, ...]
    fresh: bool
    step: float
    fps: float

    def seconds(self, t: int) -> float:
        """Seconds of t latent frames; the first frame of a longer video is not counted, so lengths are round numbers."""
        if not self.fresh:
            return t * self.step
        return 1 / self.fps if t == 1 else (t - 1) * self.step

    def latent(self, seconds: float) -> int:
        """Latent frames of so many seconds: a trained length, or beyond the longest any multiple of `step` up to 60 s."""
        t = round(seconds / self.step) + self.fresh
        for length in (1, t) if self.fresh else (t,):
            rollable = length > self.trained[-1] and seconds <= LONGEST_SECONDS
            if (length in self.trained or rollable) and math.isclose(self.seconds(length), seconds, abs_tol=1e-6):
                return length
        known = ", ".join(f"{self.seconds(t):g}{' (a still)' if self.fresh and t == 1 else ''}" for t in self.trained)
        raise ValueError(
            f"seconds is {seconds:g}, a length that was not trained: choose {known}, "
            f"or a longer multiple of {self.step:g} up to {LONGEST_SECONDS:g}"
        )
