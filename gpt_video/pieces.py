"""How long a clip is that a model is trained on, and how a longer one is cut.

Enters: frames of any number. Leaves: pieces of trained lengths, and runs that hold rolled windows too (sequence.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpt_video import sequence
from tokenizer.data import CONTINUED_FRAMES, FRAMES


def latent_lengths(video_tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Latent frames of the clips that stand alone (FRAMES), and of those that go on from another (CONTINUED_FRAMES)."""
    step = video_tokenizer.clip_shape(2, 1, 1)[0] - 1
    alone = tuple(1 + (frames - 1) // step for frames in FRAMES if (frames - 1) % step == 0)
    return alone, tuple(frames // step for frames in CONTINUED_FRAMES if frames % step == 0)


def pieces(frames_THWC: np.ndarray, video_tokenizer) -> Iterator[np.ndarray]:
    """A long clip as pieces of trained lengths. A rest that is no longer than a still is dropped, unless it is all there is.

    A piece that more follows is as long as a sequence can be: its codes are those of the piece, and of rolled windows.
    """
    longest, *shorter = [video_tokenizer.clip_shape(t, 1, 1)[0] for t in reversed(latent_lengths(video_tokenizer)[0])]
    runs = [video_tokenizer.clip_shape(t, 1, 1)[0] for t in range(sequence.MAX_T, sequence.ROLLED_T, -1)]
    start = next_run = 0
    while len(frames_THWC) - start >= longest:
        run = next((run for run in runs if run <= len(frames_THWC) - start), 0) if start >= next_run else 0
        yield frames_THWC[start : start + max(run, longest)]
        next_run = max(next_run, start + run)
        start += longest
    fitting = next((length for length in shorter if length <= len(frames_THWC) - start), 0)
    if fitting > 1 or (fitting and not start):
        yield frames_THWC[start : start + fitting]
