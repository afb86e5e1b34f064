"""Does a model repeat its training clips? Codes of its outputs against all training codes, with held-out clips as the baseline.

Enters: codes_thw of outputs, of held-out clips through the same tokenizer, and of the training clips (`read_shards`). Leaves for
each: the longest run of codes that some training clip has too, the share of its n-grams that occur there, and the agreement
with the nearest training clip, place by place. A low ceiling cannot be named in advance: every sky of the diorama is alike. So
what counts is how outputs lie against clips that cannot be copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from eval.intervals import mean_interval
from eval.protocol import Protocol, Score

GRAM = 32  # codes: half a latent frame of 64
# An odd multiplier of rolling hashes modulo 2^64, and its inverse (Knuth's MMIX).
BASE = 6364136223846793005
INVERSE = pow(BASE, -1, 2**64)
Codes = Sequence[np.ndarray]


@dataclass(frozen=True, eq=False)
class Copying:
    """Of each clip: longest_run (codes), containment (0..1), agreement with the nearest training clip (0..1), and which that is."""

    longest_run: np.ndarray
    containment: np.ndarray
    agreement: np.ndarray
    nearest: np.ndarray


class TrainingCodes:
    """All training codes, ready to be searched. Of the hashes of runs only one length is held at a time."""

    def __init__(self, codes: Codes, gram: int = GRAM):
        """codes: codes_thw of any grids. ValueError where there are none."""
        if not codes:
            raise ValueError("there are no training codes to compare with: give at least one clip")
        self.codes, self.gram = list(codes), gram
        self.joined_N = np.concatenate([codes_thw.ravel() for codes_thw in codes])
        sizes = [codes_thw.size for codes_thw in codes]
        self.end_of_clip_N = np.repeat(np.cumsum(sizes), sizes)

    def check(self, clips: Codes) -> Copying:
        """Looks every clip up."""
        rows, known = [codes_thw.ravel() for codes_thw in clips], self._runs(self.gram)
        nearest = [self._nearest(codes_thw) for codes_thw in clips]
        return Copying(
            self._longest_runs(rows),
            np.array([_share(_among(grams(row, self.gram), known)) for row in rows]),
            np.array([share for share, _ in nearest]),
            np.array([index for _, index in nearest]),
        )

    def _longest_runs(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        """By halving, all clips together: a clip that shares a run of n shares all shorter ones."""
        low, high = np.zeros(len(rows), int), np.array([len(row) for row in rows])
        while (low < high).any():
            middle = (low + high + 1) // 2
            for n in np.unique(middle[low < high]):
                known = self._runs(int(n))
                for i in np.flatnonzero((low < high) & (middle == n)).tolist():
                    is_shared = _among(grams(rows[i], int(n)), known).any()
                    low[i], high[i] = (n, high[i]) if is_shared else (low[i], n - 1)
        return low

    def _runs(self, n: int) -> np.ndarray:
        """Sorted hashes of all runs of n codes within one training clip."""
        starts = np.arange(max(len(self.joined_N) - n + 1, 0))
        return np.unique(grams(self.joined_N, n)[starts + n <= self.end_of_clip_N[: len(starts)]])

    def _nearest(self, codes_thw: np.ndarray) -> tuple[float, int]:
        """The greatest share of equal codes at equal places, over the latent frames of both, and the clip; 0, -1 if none fits."""
        best, where = 0.0, -1
        for index, other_thw in enumerate(self.codes):
            t = min(len(codes_thw), len(other_thw))
            if other_thw.shape[1:] == codes_thw.shape[1:] and 2 * t >= len(codes_thw):
                share = float((codes_thw[:t] == other_thw[:t]).mean())
                best, where = (share, index) if share > best else (best, where)
        return best, where


def _share(is_there: np.ndarray) -> float:
    return float(is_there.mean()) if len(is_there) else 0.0


def _among(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Which of the values occur in an ordered array."""
    if not len(ordered):
        return np.zeros(len(values), bool)
    return ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values


def grams(codes_N: np.ndarray, n: int) -> np.ndarray:
    """uint64 hashes of all runs of n codes: equal runs have equal hashes, wherever they stand."""
    length = len(codes_N)
    if n < 1 or n > length:
        return np.empty(0, np.uint64)
    powers, inverses = _powers(BASE, length + 1), _powers(INVERSE, length + 1)
    sums = np.concatenate([[np.uint64(0)], np.cumsum((codes_N.astype(np.uint64) + np.uint64(1)) * powers[:length])])
    return (sums[n:] - sums[:-n]) * inverses[: length - n + 1]


@cache
def _powers(base: int, count: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.concatenate([[np.uint64(1)], np.cumprod(np.full(count - 1, base % 2**64, np.uint64))])


def copy_scores(outputs: Copying, held_out: Copying, protocol: Protocol) -> list[Score]:
    """Share of outputs nearer to a training clip than 99 % of held-out clips are (chance gives 1 %), and the three means."""
    limit = float(np.quantile(held_out.agreement, 0.99))
    rows = {
        "outputs nearer to training than the 1st percentile": (outputs.agreement > limit, held_out.agreement > limit),
        "longest common run (codes)": (outputs.longest_run, held_out.longest_run),
        "n-gram containment": (outputs.containment, held_out.containment),
        "agreement with the nearest training clip": (outputs.agreement, held_out.agreement),
    }
    out = []
    for name, (mine_N, theirs_N) in rows.items():
        found, base = mean_interval(mine_N.tolist()), float(np.mean(theirs_N))
        settings = replace(protocol, n=len(mine_N), n_reference=len(theirs_N))
        out.append(
            Score(
                name,
                found.value,
                len(mine_N),
                settings,
                False,
                found.bounds,
                found.method,
                note=f"held-out clips {base:.4g}",
            )
        )
    return out
