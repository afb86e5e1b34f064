"""The results of a run -> one HTML page that needs nothing else: no network, no other file.

Enters: `Results` and the folder that its videos lie in. Leaves: OUT/index.html, with plots, and clips as data in the page (a few
MB at most). `write_comparison` does the same for two runs. Words of prompts and file names are escaped wherever they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from eval import gallery
from eval.attributes import NAMES
from eval.plots import Domain, Line, bar, difference, domain_of, is_share, lines, number, strip, symmetric
from eval.protocol import Protocol, Score
from eval.results import Pair, Results, distance_difference, pair
from gpt_video.disk import write_text

TEMPLATE = Path(__file__).parent / "report.html"
PAGE, COMPARISON = "index.html", "comparison.html"
# What is said at the top, in this order, as far as it was measured; by the beginnings of names.
HEADLINES = (
    "attributes right",
    "edit done",
    "attributes kept",
    "FVD",
    "FD-",
    "place of model",
    "CLIP score",
    "diorama-clip",
)
STEADY = (
    "How well frames fit their prompt, and how steady they are. A still is perfectly steady: read motion beside it."
)
TITLES = {
    "bench": (
        "DioramaBench",
        "Does a video show what its words say, and does an edit change what was asked and nothing else? Judged by a program.",
    ),
    "sentences": (
        "Unseen sentences",
        "A hundred prompts written by hand: bare nouns, typing errors, missing accents, other word orders, long sentences.",
    ),
    "article": (
        "The scenes of the article",
        "Five scenes in two languages: look at them. Ten videos are too few for the numbers to say much.",
    ),
    "words": ("Words and steadiness", STEADY),
    "words and motion": ("Words and steadiness", STEADY),
    "motion": ("Motion", "How much changes from frame to frame."),
    "distance": (
        "Distance to real videos",
        "How far the set of generated videos is from the set of real ones. The floor is real against real.",
    ),
    "anchors": (
        "Tokenizer and model between two anchors",
        "0 is as near as real videos are to each other, 1 is real videos with shuffled captions.",
    ),
    "reconstructions": (
        "The tokenizer alone",
        "What the judge recognises of renders that were made into codes and back. The ceiling is the renders themselves.",
    ),
    "surprise": (
        "Surprise",
        "Bits per video token on clips that the model never saw, and how many of them the words save.",
    ),
    "drift": (
        "Drift over a long video",
        "What changes from the first second to the last ones. The floor is what changes in renders of the same scenes; a thin "
        "line is one video.",
    ),
    "copies": (
        "Copies of training clips",
        "Outputs against training codes, with clips that cannot be copies as the baseline.",
    ),
}
PAIR_HEADS = (
    '<div class="row heads"><div class="name"><small>score</small></div><span><small>a</small></span>'
    "<span><small>b</small></span><small>b - a</small><small>verdict</small></div>"
)


def write_report(results: Results, out: str | Path) -> Path:
    """Writes OUT/index.html and returns its path."""
    out = Path(out)
    body = [_cards(results), *(_section(results, part.name, out) for part in results.parts if part.scores)]
    body += [gallery.best_and_worst(results.rows, out), gallery.edits(results.rows, out), _small_print(results)]
    kind = {"model": "a model", "videos": "a folder of videos", "two folders": "two folders of videos"}[results.what]
    lead = f"Measured on {kind}, {results.finished}. Every number stands with its sample size and its 95 % interval."
    page = _page(f"Evaluation of {results.name}", lead, body)
    write_text(out / PAGE, page)
    return out / PAGE


def write_comparison(
    a: Results, b: Results, folder_a: str | Path, folder_b: str | Path, path: str | Path
) -> list[Pair]:
    """Writes the page of two runs and returns what it shows. Raises ValueError if they may not be compared."""
    pairs = pair(a, b, distance_difference(folder_a, folder_b))
    legend = _legend({"a": f"{a.name} is ahead", "b": f"{b.name} is ahead", "bar": "95 % interval of the difference"})
    shares = [x for one in pairs if is_share(one.comparison.a) for x in (one.value, *(one.interval or ()))]
    rows = "".join(_pair_row(one, symmetric(shares)) for one in pairs)
    body = [f'<section class="pair"><h2>Score by score</h2>{legend}{PAIR_HEADS}{rows}</section>']
    body.append(gallery.changes(a, b, Path(folder_a), Path(folder_b)))
    lead = (
        f"a is {a.name}, b is {b.name}. Both were measured under the same protocols. Where both answered the same prompts, "
        "the difference is taken prompt by prompt."
    )
    write_text(Path(path), _page(f"{a.name} and {b.name}", lead, body))
    return pairs


# ------------------------------------------------------------------------------------------------------ the parts


def _cards(results: Results) -> str:
    found: list[Score] = []
    for start in HEADLINES:
        named = [score for score in results.scores if score.name.startswith(start)]
        match = next((score for score in named if score.name == start), named[0] if named else None)
        if match is not None:
            found.append(match)
    return f'<div class="cards">{"".join(map(_card, found[:4]))}</div>'


def _card(score: Score) -> str:
    share = is_share(score)
    lines_ = [f"N = {score.n}"]
    if score.interval:
        lines_.append(f"{number(score.interval[0], share)} to {number(score.interval[1], share)}")
    if score.ceiling is not None:
        lines_.append(f"ceiling {number(score.ceiling, share)}")
    if score.floor is not None:
        lines_.append(f"noise floor {number(score.floor, share)}")
    small = "".join(f"<small>{escape(line)}</small>" for line in lines_)
    return f'<div class="card"><span>{escape(score.name)}</span><b>{number(score.value, share)}</b>{small}</div>'


def _section(results: Results, part: str, out: Path) -> str:
    title, sentence = TITLES.get(part, (part, ""))
    scores, extra = results.of_part(part), ""
    if part == "bench":
        attributes = [score for score in scores if score.name in NAMES]
        extra = _attributes(attributes) + _turns(scores)
        drawn = {score.name for score in attributes}
        scores = [s for s in scores if s.name not in drawn and ", edit " not in s.name]
    if part == "drift" and "drift" in results.curves:
        extra = _drift(results.curves["drift"])
    if part == "article":
        extra = gallery.every(results.rows, "article", out)
    return f"<section><h2>{escape(title)}</h2><p class='soft'>{escape(sentence)}</p>{_strips(scores)}{extra}</section>"


def _strips(scores: Sequence[Score]) -> str:
    """Rows of scores; those in percent share one axis, each of the others has its own."""
    marks = {"dot": "value", "bar": "95 % interval"}
    marks |= {"tick": "ceiling"} if any(s.ceiling is not None for s in scores) else {}
    marks |= {"broken": "noise floor"} if any(s.floor is not None for s in scores) else {}
    marks |= {"none": "axis from 0 to 100 %"} if all(map(is_share, scores)) else {}
    return _legend(marks) + "".join(_row(s, strip(s, domain_of([s]))) for s in scores)


def _row(score: Score, picture: str) -> str:
    arrow = "higher is better" if score.higher_is_better else "lower is better"
    way = [] if " minus " in score.name else [arrow]
    small = "; ".join([f"N = {score.n}", *way, *filter(None, [score.note])])
    name = f'<div class="name">{escape(score.name)}<small>{escape(small)}</small></div>'
    return f'<div class="row">{name}{picture}<div>{number(score.value, is_share(score))}</div></div>'


def _attributes(scores: Sequence[Score]) -> str:
    if not scores:
        return ""
    rows = []
    for score in scores:
        counts = not score.note.startswith("not in any mean")
        small = f"N = {score.n}" + ("" if counts else ", not in any mean")
        name = f'<div class="name">{escape(score.name)} <small>{small}</small></div>'
        rows.append(f'<div class="row">{name}{bar(score, counts)}<div>{number(score.value, True)}</div></div>')
    legend = _legend({"s1": "videos that show it", "tick": "the judge itself, on renders: the ceiling"})
    return f'<h3>Attribute by attribute</h3>{legend}<div class="bars">{"".join(rows)}</div>'


def _turns(scores: Sequence[Score]) -> str:
    curves = []
    for name, style in (("edit done", "s1"), ("attributes kept", "s2")):
        found = [score for score in scores if score.name.startswith(f"{name}, edit ")]
        if found:
            curves.append(Line(name, [s.value for s in found], [s.interval for s in found], style))
    if not curves:
        return ""
    labels = [f"edit {number_ + 1}" for number_ in range(max(len(curve.values) for curve in curves))]
    legend = _legend({curve.style: curve.name for curve in curves})
    plot = lines(curves, labels, (0.0, 1.0), lambda value: f"{100 * value:.0f} %")
    return f"<h3>Edit after edit</h3>{legend}{plot}"


def _drift(measures: dict[str, list[list[float]]]) -> str:
    plots = []
    for name, videos in measures.items():
        mean = [sum(values) / len(values) for values in zip(*videos, strict=True)]
        thin = [Line(f"video {i}", values, style="thin") for i, values in enumerate(videos)] if len(videos) > 1 else []
        top = max(max(values) for values in videos) * 1.05 or 1.0
        labels = [f"{second} s" for second in range(len(mean))]
        plots.append(f"<div><h3>{escape(name)}</h3>{lines([*thin, Line(name, mean)], labels, (0.0, top))}</div>")
    return f'<div class="plots">{"".join(plots)}</div>'


def _pair_row(one: Pair, shares: Domain) -> str:
    """All shares on one axis, every other score on its own."""
    a, b = one.comparison.a, one.comparison.b
    share = is_share(a)
    paired = f"paired over {one.difference.n}" if one.difference else "two intervals"
    if one.difference is not None and one.difference.p_value is not None:
        paired += f", p = {one.difference.p_value:.3g}"
    points = f"{100 * one.value:+.1f} points" if share else f"{one.value:+.3g}"
    domain = shares if share else symmetric([one.value, *(one.interval or ())])
    picture = difference(one.value, one.interval, domain, one.verdict, f"{a.name}: b - a = {points}, {paired}")
    verdict = {"a": "a is better", "b": "b is better", "neither": "no difference shown"}[one.verdict]
    small = f"N = {a.n}, {paired}"
    return (
        f'<div class="row"><div class="name">{escape(a.name)}<small>{escape(small)}</small></div>'
        f"<span>{number(a.value, share)}</span><span>{number(b.value, share)}</span>{picture}"
        f"<div>{points}<br><small>{verdict}</small></div></div>"
    )


# -------------------------------------------------------------------------------------------------- the small print


def _small_print(results: Results) -> str:
    left_out = [f"{part.name}: {part.left_out}" for part in results.parts if part.left_out]
    times = {part.name: f"{part.seconds:.0f} s" for part in results.parts if part.scores}
    blocks = [_list("Left out", left_out), _list(f"{len(results.skipped)} files skipped", results.skipped)]
    blocks += [
        _table("What was measured", results.subject),
        _table("Versions", results.versions),
        _table("Times", times),
    ]
    alike: dict[Protocol, list[Score]] = {}
    for score in results.scores:
        alike.setdefault(replace(score.protocol, n=None), []).append(score)
    for protocol, scores in alike.items():
        settings = {name: value for name, value in protocol.to_dict().items() if value not in (None, (), {})}
        hashes = ", ".join(f"{score.name} #{score.protocol.hash}" for score in scores)
        blocks.append(_table(f"Protocol {protocol.name}, {len(scores)} scores", {**settings, "hashes": hashes}))
    sentence = "Two numbers may be compared only if their protocols have the same hash."
    return f'<section><h2>Small print</h2><p class="soft">{sentence}</p>{"".join(blocks)}</section>'


def _list(title: str, lines_: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines_[:50])
    more = f"<li>and {len(lines_) - 50} more, in results.json</li>" if len(lines_) > 50 else ""
    return f"<details open><summary>{escape(title)}</summary><ul>{items}{more}</ul></details>" if lines_ else ""


def _table(title: str, values: Any) -> str:
    items = "".join(f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in values.items())
    return f"<details><summary>{escape(title)}</summary><dl>{items}</dl></details>"


def _legend(marks: dict[str, str]) -> str:
    spans = (f"<span><i class={kind}></i>{escape(text)}</span>" for kind, text in marks.items())
    return f'<div class="legend">{"".join(spans)}</div>'


def _page(title: str, lead: str, body: Iterable[str]) -> str:
    template = Template(TEMPLATE.read_text("utf-8"))
    return template.substitute(title=escape(title), lead=escape(lead), body="\n".join(part for part in body if part))
