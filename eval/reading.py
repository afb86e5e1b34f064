"""What a caption says, read from its words: the lexicon the other way round.

Enters: a caption, its language and its world. Leaves: how often each value is said. What is read is only what tells a claim
from no claim: the caption is true of its scene (language.py), so a value counts as said when any of its words occur.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from random import Random

from gpt_video.diorama.grammar import french_finite, french_participle, voice
from gpt_video.diorama.lexicon import lexicon
from gpt_video.diorama.world import CORE, WIDE

ANIMAL = "animal"  # a kind of kinds: "animals riding bicycles"
Form = tuple[str, str, str]  # section, value, words


def phrases(text: str, language: str, world: str = CORE.name) -> Counter[tuple[str, str]]:
    """How often each (section, value) of the lexicon is said in a caption: ("colour", "red"), ("action", "left")...

    ("action", "float") and ("action", "ride") are words that say a motion, and where or on what. ValueError for an unknown
    language.
    """
    pattern, meaning = _pattern(language, world)
    return Counter(meaning[match[0]] for match in pattern.finditer(_folded(text)))


@cache
def _pattern(language: str, world: str) -> tuple[re.Pattern[str], dict[str, tuple[str, str]]]:
    """All phrases of a language, the longest first, so that "to the left of" is no direction and "grande vitesse" no size."""
    meaning: dict[str, tuple[str, str]] = {}
    for section, value, phrase in _forms(language, world):
        meaning.setdefault(_folded(phrase), (section, value))
    ordered = sorted(meaning, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, ordered))})(?!\w)"), meaning


def _forms(language: str, world: str) -> list[Form]:
    """Whatever decides what a caption says; of two meanings of the same words the first counts."""
    speaker, out = voice(language, Random(0), world), []
    words = lexicon(language, world)
    for phrase in (p for table in ("video", "still") for p in words["request"][table]):
        out += [("request", "", part) for part in phrase.split("{}") if part.strip()]
    for section, name in (("relation", "relation"), ("inverse", "relation"), ("camera", "camera"), ("speed", "speed")):
        out += [(name, value, phrase) for value, table in words[section].items() for phrase in table]
    out += [form for section in ("place", "across", "time") for form in _circumstances(section, words[section])]
    for section in ("colour", "size", "kind"):
        for value, table in words[section].items():
            forms = {form for phrase in table for form in speaker.forms(section, phrase)}
            out += [(section, value.split(" ")[0], form) for form in sorted(forms)]
    if world == WIDE.name:
        out += _wide_forms(language)
    verbs = {verb for value, table in words["move"].items() if not value.startswith("bicycle") for verb in table}
    for verb in sorted(verbs):
        value = "float" if verb in ("float", "flotter") else "move"
        out += [("action", value, form) for form in _verb_forms(verb, language, world)]
    for key, table in words["action"].items():
        value = {"stop": "still"}.get(key.split(" ")[0], key.split(" ")[0])
        if not set(key.split(" ")) & set(WIDE.activities):
            out += [("action", value, form) for phrase in table for form in _action_forms(phrase, language, world)]
    return out


def _circumstances(section: str, words: dict[str, tuple[str, ...]]) -> Iterator[Form]:
    """Places, times and weather, with and without what stands before their nouns."""
    name = "place" if section == "across" else section
    for value, table in words.items():
        yield from ((name, value, form) for phrase in table for form in (phrase, _KEYWORD.sub("", phrase)))


# What stands before the noun of a place or a time: "red ball, snow, night" says both.
_KEYWORD = re.compile(r"^(?:(?:in|on|at|by|dans|sur|en|au|de) )?(?:(?:the|a|le|la|un|une) |l')?")
# Verbs that say nothing by themselves: what follows them decides.
_EMPTY_VERBS = {"MOVE", "go", "come", "get", "move", "aller", "venir", "faire", "partir", "être"}
_WIDE_EMPTY_VERBS = {"head", "cross", "filer", "traverser", "arriver"}


def _action_forms(phrase: str, language: str, world: str) -> list[str]:
    """The words by which an action is known, wherever an adverb stands between them."""
    verb, _, rest = phrase.removesuffix(" sur SELF").removesuffix(" OTHER").partition(" ")
    if verb in _EMPTY_VERBS | _WIDE_EMPTY_VERBS:
        return [rest]
    if phrase.startswith("ne "):  # "ne pas bouger": "ne bouge pas", "ne bougent pas", "rester immobile"
        participle = [] if world == CORE.name else [french_participle(phrase)]
        finite = (french_finite(phrase, plural) for plural in (False, True))
        return [phrase, *finite, *participle, "immobile", "immobiles"]
    lead = re.match(r"(?:s'en |se |s')?\S+", phrase)
    assert lead is not None
    return _verb_forms(lead[0], language, world)


def _verb_forms(verb: str, language: str, world: str) -> list[str]:
    forms = sorted(voice(language, Random(0), world).forms("action", verb))
    return [re.sub(r"^(?:se |s'(?!en ))", "", form) for form in forms]


def _folded(text: str) -> str:
    """Lower case, a space around what an apostrophe joins, so that "d'une" and "s'approche" are two words."""
    return " ".join(text.lower().replace("’", "'").replace("'", "' ").split())


# --------------------------------------------------------------------------------------- what only the wide world has


def _wide_forms(language: str) -> Iterator[Form]:
    words = lexicon(language, WIDE.name)
    yield from _circumstances("weather", words["weather"])
    for section, name in (("weather clause", "weather"), ("style", "style"), ("detail", "detail")):
        yield from ((name, value, phrase) for value, table in words[section].items() for phrase in table)
    for phrase in words["request"]["drawn"]:  # "un dessin de {}": also "un dessin d'un chien", "un dessin du"
        yield from (("style", "drawn", re.sub(r" (?:of|with|de|avec)$", "", part)) for part in _around(phrase, r"\{\}"))
    yield from (("kind", ANIMAL, word) for word in ("animals", "animaux"))
    for key, table in words["activity"].items():  # "riding a bicycle" is read as the verb that it is
        said = (phrase for phrase in table if not phrase.startswith("riding"))
        yield from (("activity", key.removesuffix(" plural"), phrase) for phrase in said)
    for key, table in words["together"].items():
        activity = key.split(" ")[0]
        meaning = ("action", "ride") if activity == "bicycle" else ("activity", activity)
        yield from ((*meaning, part) for phrase in table for part in _around(phrase, rf"\{{\}}|{_ANIMALS}"))
    for key, table in words["action"].items():
        if set(key.split(" ")) & set(WIDE.activities):
            yield from (("activity", key.split(" ")[1], _what_for(phrase)) for phrase in table)
    for key in ("bicycle", "bicycle plural"):
        for phrase in words["move"][key]:
            yield from _ridden(phrase, language)


_ANIMALS = r"(?:\b(?:with|avec)\b )?(?:\b(?:of|des|de)\b |\bd')?(?:animals|animaux)"


def _around(phrase: str, cut: str) -> list[str]:
    """What is left of the phrase where it is cut."""
    return [part.strip(" :") for part in re.split(cut, phrase) if part.strip(" :")]


def _what_for(phrase: str) -> str:
    """What tells an activity, whatever its verb: "warm ITS HANDS at a candle" -> "at a candle"."""
    _, hands, rest = phrase.partition("HANDS ")
    return rest if hands else re.sub(r"^(?:se )?\S+ ", "", phrase)


def _ridden(phrase: str, language: str) -> Iterator[Form]:
    """ "ride a bicycle" is a motion and a bicycle; "pedal" and "faire du vélo" are both in one."""
    verb, _, what = phrase.partition(" ")
    if verb in _EMPTY_VERBS:
        yield "action", "ride", what
        return
    value = "move" if what else "ride"
    yield from (("action", value, form) for form in _verb_forms(verb, language, WIDE.name))
    if what:
        yield "activity", "bicycle", what
