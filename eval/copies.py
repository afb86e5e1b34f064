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
    """All training codes, ready to be searched."""

    def __init__(self, codes: Codes, gram: int = GRAM):
        """codes: codes_thw of any grids. ValueError where there are none."""
        if not codes:
            raise ValueError("there are no training codes to compare with: give at least one clip")
        self.codes, self.gram = list(codes), gram
        self.rows = [codes_thw.ravel() for codes_thw in codes]
        self._hashes = cache(self._hashes_of_length)

    def check(self, clips: Codes) -> Copying:
        """Looks every clip up."""
        nearest = [self._nearest(codes_thw) for codes_thw in clips]
        return Copying(
            np.array([self._longest_run(codes_thw.ravel()) for codes_thw in clips]),
            np.array([self._containment(codes_thw.ravel(), self.gram) for codes_thw in clips]),
            np.array([share for share, _ in nearest]),
            np.array([index for _, index in nearest]),
        )

    def _containment(self, codes_N: np.ndarray, n: int) -> float:
        """Share of the runs of n codes that some training clip has."""
        mine = grams(codes_N, n)
        return float(np.isin(mine, self._hashes(n)).mean()) if len(mine) else 0.0

    def _longest_run(self, codes_N: np.ndarray) -> int:
        """By halving: a clip that shares a run of n shares all shorter ones."""
        low, high = 0, len(codes_N)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._containment(codes_N, middle) > 0 else (low, middle - 1)
        return low

    def _nearest(self, codes_thw: np.ndarray) -> tuple[float, int]:
        """The greatest share of equal codes at equal places, over the latent frames of both, and the clip; 0, -1 if none fits."""
        best, where = 0.0, -1
        for index, other_thw in enumerate(self.codes):
            t = min(len(codes_thw), len(other_thw))
            if other_thw.shape[1:] == codes_thw.shape[1:] and 2 * t >= len(codes_thw):
                share = float((codes_thw[:t] == other_thw[:t]).mean())
                best, where = (share, index) if share > best else (best, where)
        return best, where

    def _hashes_of_length(self, n: int) -> np.ndarray:
        found = [grams(row, n) for row in self.rows]
        return np.unique(np.concatenate(found))


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
