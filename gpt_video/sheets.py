"""Pictures of a training run, drawn with Pillow: samples with their captions, and curves.

Enters: frames_HWC uint8 and words, or points. Leaves: a PNG file, or a JPEG where the name ends so.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gpt_video.disk import draft_of

COLOURS = ("#1f5fbf", "#d1495b", "#2e8b57", "#b8860b", "#6a4c93", "#444444")
MARGIN, LINE = 46, 15


def contact_sheet(
    rows: Sequence[tuple[str, Sequence[np.ndarray]]], path: str | os.PathLike[str], columns: int = 2
) -> None:
    """A caption above its frames_HWC (uint8, any number and size) for every row, `columns` of them side by side."""
    from PIL import Image, ImageDraw

    width = max((sum(frame.shape[1] for frame in frames) for _, frames in rows), default=1) + 8
    height = max((frame.shape[0] for _, frames in rows for frame in frames), default=1) + LINE + 6
    page = Image.new("RGB", (width * columns, height * -(-len(rows) // columns)), "white")
    draw = ImageDraw.Draw(page)
    font, readable = _font()
    for index, (caption, frames) in enumerate(rows):
        x, y = index % columns * width, index // columns * height
        draw.text((x + 2, y), readable(caption)[: width // 6], fill="black", font=font)
        for frame_HWC in frames:
            page.paste(Image.fromarray(frame_HWC), (x, y + LINE))
            x += frame_HWC.shape[1]
    _save(page, path)


def curves(
    series: Mapping[str, Sequence[tuple[float, float]]], path: str | os.PathLike[str], title: str, size=(900, 420)
) -> None:
    """Lines of (x, y) points, each with its name and last value. Nothing is drawn without points."""
    from PIL import Image, ImageDraw

    points = [point for line in series.values() for point in line]
    if not points:
        return
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    span = np.maximum(high - low, 1e-9)
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    room = np.array(size) - 2 * MARGIN

    def place(point) -> tuple[float, float]:
        x, y = (np.array(point) - low) / span * room
        return MARGIN + x, size[1] - MARGIN - y

    draw.text((MARGIN, 8), title, fill="black")
    for share in np.linspace(0, 1, 5):
        x, y = low + share * span
        draw.line([place((low[0], y)), place((high[0], y))], fill="#dddddd")
        draw.text((4, place((x, y))[1] - 6), f"{y:.2f}", fill="black")
        draw.text((place((x, y))[0] - 12, size[1] - MARGIN + 6), f"{x:.0f}", fill="black")
    for index, (name, line) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        if line:
            draw.line([place(point) for point in line], fill=colour, width=2)
            draw.circle(place(line[-1]), 3, fill=colour)
            draw.text((size[0] - 3 * MARGIN, 8 + LINE * index), f"{name} {line[-1][1]:.3f}", fill=colour)
    _save(page, path)


def _font() -> tuple[Any, Callable[[str], str]]:
    """A font, and what makes a caption readable in it: the one inside Pillow knows no accents, so they are dropped."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype("DejaVuSans.ttf", 11), str
    except OSError:
        plain = ImageFont.load_default(size=11)
        return plain, lambda text: unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode()


def _save(page, path: str | os.PathLike[str]) -> None:
    with draft_of(path) as draft:
        page.save(draft, format="JPEG" if str(path).endswith(".jpg") else "PNG", quality=85)
