"""What people said: the JSONL files that a preference page saves, and the key -> scores of the systems with intervals.

Enters: votes. Leaves: an `Outcome`: Bradley-Terry scores (Bradley and Terry 1952), in which a tie, and "both bad", is half a win
for each side. Voters who saw a difference between two copies of one video, in most of their checks, are left out and named.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.intervals import Interval
from eval.preference import CHECK

CHOICES = ("left", "right", "tie", "both bad")
ELO = 400 / np.log(10)  # points of a natural logarithm of odds: 400 points are odds of 10 to 1
PRIOR = 0.5  # imaginary wins each way between any two systems: one that won every vote is still at a finite place


@dataclass(frozen=True)
class Vote:
    """One answer. a, b: the two systems in the order of the key (both CHECK for an attention check); score: of b, 0, 0.5 or 1."""

    voter: str
    prompt: str
    a: str
    b: str
    score: float
    choice: str


@dataclass(frozen=True)
class Strength:
    """points: the system's Bradley-Terry score in Elo points around 0; share: of its votes won, ties half; n: its votes."""

    system: str
    points: Interval
    share: float
    n: int


@dataclass(frozen=True)
class Outcome:
    """What the votes say. left_out: voters who failed most of their checks; both_bad: share of the votes that count."""

    strengths: tuple[Strength, ...]
    votes: int
    voters: int
    left_out: tuple[str, ...]
    both_bad: float

    def __str__(self) -> str:
        width = max(len(one.system) for one in self.strengths)
        rows = [
            f"{one.system:<{width}}  {one.points.value:+6.0f} points, interval {one.points.low:+.0f} to {one.points.high:+.0f}, "
            f"wins {one.share:.0%} of {one.n}"
            for one in self.strengths
        ]
        said = f"{self.votes} votes of {self.voters} voters, both bad {self.both_bad:.0%}, {self.strengths[0].points.method}"
        out = f"; left out for failed checks: {', '.join(self.left_out)}" if self.left_out else ""
        return "\n".join([*rows, said + out])


def read_votes(paths: Iterable[str | Path], key: str | Path) -> tuple[list[Vote], int]:
    """The last vote of each voter on each pair, and how many lines were torn. Raises ValueError on votes of another page."""
    try:
        record = json.loads(Path(key).read_text("utf-8"))
        page, meaning = record["page"], record["pairs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{key} is no key of a preference page ({error})") from error
    last: dict[tuple[str, str], Vote] = {}
    torn = 0
    for path in paths:
        for number, line in enumerate(Path(path).read_text("utf-8", errors="replace").splitlines(), 1):
            if not line.strip():
                continue
            try:
                answer = json.loads(line)
            except ValueError:
                torn += 1
                continue
            vote = _vote(answer, page, meaning, f"{path}, line {number}")
            last[vote.voter, answer["pair"]] = vote
    if not last:
        raise ValueError("there are no votes in these files")
    return list(last.values()), torn


def _vote(answer: Any, page: str, meaning: Mapping[str, Any], where: str) -> Vote:
    if not isinstance(answer, dict) or answer.get("page") != page or answer.get("pair") not in meaning:
        raise ValueError(f"{where} is no vote of this page: give each page its own key")
    known = meaning[answer["pair"]]
    sides, choice = [answer.get("left"), answer.get("right")], answer.get("choice")
    if choice not in CHOICES or sorted(map(str, sides)) != sorted(known["videos"]):
        raise ValueError(f"{where} has a choice or videos that the page does not offer: {choice!r}, {sides}")
    better = known["videos"].index(sides[CHOICES.index(choice)]) if choice in ("left", "right") else 0.5
    return Vote(str(answer.get("voter", "")), known["prompt"], known["a"], known["b"], float(better), choice)


def strengths(votes: Sequence[Vote], *, resamples: int = 1000, seed: int = 0) -> Outcome:
    """Bradley-Terry scores of all systems in Elo points, their mean 0, with 95 % bootstrap intervals over voters and prompts.

    Voters who saw a difference in most of their checks are left out. Raises ValueError where no vote is left.
    """
    failed = _inattentive(votes)
    real = [vote for vote in votes if vote.a != CHECK and vote.voter not in failed]
    if not real:
        raise ValueError(f"no vote is left: {len(failed)} voters failed their checks")
    systems = sorted({name for vote in real for name in (vote.a, vote.b)})
    games = _Games.of(real, systems)
    points_S = games.fit(np.ones(len(real)))
    low_S, high_S, method = _interval(real, games, resamples, seed)
    found = []
    for index, name in enumerate(systems):
        won = [vote.score if vote.b == name else 1 - vote.score for vote in real if name in (vote.a, vote.b)]
        points = Interval(float(points_S[index]), float(low_S[index]), float(high_S[index]), method)
        found.append(Strength(name, points, float(np.mean(won)), len(won)))
    found.sort(key=lambda one: -one.points.value)
    bad = float(np.mean([vote.choice == "both bad" for vote in real]))
    return Outcome(tuple(found), len(real), len({vote.voter for vote in real}), tuple(sorted(failed)), bad)


def _inattentive(votes: Sequence[Vote]) -> set[str]:
    checks: dict[str, list[bool]] = defaultdict(list)
    for vote in votes:
        if vote.a == CHECK:
            checks[vote.voter].append(vote.choice in ("left", "right"))
    return {voter for voter, wrong in checks.items() if sum(wrong) > len(wrong) / 2}


@dataclass(frozen=True, eq=False)
class _Games:
    """Votes as arrays: numbers of the two systems, and the share of the win that goes to b."""

    a_N: np.ndarray
    b_N: np.ndarray
    score_N: np.ndarray
    systems: int

    @classmethod
    def of(cls, votes: Sequence[Vote], systems: Sequence[str]) -> _Games:
        index = {name: i for i, name in enumerate(systems)}
        a_N, b_N = (np.array([index[getattr(vote, side)] for vote in votes]) for side in ("a", "b"))
        return cls(a_N, b_N, np.array([vote.score for vote in votes]), len(systems))

    def fit(self, weights_N: np.ndarray) -> np.ndarray:
        """Maximum likelihood by the minorise-maximise steps of Hunter (2004), with PRIOR; Elo points of each system."""
        wins_SS = np.full((self.systems, self.systems), PRIOR)
        np.add.at(wins_SS, (self.b_N, self.a_N), weights_N * self.score_N)
        np.add.at(wins_SS, (self.a_N, self.b_N), weights_N * (1 - self.score_N))
        np.fill_diagonal(wins_SS, 0)
        games_SS, won_S, skill_S = wins_SS + wins_SS.T, wins_SS.sum(axis=1), np.ones(self.systems)
        for _ in range(500):
            before_S = skill_S
            skill_S = won_S / (games_SS / (skill_S[:, None] + skill_S[None, :])).sum(axis=1)
            skill_S = skill_S / np.exp(np.log(skill_S).mean())
            if np.abs(np.log(skill_S / before_S)).max() < 1e-6:
                break
        return ELO * np.log(skill_S)


def _interval(votes: Sequence[Vote], games: _Games, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Voters and prompts are drawn again with replacement, a vote weighted by both (Owen 2007): wide rather than narrow."""
    rng = np.random.default_rng(seed)
    columns = {"voters": [vote.voter for vote in votes], "prompts": [vote.prompt for vote in votes]}
    drawn = {name: np.unique(column, return_inverse=True) for name, column in columns.items()}
    over = {name: found for name, found in drawn.items() if len(found[0]) > 1}
    if not over:
        raise ValueError("one vote on one prompt has no interval: ask more people, or show more prompts")
    found_RS = []
    for _ in range(resamples):
        weights_N = np.ones(len(votes))
        for groups, membership_N in over.values():
            counts = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)))
            weights_N = weights_N * counts[membership_N]
        found_RS.append(games.fit(weights_N))
    low_S, high_S = np.quantile(found_RS, (0.025, 0.975), axis=0)
    return low_S, high_S, f"95 % bootstrap over {' and '.join(f'{len(g)} {name}' for name, (g, _) in over.items())}"


def to_json(outcome: Outcome) -> str:
    """For a program."""
    return json.dumps(asdict(outcome), indent=1, ensure_ascii=False)
