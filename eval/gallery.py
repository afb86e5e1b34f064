"""The clips on a page: the best and the worst of a run, edits beside what they changed, and where two runs differ.

Enters: the rows of per_prompt.csv and the folder that their videos lie in. Leaves: HTML with small copies of the videos as
data, which carry none of the files' own metadata.
"""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from eval.folder import LONGEST
from eval.plots import number
from eval.results import Results, Row
from tokenizer.video import VideoError, fit, read_video, write_video

CLIPS = 6  # best, and as many worst
EDITS, CHANGES = 3, 3
LONG_SIDE, CRF = 160, 30
SHARES = ("attributes right", "attributes kept", "edit done")
# By which number clips are ranked: the first of these that the rows have.
PROMPTS = ("prompt", "sentence", "video")  # what the rows are that are ranked
RANKED_BY = ("attributes right", "CLIP score", "diorama-clip score", "motion")


def best_and_worst(rows: Sequence[Row], out: Path) -> str:
    """The best and the worst videos of prompts, by the first number that most of them have."""
    shown = [row for row in rows if row["what"] in PROMPTS and row.get("video")]
    measure = _measure(shown)
    if measure is None:
        return ""
    ranked = sorted((row for row in shown if row.get(measure) is not None), key=_ranking(measure, shown), reverse=True)
    count = min(CLIPS, len(ranked) // 2)
    best, worst = ranked[:count], ranked[len(ranked) - count :][::-1]
    groups = [("Best", best), ("Worst", worst)]
    parts = [
        f'<h3>{t}</h3><div class="clips">{"".join(_clip(r, measure, out) for r in group)}</div>' for t, group in groups
    ]
    return f'<section><h2>Clips</h2><p class="soft">By {escape(measure)}.</p>{"".join(parts)}</section>'


def every(rows: Sequence[Row], what: str, out: Path) -> str:
    """All videos of one kind of row, in their order."""
    shown = [row for row in rows if row["what"] == what and row.get("video")]
    return f'<div class="clips">{"".join(_clip(row, SHARES[0], out) for row in shown)}</div>' if shown else ""


def edits(rows: Sequence[Row], out: Path) -> str:
    """Edits with the video before them, the best and the worst."""
    by_key = {row["key"]: row for row in rows}
    found = [(by_key[before], row) for row in rows if row["what"] == "turn" and (before := _before(row)) in by_key]
    found = [(before, row) for before, row in found if before.get("video") and row.get("video")]
    if not found:
        return ""

    def rank(pair_: tuple[Row, Row]) -> float:
        return sum(float(pair_[1].get(name) or 0) for name in ("edit done", "attributes kept"))

    ranked = sorted(found, key=rank, reverse=True)
    count = min(EDITS, len(ranked) // 2)
    shown = [*ranked[:count], *ranked[len(ranked) - count :]]
    figures = [_clip(row, "attributes kept", out, before) for before, row in shown]
    return _block("Edits", "The video before, and after: the best and the worst.", figures, "clips wide")


def _before(row: Row) -> str:
    stem, _, turn = row["key"].rpartition("-")
    return f"{stem}-{int(turn) - 1}" if turn.isdigit() else ""


def _measure(rows: Sequence[Row]) -> str | None:
    names = list(dict.fromkeys(name for row in rows for name, value in row.items() if isinstance(value, float)))
    wanted = [n for start in RANKED_BY for n in names if n.startswith(start)]
    return wanted[0] if wanted else None


def _ranking(measure: str, rows: Sequence[Row]) -> Callable[[Row], Any]:
    """Many videos have all attributes right: among equals, the next number decides."""
    second = next((n for row in rows for n in row if "score" in n and n != measure), "")
    return lambda row: (row[measure], row.get(second) or 0.0)


def _clip(row: Row, measure: str, out: Path, before: Row | None = None) -> str:
    videos = [out / one["video"] for one in (before, row) if one is not None]
    value = row.get(measure)
    share = measure in SHARES
    small = [f"{measure} {number(value, share)}"] if isinstance(value, float) else []
    small += [f'<span class="bad">{escape(row["wrong"])}</span>'] if row.get("wrong") else []
    done = row.get("edit done")
    if isinstance(done, float):
        small.insert(0, '<span class="good">done</span>' if done else '<span class="bad">not done</span>')
    return _figure(videos, row["prompt"], small)


def changes(a: Results, b: Results, folder_a: Path, folder_b: Path) -> str:
    """The prompts on which the two differ most, side by side."""
    theirs = {row["key"]: row for row in b.rows}
    both = [(row, theirs[row["key"]]) for row in a.rows if row["key"] in theirs and row["what"] in PROMPTS]
    measure = _measure([row for row, _ in both])
    if measure is None:
        return ""
    both = [(x, y) for x, y in both if x.get(measure) is not None and y.get(measure) is not None]
    both = [(x, y) for x, y in both if x[measure] != y[measure] and x.get("video") and y.get("video")]
    if not both:
        return ""
    column = measure
    ranked = sorted(both, key=lambda xy: xy[1][column] - xy[0][column], reverse=True)
    count = min(CHANGES, len(ranked))
    shown = ranked[:count] + [xy for xy in ranked[-count:] if xy not in ranked[:count]]
    figures = []
    for x, y in shown:
        share = measure in SHARES
        small = f"{measure}: a {number(x[measure], share)}, b {number(y[measure], share)}"
        figures.append(_figure([folder_a / x["video"], folder_b / y["video"]], x["prompt"], [escape(small)]))
    return _block(
        "Where they differ", f"a on the left, b on the right; the largest changes of {measure}.", figures, "clips wide"
    )


def _block(title: str, sentence: str, figures: Sequence[str], kind: str) -> str:
    body = f'<div class="{kind}">{"".join(figures)}</div>'
    return f'<section><h2>{escape(title)}</h2><p class="soft">{escape(sentence)}</p>{body}</section>'


def _figure(videos: Sequence[Path], prompt: str, notes: Sequence[str]) -> str:
    """One video, or two beside each other, over their prompt. notes: HTML."""
    kind = "screen two" if len(videos) > 1 else "screen"
    screens, small = "".join(map(_video, videos)), "".join(f"<small>{note}</small>" for note in notes)
    return f'<figure><div class="{kind}">{screens}</div><figcaption>{escape(prompt)}{small}</figcaption></figure>'


def _video(path: Path) -> str:
    try:
        uri, poster = small_copy(path)
    except VideoError:
        return "<p>cannot be read</p>"
    return f'<video src="{uri}" poster="{poster}" autoplay loop muted playsinline aria-label="clip"></video>'


def small_copy(path: Path, long_side: int = LONG_SIDE, crf: int = CRF) -> tuple[str, str]:
    """Data URIs of a small copy of a video and of its first frame; nothing of the file's own metadata goes with them.

    The first frame is there at once, and where nothing may move. Raises VideoError.
    """
    frames_THWC, fps = read_video(path, max_frames=LONGEST)
    height, width = frames_THWC.shape[1:3]
    scale = min(1.0, long_side / max(height, width))
    small_THWC = fit(frames_THWC, *(max(2, round(side * scale / 2) * 2) for side in (height, width)))
    picture = io.BytesIO()
    Image.fromarray(small_THWC[0]).save(picture, "JPEG", quality=70)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy.mp4"
        write_video(copy, small_THWC, min(fps, 60.0), crf=crf)
        return _data("video/mp4", copy.read_bytes()), _data("image/jpeg", picture.getvalue())


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
