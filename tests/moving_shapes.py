"""Small videos of coloured squares that move, and the same made worse, for the tests of scores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SIDE, FRAMES = 32, 9


def video(seed: int) -> np.ndarray:
    """frames_THWC: a square of a random bright colour crosses a dark gradient in a random direction."""
    rng = np.random.default_rng(seed)
    background = np.linspace(20, 60, SIDE)[None, :, None].repeat(SIDE, 0).repeat(3, 2)
    colour, start, step = rng.integers(120, 255, 3), rng.integers(4, 20, 2), rng.choice([-2, -1, 1, 2], 2)
    frames_THWC = np.repeat(background[None], FRAMES, axis=0)
    for index in range(FRAMES):
        top, left = np.clip(start + index * step, 0, SIDE - 8)
        frames_THWC[index, top : top + 8, left : left + 8] = colour
    return frames_THWC.astype(np.uint8)


def videos(count: int, seed: int = 0) -> list[np.ndarray]:
    return [video(1000 * seed + index) for index in range(count)]


def frozen(frames_THWC: np.ndarray) -> np.ndarray:
    return np.repeat(frames_THWC[:1], len(frames_THWC), axis=0)


def shuffled(frames_THWC: np.ndarray) -> np.ndarray:
    return frames_THWC[np.random.default_rng(7).permutation(len(frames_THWC))]


def blurred(frames_THWC: np.ndarray) -> np.ndarray:
    padded = np.pad(frames_THWC.astype(float), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    moved = [padded[:, y : y + SIDE, x : x + SIDE] for y in range(5) for x in range(5)]
    return np.mean(moved, axis=0).astype(np.uint8)


def noisy(frames_THWC: np.ndarray) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 255, frames_THWC.shape, dtype=np.uint8)


WORSE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "frozen": frozen,
    "shuffled": shuffled,
    "blurred": blurred,
    "noise": noisy,
}
