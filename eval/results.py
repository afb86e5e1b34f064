"""What a run leaves in its folder, and two such folders side by side.

OUT/results.json: every `Score`, what was measured, by which versions, how long each part took, which files were skipped.
OUT/per_prompt.csv: a row a prompt and turn (or a video), with what was seen wrongly and every number that belongs to it alone.

`pair` compares two runs score by score. It refuses scores of different protocols; where both have values for the same prompts it
adds the paired difference, which is far sharper than two intervals that overlap.
"""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from eval.frechet import frechet_distance
from eval.intervals import Difference, compare_distances, paired_bootstrap
from eval.protocol import CODE_VERSION, Comparison, Score, compare
from gpt_video.disk import write_text

FORMAT = 1
RESULTS, TABLE, FEATURES = "results.json", "per_prompt.csv", "features.npz"
LEAST_SHARED, MOST_SHARED = 16, 512
LEAST_TO_TELL = 8  # scenes: a bootstrap of fewer is far too narrow to name a winner
# What a row is; all other columns are numbers, named as the scores are whose means they make up.
LEADING = ("key", "what", "turn", "scene", "language", "prompt", "edit", "video", "wrong")
# Parts of a run that are scored apart: what their rows are, and how their scores are named.
APART = {"sentences": ("sentence", "unseen sentences"), "article": ("article", "article")}
LANGUAGES = {"English": "en", "French": "fr"}
PACKAGES = ("gpt-video", "torch", "transformers", "numpy", "scipy", "av", "mujoco")
Row = dict[str, Any]


@dataclass(frozen=True)
class PartRecord:
    """One measurement of a run: the names of its scores, its wall-clock seconds, and why it was left out, if it was."""

    name: str
    scores: tuple[str, ...] = ()
    seconds: float = 0.0
    left_out: str = ""


@dataclass(frozen=True)
class Results:
    """what: "model", "videos" or "two folders". subject: what was measured, in words and hashes. curves: of drift, by second."""

    what: str
    subject: Mapping[str, Any]
    parts: tuple[PartRecord, ...]
    scores: tuple[Score, ...]
    rows: tuple[Row, ...] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=lambda: versions_here())
    finished: str = ""

    @property
    def name(self) -> str:
        return str(self.subject.get("name", self.what))

    def score(self, name: str) -> Score | None:
        """The score of that name, if it was measured."""
        return next((score for score in self.scores if score.name == name), None)

    def of_part(self, name: str) -> list[Score]:
        names = {score for part in self.parts if part.name == name for score in part.scores}
        return [score for score in self.scores if score.name in names]

    def save(self, out: str | Path) -> None:
        """Writes both files, each complete or not at all."""
        out = Path(out)
        record = {
            "format": FORMAT,
            "what": self.what,
            "subject": dict(self.subject),
            "parts": [asdict(part) for part in self.parts],
            "scores": [score.to_dict() for score in self.scores],
            "curves": dict(self.curves),
            "skipped": list(self.skipped),
            "versions": dict(self.versions),
            "finished": self.finished,
        }
        write_text(out / TABLE, to_csv(self.rows))
        write_text(out / RESULTS, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Of a run's folder or its results.json. Raises ValueError where that is missing, damaged or of another format."""
        path = Path(path)
        path = path / RESULTS if path.is_dir() else path
        try:
            record = json.loads(path.read_text("utf-8"))
            if record["format"] != FORMAT:
                raise ValueError(f"it has the format {record['format']}, this program reads {FORMAT}")
            parts = tuple(PartRecord(**{**part, "scores": tuple(part["scores"])}) for part in record["parts"])
            scores = tuple(Score.from_dict(score) for score in record["scores"])
            rest = {name: record[name] for name in ("what", "subject", "curves", "versions", "finished")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} holds no results of `gpt-video eval` ({error})") from error
        return cls(
            parts=parts, scores=scores, rows=from_csv(path.parent / TABLE), skipped=tuple(record["skipped"]), **rest
        )


@dataclass(frozen=True)
class Pair:
    """One score of two runs; `difference` is b - a over the same prompts, None where no prompt has a value of its own."""

    comparison: Comparison
    difference: Difference | None

    @property
    def value(self) -> float:
        """b - a: over the same prompts where there are any, else of the two means."""
        return self.difference.value if self.difference else self.comparison.difference

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the paired difference."""
        return self.difference.interval if self.difference else None

    @property
    def verdict(self) -> str:
        """ "a", "b", or "neither": by the paired interval or permutation where there is one, else by the two intervals."""
        p_value = self.difference.p_value if self.difference else None
        if p_value is not None:
            low, high = (self.value, self.value) if p_value < 0.05 else (-1.0, 1.0)
        elif self.difference is not None and self.interval is not None:
            low, high = self.interval if self.difference.n >= LEAST_TO_TELL else (-1.0, 1.0)
        else:
            return self.comparison.better
        if low <= 0 <= high:
            return "neither"
        return "b" if (low > 0) == self.comparison.a.higher_is_better else "a"


def pair(a: Results, b: Results, distances: Mapping[str, Difference] | None = None) -> list[Pair]:
    """Every score that both runs have. Raises ValueError if there is none, or if one was not measured in the same way.

    distances: paired differences of distances between sets, see `distance_difference`.
    """
    names = [score.name for score in a.scores if b.score(score.name) is not None]
    if not names:
        raise ValueError(f"{a.name} and {b.name} have no score in common: measure both with the same command")
    pairs = []
    for name in names:
        first, second = a.score(name), b.score(name)
        assert first is not None and second is not None
        found = (distances or {}).get(name) or paired_difference(name, a.rows, b.rows)
        pairs.append(Pair(compare(first, second), found))
    return pairs


def paired_difference(name: str, a: Sequence[Row], b: Sequence[Row]) -> Difference | None:
    """b - a of one score over the prompts that both have, all rows of a scene together; None below two scenes."""
    mine, theirs = ({row["key"]: row for row in rows_behind(name, rows)} for rows in (a, b))
    column = name.partition(", ")[0]
    keys = [key for key in mine if key in theirs]
    scenes = [mine[key]["scene"] or key for key in keys]
    if len(set(scenes)) < 2:
        return None
    return paired_bootstrap([mine[key][column] for key in keys], [theirs[key][column] for key in keys], scenes)


def save_features(path: Path, score: Score, real_ND: np.ndarray, made_ND: np.ndarray, names: Sequence[str]) -> None:
    """Kept for `distance_difference`; `names` are those of the generated videos."""
    draft = path.with_suffix(".partial.npz")
    np.savez(draft, score=score.name, ddof=score.protocol.ddof or 0, real=real_ND, made=made_ND, names=np.array(names))
    draft.replace(path)


def distance_difference(a: str | Path, b: str | Path) -> dict[str, Difference]:
    """{score: b - a} of the Frechet distance of two runs to the same real videos, by a permutation of videos of one name.

    Empty where a run has no features, or the two share too few or too many videos (a permutation takes 400 distances).
    """
    files = [Path(folder) / FEATURES for folder in (a, b)]
    if not all(file.is_file() for file in files):
        return {}
    with np.load(files[0]) as mine, np.load(files[1]) as theirs:
        rows = [{name: row for row, name in enumerate(kept["names"].tolist())} for kept in (mine, theirs)]
        shared = sorted(rows[0].keys() & rows[1].keys())
        if not LEAST_SHARED <= len(shared) <= MOST_SHARED or mine["score"] != theirs["score"]:
            return {}
        distance = partial(frechet_distance, ddof=int(mine["ddof"]))
        sides = [kept["made"][[row[name] for name in shared]] for kept, row in zip((mine, theirs), rows, strict=True)]
        return {str(mine["score"]): compare_distances(mine["real"], sides[0], sides[1], distance)}


def rows_behind(name: str, rows: Sequence[Row]) -> list[Row]:
    """The rows whose mean a score is: "edit done, edit 2" is the column "edit done" of second edits."""
    column, _, which = name.partition(", ")
    return [row for row in rows if row.get(column) is not None and _is_behind(row, which)]


def _is_behind(row: Row, which: str) -> bool:
    language, _, apart = which.rpartition(", ")
    for what, named in APART.values():
        if apart == named:
            return row["what"] == what and (not language or row["language"] == LANGUAGES[language])
    if which in LANGUAGES:
        return row["what"] == "prompt" and row["language"] == LANGUAGES[which]
    if which.startswith("edit "):
        return row["what"] == "turn" and str(row["turn"]) == which.removeprefix("edit ")
    if which == "of renders":
        return row["what"] == "render"
    return not which and row["what"] in ("prompt", "turn", "video")


def to_csv(rows: Sequence[Row]) -> str:
    """A table with the leading columns first, and then the numbers in the order in which they first appear."""
    numbers = list(dict.fromkeys(name for row in rows for name in row if name not in LEADING))
    text = io.StringIO()
    table = csv.DictWriter(text, [*LEADING, *numbers], restval="", lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: "" if value is None else value for name, value in row.items()})
    return text.getvalue()


def from_csv(path: Path) -> tuple[Row, ...]:
    """The inverse: words as they are, numbers as floats, empty cells as None. Raises ValueError."""
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return tuple({name: _cell(name, cell) for name, cell in row.items()} for row in csv.DictReader(file))
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path} is not the table of a run ({error})") from error


def _cell(name: str, cell: str) -> Any:
    if name in LEADING:
        return cell
    return float(cell) if cell else None


def versions_here() -> dict[str, str]:
    """Of everything that a number may depend on."""
    found = {"python": platform.python_version(), "eval code": str(CODE_VERSION), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
