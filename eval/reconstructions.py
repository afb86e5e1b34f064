"""What the judge still recognises of a clip that went through the tokenizer and back: the most that the GPT before it can show.

Enters: rendered clips with their scenes, and the same clips reconstructed. Leaves: `Score`s of kind, colour and all attributes
together on reconstructions; beside each, as its ceiling, what the judge gets right on the renders themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from eval.attributes import SECOND, claims
from eval.intervals import mean_interval
from eval.judge import Judge
from eval.protocol import Protocol, Score
from gpt_video.diorama.scene import Scene

GROUPS = {"kind": ("kind", "second kind"), "colour": ("colour", "second colour"), "attributes": None}


@dataclass(frozen=True, eq=False)
class Pair:
    """A scene, its render and the render's reconstruction (uint8 frames_THWC at 8 fps)."""

    scene: Scene
    render_THWC: np.ndarray
    reconstruction_THWC: np.ndarray


def reconstruction_scores(pairs: Iterable[Pair], judge: Judge, protocol: Protocol) -> list[Score]:
    """One score for each of GROUPS, a mean over scenes; attributes that the judge knows badly are left out.

    Raises ValueError where that leaves nothing.
    """
    shares: dict[str, list[tuple[float, float]]] = {name: [] for name in GROUPS}
    for pair in pairs:
        seen = [verdict for verdict in _verdicts(pair, judge) if judge.counts(verdict.name)]
        for group, names in GROUPS.items():
            found = [verdict for verdict in seen if names is None or verdict.name in names]
            if found:
                rebuilt = np.mean([verdict.of_reconstruction for verdict in found])
                shares[group].append((float(rebuilt), float(np.mean([verdict.of_render for verdict in found]))))
    if not shares["attributes"]:
        raise ValueError("no scene has anything that this judge knows well: give scenes, or train the judge longer")
    return [_score(f"{name} on reconstructions", of, protocol) for name, of in shares.items() if len(of) > 1]


class _Verdict(NamedTuple):
    name: str
    of_reconstruction: bool
    of_render: bool


def _verdicts(pair: Pair, judge: Judge) -> Iterable[_Verdict]:
    """Whether what is true of the scene is seen, claim by claim."""
    rebuilt, drawn = judge(pair.reconstruction_THWC), judge(pair.render_THWC)
    for claim in claims(pair.scene):
        if not claim.subject or claim.name in SECOND:
            yield _Verdict(claim.name, rebuilt.is_right(claim, pair.scene), drawn.is_right(claim, pair.scene))


def _score(name: str, shares: list[tuple[float, float]], protocol: Protocol) -> Score:
    rebuilt, drawn = zip(*shares, strict=True)
    found = mean_interval(rebuilt)
    low, high = (min(max(bound, 0.0), 1.0) for bound in found.bounds)
    ceiling = float(np.mean(drawn))
    return Score(name, found.value, len(shares), protocol, True, (low, high), found.method, ceiling=ceiling)
