"""Timed prompts in one message: "0s: a dog runs in the snow / 2s: it jumps / 4s: night falls" -> segments.

Parts stand on lines of their own or between slashes, each after its time. A part holds until the next one begins; the last
one holds until the chosen length is over.
"""

from __future__ import annotations

import re
from itertools import pairwise

from chat_app.records import Segment
from chat_app.words import Refusal
from gpt_video.request import LONGEST_SECONDS

MOST_PARTS = 20
_TIME = (
    r"(?:(?P<minutes>\d{1,2})\s*:\s*(?P<clock>\d{2})|(?P<seconds>\d{1,3}(?:[.,]\d+)?)\s*(?:s|sec|secondes?|seconds?)\b)"
)
_PART = re.compile(rf"\s*(?:(?:at|à|from|de)\s+)?{_TIME}\s*[:\-–—.,]?\s*(?P<words>.*)", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(rf"\s*(?:/|\n|;)\s*(?=(?:(?:at|à)\s+)?{re.sub(r'[?]P<[a-z]+>', '?:', _TIME)})", re.IGNORECASE)
_START = re.compile(rf"\s*(?:(?:at|à)\s+)?{re.sub(r'[?]P<[a-z]+>', '?:', _TIME)}\s*[:\-–—]\s*\S", re.IGNORECASE)


def is_storyboard(message: str) -> bool:
    """Whether a message is meant as timed prompts: it starts with a time and a colon."""
    return bool(_START.match(message))


def parse(message: str, seconds: float | None = None) -> tuple[Segment, ...]:
    """Segments in order; the last one's length fills up `seconds`, or is None where that is None.

    Raises Refusal where a part has no time or no words, the first does not start at 0, or times do not rise.
    """
    parts = [part for part in _BREAK.split(message.strip()) if part.strip()]
    if len(parts) > MOST_PARTS:
        raise Refusal("board_too_many", n=len(parts), most=MOST_PARTS)
    times, words = zip(*map(_part, parts), strict=True)
    if times[0] != 0:
        raise Refusal("board_starts_late", time=f"{times[0]:g}")
    for before, after in pairwise(times):
        if after <= before:
            raise Refusal("board_order", before=f"{before:g}", after=f"{after:g}")
    end = LONGEST_SECONDS if seconds is None else seconds
    if times[-1] >= end:
        raise Refusal("board_too_late", time=f"{times[-1]:g}", end=f"{end:g}")
    lengths = [after - before for before, after in pairwise(times)]
    return tuple(
        Segment(text, length)
        for text, length in zip(words, [*lengths, None if seconds is None else seconds - times[-1]], strict=True)
    )


def _part(text: str) -> tuple[float, str]:
    found = _PART.fullmatch(text)
    if found is None:
        raise Refusal("board_no_time", part=text.strip()[:40])
    clock = 60 * int(found["minutes"] or 0) + int(found["clock"] or 0)
    time = float(found["seconds"].replace(",", ".")) if found["seconds"] else float(clock)
    words = " ".join(found["words"].split()).strip(" /")
    if not words:
        raise Refusal("board_no_words", time=f"{time:g}")
    return time, words
