"""The numbers of a run -> the table in a model card, so that nobody copies them by hand.

Enters: `Results`, and cards that hold the two marks below. Leaves: the cards with a fresh table between the marks; what people
wrote around it stays. A card inside a model's folder has its hash renewed there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from eval.plots import is_share, number
from eval.protocol import Score
from eval.results import Results
from gpt_video.bundle import SUMS_FILE, write_sums
from gpt_video.disk import write_text

BEGIN, END = "<!-- scores -->", "<!-- end of scores -->"
BETWEEN = re.compile(rf"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)


def write_cards(results: Results, cards: Sequence[str | Path], command: str) -> None:
    """Puts the table of the scores into every card. ValueError, before any is changed, where a card or its marks are missing."""
    texts = {}
    for card in map(Path, cards):
        if not card.is_file():
            raise ValueError(f"there is no card {card}: give the path of a Markdown file")
        texts[card] = card.read_text("utf-8")
        if not BETWEEN.search(texts[card]):
            raise ValueError(f"{card} has no place for scores: put the lines {BEGIN} and {END} where they belong")
    block = f"{BEGIN}\n{table(results, command)}\n{END}"
    for card, text in texts.items():
        write_text(card, BETWEEN.sub(lambda _: block, text))
        if (card.parent / SUMS_FILE).is_file():
            write_sums(card.parent)


def table(results: Results, command: str) -> str:
    """Markdown: what was measured and by which command, then a row a score."""
    subject = results.subject
    named = [f"{name} {subject[name]}" for name in ("model", "suite", "judge") if subject.get(name)]
    lines = [f"`{command}` on {results.name} ({'; '.join(named)}), {results.finished[:10]}.", ""]
    lines += ["| score | value | 95 % interval | ceiling or floor | N |", "|---|--:|--:|--:|--:|"]
    lines += [_row(score) for score in results.scores]
    return "\n".join(lines)


def _row(score: Score) -> str:
    share = is_share(score)
    interval = " to ".join(number(bound, share) for bound in score.interval) if score.interval else ""
    limits = [number(score.ceiling, share)] if score.ceiling is not None else []
    limits += [f"floor {number(score.floor, share)}"] if score.floor is not None else []
    limits += [score.note] if score.note.startswith("held-out clips") else []  # the baseline of copies
    name = score.name + (" (not in any mean)" if score.note.startswith("not in any mean") else "")
    return f"| {name} | {number(score.value, share)} | {interval} | {', '.join(limits)} | {score.n} |"
