"""What a person would say about a scene: captions in English and French, exact about whatever they mention.

Enters: a `Scene`, a language ("en" or "fr") and a `random.Random`. Leaves: sentences. What a caption does not say is free;
what it says is true of the scene. The words are in lexicon.py, the grammar in grammar.py, the
sentences in sentences.py and phrasing.py.
"""

from __future__ import annotations

import re
from functools import cache
from random import Random

from gpt_video.diorama.grammar import voice
from gpt_video.diorama.lexicon import KIND_WORDS, LANGUAGES
from gpt_video.diorama.phrasing import wide_caption
from gpt_video.diorama.scene import Scene
from gpt_video.diorama.sentences import caption
from gpt_video.diorama.world import CORE
from gpt_video.text import without_accents, words_in

__all__ = ["KIND_WORDS", "LANGUAGES", "captions", "mirrored", "noisy", "words_of_world"]


def captions(scene: Scene, language: str, rng: Random, n: int) -> list[str]:
    """n descriptions of the scene, at several levels of detail; different ones as far as the scene has them."""
    speaker = voice(language, rng, scene.world)
    say = caption if scene.world == CORE.name else wide_caption
    found: dict[str, None] = {}
    for _ in range(4 * n):
        found[say(scene, speaker)] = None
        if len(found) == n:
            return list(found)
    return [*found, *(say(scene, speaker) for _ in range(n - len(found)))]


# Noise: people do not proof-read what they type into a box.


def noisy(text: str, rng: Random) -> str:
    """The text as it is (about three times in four), or in another case, without accents, or with one typing error."""
    if rng.random() < 0.72:
        return text
    plain = without_accents(text)
    kind = rng.random()
    if kind < 0.35:
        return rng.choice((str.upper, str.lower, str.title, str.lower))(text)
    return plain if kind < 0.7 and plain != text else _mistyped(text, rng)


def _mistyped(text: str, rng: Random) -> str:
    """One letter of one long word dropped, doubled or swapped with its neighbour; the first and last ones stay."""
    long_words = list(re.finditer(r"[^\W\d_]{5,}", text))
    if not long_words:
        return text
    word = rng.choice(long_words)
    i = rng.randrange(word.start() + 1, word.end() - 2)
    error = rng.choice((text[i + 1] + text[i], text[i] * 2 + text[i + 1], text[i + 1]))
    return text[:i] + error + text[i + 2 :]


# A mirrored picture.

_SIDES = [("left", "right"), ("leftwards", "rightwards"), ("gauche", "droite")]
_SIDES += [("côté gauche", "côté droit"), ("cote gauche", "cote droit")]
_OTHER_SIDE = {a: b for pair in _SIDES for a, b in (pair, pair[::-1])}
_SIDE = re.compile(rf"\b({'|'.join(sorted(_OTHER_SIDE, key=len, reverse=True))})\b", re.IGNORECASE)


def mirrored(text: str) -> str:
    """The text about the picture in a mirror: left is right, in this world's words. A mistyped side stays as it is."""

    def other(match: re.Match[str]) -> str:
        found, said = match[0], _OTHER_SIDE[match[0].lower()]
        return said.upper() if found.isupper() else said.title() if found.istitle() else said

    return _SIDE.sub(other, text)


# The world's words.


@cache
def words_of_world(language: str, world: str = CORE.name) -> frozenset[str]:
    """Every word that captions in this language can contain, in lower case. ValueError for an unknown language."""
    speaker = voice(language, Random(0), world)
    forms = set(FUNCTION_WORDS[language].split())
    if world != CORE.name:
        forms.update(WIDE_FUNCTION_WORDS[language].split())
    for section, table in speaker.words.items():
        for phrase in (phrase for phrases in table.values() for phrase in phrases):
            forms.update(speaker.forms(section, phrase))
    return frozenset(
        word for form in forms for word in words_in(re.sub(r"\{\w*\}|MOVE|SELF|ITS|HANDS|OTHER", " ", form))
    )


FUNCTION_WORDS = {
    "en": "a an the is are that who",
    "fr": "un une le la les l de d du des au aux qu s est sont en train qui couleur "
    "lui elle eux elles même mêmes immobiles",
}
WIDE_FUNCTION_WORDS = {"en": "its her his their they it he him she", "fr": "elles ils il"}
