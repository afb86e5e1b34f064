"""Numbers -> small pictures: inline SVG that a page shows at any width, in light and dark, without a script.

Enters: scores and curves. Leaves: strings of SVG and HTML. Lengths along the axis are percentages, so a strip is as wide as its
place and its marks keep their size; colours come from the page's style (classes `value`, `range`, `ceiling`, `floor`, `s1`, `s2`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from eval.protocol import Score

Domain = tuple[float, float]


def is_share(score: Score) -> bool:
    """Whether a score is a part of a whole, shown in percent."""
    return score.protocol.name.startswith(("diorama-bench", "judge on")) and "(dB)" not in score.name


def number(value: float, share: bool = False) -> str:
    """As it is printed: 71.3 % (never broken over two lines), or four digits that count."""
    if share:
        return f"{100 * value:.1f}\u00a0%"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def domain_of(scores: Sequence[Score]) -> Domain:
    """From 0 (or below) to a little more than all values, intervals, floors and ceilings; 0 to 1 for shares."""
    found = [x for s in scores for x in (s.value, *(s.interval or ()), s.floor, s.ceiling) if x is not None]
    if any(" minus " in score.name for score in scores):
        return symmetric(found)
    if all(is_share(score) for score in scores):
        return (0.0, 1.0) if min(found) >= 0 and max(found) <= 1 else symmetric(found)
    low, high = min(0.0, *found), max(0.0, *found)
    margin = (high - low) * 0.04 or 1.0
    return (low - margin if low < 0 else low), high + margin


def symmetric(values: Sequence[float]) -> Domain:
    """Around zero, for differences."""
    reach = max((abs(value) for value in values), default=0.0) * 1.1 or 1.0
    return -reach, reach


def strip(score: Score, domain: Domain) -> str:
    """The value as a dot on its interval, the ceiling as a full tick, the noise floor as a broken one."""
    if not is_share(score) and (score.interval, score.floor, score.ceiling) == (None, None, None):
        return '<div class="strip"></div>'  # a number alone has no place between others
    place = _places(domain)
    parts = [_rule("axis", 0, 100)]
    if domain[0] < 0 < domain[1]:
        parts.append(_tick("zero", place(0), 5, 25))
    if score.interval:
        parts.append(_rule("range", place(score.interval[0]), place(score.interval[1])))
    for name, value in (("floor", score.floor), ("ceiling", score.ceiling)):
        if value is not None:
            parts.append(_tick(name, place(value), 4, 26))
    parts.append(f'<circle class="value" cx="{place(score.value):.2f}%" cy="15" r="5"/>')
    return _svg(parts, str(score))


def bar(score: Score, counts: bool = True) -> str:
    """A share as a bar with its interval, and the judge's own accuracy as a tick; pale if it takes no part in the means."""
    place = _places((0.0, 1.0))
    kind = "fill" if counts else "fill pale"
    parts = [
        '<rect class="track" x="0" y="6" width="100%" height="18" rx="3"/>',
        f'<rect class="{kind}" x="0" y="6" width="{max(place(score.value), 0.4):.2f}%" height="18" rx="3"/>',
    ]
    if score.interval:
        parts.append(_rule("whisker", place(score.interval[0]), place(score.interval[1])))
    if score.ceiling is not None:
        parts.append(_tick("ceiling", place(score.ceiling), 2, 28))
    return _svg(parts, str(score))


def difference(value: float, interval: tuple[float, float] | None, domain: Domain, verdict: str, label: str) -> str:
    """b - a as a dot on its interval around zero, coloured by who is ahead."""
    place = _places(domain)
    parts = [_rule("axis", 0, 100), _tick("zero", place(0), 3, 27)]
    if interval:
        parts.append(_rule(f"range {verdict}", place(interval[0]), place(interval[1])))
    parts.append(f'<circle class="value {verdict}" cx="{place(value):.2f}%" cy="15" r="5"/>')
    return _svg(parts, label)


@dataclass(frozen=True)
class Line:
    """A curve: one value for each place on the x axis, optionally with an interval at each. style: s1, s2 or thin."""

    name: str
    values: Sequence[float]
    intervals: Sequence[tuple[float, float] | None] = ()
    style: str = "s1"


def lines(
    curves: Sequence[Line], x_labels: Sequence[str], domain: Domain, unit: Callable[[float], str] = number
) -> str:
    """Curves over equally spaced places, with labels on both axes in HTML, so that letters are never stretched."""
    low, high = domain
    last = max(len(x_labels) - 1, 1)

    def at(index: int, value: float) -> tuple[float, float]:
        edge = 8 if len(x_labels) < 10 else 0
        return edge + (100 - 2 * edge) * index / last, 100 - 100 * (value - low) / (high - low)

    ticks = _round_ticks(low, high)
    grid = "".join(f'<path class="grid" d="M0 {at(0, tick)[1]:.2f}H100"/>' for tick in ticks)
    drawn = []
    aside = {
        curve.name: 0.5 * (2 * rank - len(curves) + 1) for rank, curve in enumerate(curves)
    }  # no whisker hides another
    for curve in curves:
        points = [at(index, value) for index, value in enumerate(curve.values)]
        whiskers = [(at(i, b[0]), at(i, b[1])) for i, b in enumerate(curve.intervals) if b is not None]
        drawn += [
            f'<path class="{curve.style} whisker" d="M{x + aside[curve.name]:.2f} {y:.2f}V{top:.2f}"/>'
            for (x, y), (_, top) in whiskers
        ]
        drawn.append(f'<path class="{curve.style}" d="M{"L".join(f"{x:.2f} {y:.2f}" for x, y in points)}"/>')
        if len(points) < 10:
            drawn += [f'<path class="{curve.style} dot" d="M{x:.2f} {y:.2f}h0"/>' for x, y in points]
    y_axis = "".join(f'<span style="bottom:{100 - at(0, tick)[1]:.1f}%">{escape(unit(tick))}</span>' for tick in ticks)
    shown = range(len(x_labels)) if len(x_labels) < 10 else range(0, len(x_labels), max(1, len(x_labels) // 4))
    x_axis = "".join(f'<span style="left:{at(i, low)[0]:.1f}%">{escape(x_labels[i])}</span>' for i in shown)
    label = "; ".join(f"{c.name}: {', '.join(unit(v) for v in c.values[:12])}" for c in curves if c.style != "thin")
    return (
        f'<div class="plot"><div class="y">{y_axis}</div><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label, quote=True)}">{grid}{"".join(drawn)}</svg><div class="x">{x_axis}</div></div>'
    )


def _places(domain: Domain) -> Callable[[float], float]:
    low, high = domain
    return lambda value: min(max(100 * (value - low) / (high - low), 0.0), 100.0)


def _round_ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers inside the domain."""
    raw = (high - low) / 4
    step = next(
        m * 10 ** math.floor(math.log10(raw))
        for m in (1, 2, 2.5, 5, 10)
        if m * 10 ** math.floor(math.log10(raw)) >= raw
    )
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _rule(name: str, start: float, end: float) -> str:
    return f'<line class="{name}" x1="{start:.2f}%" x2="{end:.2f}%" y1="15" y2="15"/>'


def _tick(name: str, place: float, top: int, bottom: int) -> str:
    return f'<line class="{name}" x1="{place:.2f}%" x2="{place:.2f}%" y1="{top}" y2="{bottom}"/>'


def _svg(parts: Sequence[str], label: str) -> str:
    text = escape(label, quote=True)
    return f'<svg class="strip" width="100%" height="30" role="img" aria-label="{text}"><title>{text}</title>{"".join(parts)}</svg>'
