"""Records of DioramaBench -> `Score`s: means over scenes with 95 % intervals, and the judge's own accuracy beside each.

Enters: the lines of records.jsonl. Leaves: one score for each attribute, their mean over prompts, by language, French minus
English on the same scenes, edits done and attributes kept turn by turn, and pixels kept where a render was edited.

All videos of a scene (its languages, its turns) count as one observation. An attribute that the judge itself gets right less often
than 80 % is shown, with a note, and takes no part in any mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eval.attributes import NAMES
from eval.intervals import mean_interval, paired_bootstrap
from eval.judge import CEILING_TO_COUNT, Judge
from eval.protocol import Protocol, Score

Record = dict[str, Any]
LANGUAGE_NAMES = {"en": "English", "fr": "French"}


def scores_of(records: Sequence[Record], judge: Judge, protocol: Protocol, notes: Sequence[str] = ()) -> list[Score]:
    """Every score that the records allow."""
    found = Scores(judge, protocol, "; ".join(notes))
    prompts = [record for record in records if record["kind"] == "prompt"]
    for name in NAMES:
        found.attribute(name, prompts)
    found.mean_of_prompts("attributes right", prompts)
    for language, words in LANGUAGE_NAMES.items():
        found.mean_of_prompts(f"attributes right, {words}", [r for r in prompts if r["language"] == language])
    found.french_minus_english(prompts)
    turns = [record for record in records if record["kind"] == "turn"]
    for number in sorted({record["turn"] for record in turns}):
        found.edits([record for record in turns if record["turn"] == number], f", edit {number}")
    found.edits(turns, "")
    renders = [record for record in records if record["kind"] == "render"]
    found.edits(renders, ", of renders")
    found.pixels(renders)
    return found.scores


class Scores:
    """Collects scores; what has no samples is left out."""

    def __init__(self, judge: Judge, protocol: Protocol, note: str):
        self.judge, self.protocol, self.note = judge, protocol, note
        self.scores: list[Score] = []

    def attribute(self, name: str, prompts: Sequence[Record]) -> None:
        """Share of the prompts that name the attribute whose video shows it."""
        pairs = [(claim["right"], r["scene"]) for r in prompts for claim in r["claims"] if claim["name"] == name]
        ceiling, note = self.judge.ceiling.get(name), ""
        if not self.judge.counts(name):
            note = f"not in any mean: the judge itself is under {CEILING_TO_COUNT:.0%}"
        self._mean(name, pairs, ceiling, note)

    def mean_of_prompts(self, name: str, prompts: Sequence[Record]) -> None:
        """Of each prompt the share of what it names that its video shows; then the mean over scenes."""
        self._mean(name, _pairs(prompts, self.share_right), _mean_or_none(map(self._ceiling_of_prompt, prompts)))

    def french_minus_english(self, prompts: Sequence[Record]) -> None:
        """The difference on the same scenes, which a score of its own: 0 is best."""
        by_scene: dict[Any, dict[str, float]] = defaultdict(dict)
        for record in prompts:
            share = self.share_right(record)
            if share is not None:
                by_scene[record["scene"]][record["language"]] = share
        both = [(row["en"], row["fr"]) for row in by_scene.values() if len(row) == len(LANGUAGE_NAMES)]
        if len(both) > 1:
            found = paired_bootstrap([en for en, _ in both], [fr for _, fr in both])
            self._add("French minus English", found.value, len(both), found.interval, found.method, None, "0 is best")

    def edits(self, turns: Sequence[Record], what: str) -> None:
        """done: all that was asked for is there. kept: share of the rest of which the judge says the same as before."""
        self._mean(f"edit done{what}", _pairs(turns, self.is_done), _mean_or_none(map(self._ceiling_of_edit, turns)))
        self._mean(f"attributes kept{what}", _pairs(turns, self.share_kept), None)

    def pixels(self, renders: Sequence[Record]) -> None:
        """PSNR in the region that an edit leaves alone, and what the same tokenizer makes of the true clip there."""
        best = _mean_or_none(record["unaffected_psnr_ceiling"] for record in renders)
        pairs = _pairs(renders, lambda record: record["unaffected_psnr"])
        self._mean("pixels kept (dB)", pairs, best, "ceiling: the true clip through the same tokenizer", is_share=False)

    # ------------------------------------------------------------------------------------------------ of one record

    def share_right(self, record: Record) -> float | None:
        """Of the named attributes that count; None where there is none."""
        return _mean_or_none(claim["right"] for claim in record["claims"] if self.judge.counts(claim["name"]))

    def is_done(self, record: Record) -> float | None:
        """1 if everything that was asked for is seen; None where the judge does not know the attribute well."""
        known = all(self.judge.counts(_known_as(claim["name"])) for claim in record["asked"])
        return float(all(claim["right"] for claim in record["asked"])) if known else None

    def share_kept(self, record: Record) -> float | None:
        """Of the attributes that count and that the edit leaves alone."""
        return _mean_or_none(
            kept["before"] == kept["after"] for kept in record["kept"] if self.judge.counts(_known_as(kept["name"]))
        )

    def _ceiling_of_prompt(self, record: Record) -> float | None:
        return _mean_or_none(
            self.judge.ceiling[claim["name"]] for claim in record["claims"] if self.judge.counts(claim["name"])
        )

    def _ceiling_of_edit(self, record: Record) -> float | None:
        if self.is_done(record) is None:
            return None
        return float(np.prod([self.judge.ceiling[_known_as(claim["name"])] for claim in record["asked"]]))

    # ---------------------------------------------------------------------------------------------------- one score

    def _mean(
        self,
        name: str,
        pairs: Sequence[tuple[float, Any]],
        ceiling: float | None,
        note: str = "",
        *,
        is_share: bool = True,
    ) -> None:
        if not pairs:
            return
        values, scenes = [float(value) for value, _ in pairs], [scene for _, scene in pairs]
        if len(set(scenes)) < 2:
            alone = "; ".join(filter(None, (note, "one scene: no interval")))
            self._add(name, float(np.mean(values)), len(values), None, None, ceiling, alone)
            return
        found = mean_interval(values, scenes)
        low, high = (min(max(x, 0.0), 1.0) if is_share else x for x in found.bounds)
        self._add(name, found.value, len(values), (low, high), found.method, ceiling, note)

    def _add(
        self,
        name: str,
        value: float,
        n: int,
        interval: tuple[float, float] | None,
        method: str | None,
        ceiling: float | None,
        note: str,
    ) -> None:
        notes = "; ".join(filter(None, (note, self.note)))
        protocol = replace(self.protocol, n=n)
        self.scores.append(Score(name, value, n, protocol, True, interval, method, ceiling=ceiling, note=notes))


def _known_as(name: str) -> str:
    """Under which name the judge's accuracy is recorded: that a kind is absent is known as well as that it is there."""
    return "kind" if name == "absent" else name


def _pairs(records: Sequence[Record], value: Callable[[Record], float | None]) -> list[tuple[float, Any]]:
    found = [(value(record), record["scene"]) for record in records]
    return [(share, scene) for share, scene in found if share is not None]


def _mean_or_none(values: Iterable[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.mean(known)) if known else None
