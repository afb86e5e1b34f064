"""A version that has ended -> what the page says about it, in English or French: what was done, and what may explain the result."""

from __future__ import annotations

import re
from collections.abc import Collection

from chat_app.records import FAILED, PARTIAL, WAITING, Version
from chat_app.words import from_record, say
from gpt_video.text import without_accents, words_in


def unknown_words(text: str, known: Collection[str] | None) -> list[str]:
    """The words of a text that are not among the known ones, each once; accents and case do not count. None knows nothing."""
    if known is None:
        return []
    bare = _bare_words(frozenset(known))
    return list(dict.fromkeys(word for word in words_in(text) if _bare(word) not in bare))


_cache: dict[frozenset[str], frozenset[str]] = {}


def _bare_words(known: frozenset[str]) -> frozenset[str]:
    if known not in _cache:
        _cache.clear()
        _cache[known] = frozenset(map(_bare, known))
    return _cache[known]


def _bare(word: str) -> str:
    return without_accents(word.casefold())


def reply(version: Version, language: str) -> str:
    """What the page says about a version that has ended: what was done, with which seed, and what may explain the result."""
    if version.state == WAITING:
        return say(language, f"doing_{version.action}")
    if version.state == FAILED:
        return from_record(version.error, language) or say(language, "failed")
    step, notes = version.step, version.step.notes
    lines = [f"{_headline(version, language)} {_made(version, language)}"]
    if "from" in notes:
        lines.append(say(language, "note_from", at=_number(notes["from"], language)))
    if version.state == PARTIAL:
        lines.append(say(language, "note_stopped"))
    if notes.get("shortened"):
        lines.append(say(language, "note_shortened", seconds=_length(version, language)))
    if notes.get("read_as") and notes["read_as"] != step.message:
        lines.append(say(language, "note_read_as", words=notes["read_as"]))
    if notes.get("resumed"):
        lines.append(say(language, "note_resumed"))
    unknown = notes.get("unknown", ())
    if unknown:
        key = "note_unknown" if len(unknown) == 1 else "note_unknown_many"
        lines.append(
            say(language, key, words=", ".join(f"“{word}”" if language == "en" else f"« {word} »" for word in unknown))
        )
    return "\n".join(lines)


def _headline(version: Version, language: str) -> str:
    return say(language, f"did_{version.action}") + "."


def _made(version: Version, language: str) -> str:
    if version.action in ("upload", "loop"):
        return say(language, "reply_seconds", seconds=_length(version, language))
    if version.frames == 1:
        return say(language, "reply_still", seed=version.step.seed)
    return say(language, "reply_made", seconds=_length(version, language), seed=version.step.seed)


def _length(version: Version, language: str) -> str:
    """Seconds as people ask for them: the first frame, which makes a video of 2 s last 2.125, is not counted."""
    return _number((version.frames - (version.action != "loop")) / version.fps, language)


def _number(value: float, language: str) -> str:
    text = re.sub(r"\.0$", "", f"{value:.1f}")
    return text.replace(".", ",") if language == "fr" else text
