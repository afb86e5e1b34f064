"""What a person would say about a scene: captions in English and French, exact about whatever they mention.

Enters: a `Scene`, a language ("en" or "fr") and a `random.Random`. Leaves: sentences. What a caption does not say is free;
what it says is true of the scene. The words are in lexicon.py, the grammar in grammar.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from random import Random

from gpt_video.diorama.grammar import Noun, Voice, voice
from gpt_video.diorama.lexicon import KIND_WORDS, LANGUAGES
from gpt_video.diorama.scene import Scene, Subject

__all__ = ["KIND_WORDS", "LANGUAGES", "captions", "noisy", "words_in", "words_of_world"]

MOVES = ("left", "right", "closer", "away")


def captions(scene: Scene, language: str, rng: Random, n: int) -> list[str]:
    """n descriptions of the scene, at several levels of detail; different ones as far as the scene has them."""
    speaker = voice(language, rng)
    found: dict[str, None] = {}
    for _ in range(4 * n):
        found[_caption(scene, speaker)] = None
        if len(found) == n:
            return list(found)
    return [*found, *(_caption(scene, speaker) for _ in range(n - len(found)))]


# How often an attribute is said: when it is not the usual value, and when it is.
_SAID_OF_SCENE = {
    "place": ("", 0.90, 0.0),
    "time": ("day", 0.90, 0.15),
    "camera": ("still", 0.92, 0.06),
    "relation": (None, 0.85, 0.0),
}
_SAID_OF_SUBJECT = {
    "colour": ("", 0.93, 0.0),
    "size": ("medium", 0.88, 0.04),
    "action": ("still", 0.92, 0.30),
    "speed": ("normal", 0.88, 0.05),
}
# What stands before the noun of a place or a time.
_KEYWORD = re.compile(
    r"^(?!in the middle|au milieu)(?:(?:in|on|at|by|dans|sur|en|au|de) )?(?:(?:the|a|le|la|un|une) |l')?"
)
BARE_SHARE = 0.08  # captions that are no more than "red ball"


def _said(record: Scene | Subject, table: Mapping[str, tuple], frames: int, speaker: Voice) -> set[str]:
    said = {
        name
        for name, (usual, rare, often) in table.items()
        if speaker.chance(often if getattr(record, name) == usual else rare)
    }
    if frames == 1:  # nothing moves in a still
        said -= {"action"} | (set() if getattr(record, "camera", "") == "from above" else {"camera"})
    return said


def _caption(scene: Scene, speaker: Voice) -> str:
    if speaker.chance(BARE_SHARE):
        return speaker.tidy(_bare(scene, speaker))
    said = _said(scene, _SAID_OF_SCENE, scene.frames, speaker)
    circumstances = [speaker.pick("place", scene.place)] if "place" in said else []
    circumstances += [speaker.pick("time", scene.time)] if "time" in said else []
    if speaker.chance(0.2):
        circumstances.reverse()
    camera = speaker.pick("camera", scene.camera) if "camera" in said else ""
    if speaker.chance(0.07):  # "red ball, snow, at night"
        circumstances = [_KEYWORD.sub("", c) if speaker.chance(0.6) else c for c in circumstances]
        separator = " " if speaker.chance(0.3) else ", "
        return speaker.finish(separator.join(filter(None, [_bare(scene, speaker), *circumstances, camera])))
    owns = [_said(subject, _SAID_OF_SUBJECT, scene.frames, speaker) for subject in scene.subjects]
    describe = _one if len(scene.subjects) == 1 else _several
    return speaker.finish(_with_camera(describe(scene, said, owns, circumstances, speaker), camera, speaker))


def _bare(scene: Scene, speaker: Voice) -> str:
    article = "a" if speaker.chance(0.3) else ""
    names = []
    for subject in scene.subjects:
        said = {"colour"} if _twins(scene) or speaker.chance(0.75) else set()
        names.append(speaker.noun_phrase(subject, speaker.noun(subject), article, said))
    return _joined(names, speaker)


def _twins(scene: Scene) -> bool:
    """Whether two records are of one kind, so that only their colours tell them apart."""
    return len({subject.kind for subject in scene.subjects}) < len(scene.subjects)


def _joined(parts: list[str], speaker: Voice) -> str:
    *head, last = parts
    return f"{', '.join(head)} {speaker.pick('joint', 'and')} {last}" if head else last


def _with_camera(text: str, camera: str, speaker: Voice) -> str:
    if not camera:
        return text
    if camera.startswith(("the camera", "la caméra")) and speaker.chance(0.4):
        return f"{text}. {camera[0].upper()}{camera[1:]}"
    in_front = speaker.chance(0.2) and not camera.startswith(("the camera", "la caméra"))
    return f"{camera}, {text}" if in_front else f"{text}, {camera}"


def _set_in(text: str, circumstances: list[str], speaker: Voice) -> str:
    """The text with its place and time after it, or one of them before it."""
    if circumstances and speaker.chance(0.2):
        first, *circumstances = circumstances
        text = f"{first}, {text}"
    return " ".join([text, *circumstances])


def _pictured(text: str, circumstances: list[str], scene: Scene, speaker: Voice) -> str:
    """A noun phrase in its circumstances, as it is or asked for: "show me a red ball in the snow"."""
    if speaker.chance(0.6):
        return _set_in(text, circumstances, speaker)
    request = speaker.pick("request", "still" if scene.frames == 1 else "video")
    if request.endswith("de {}") and len(scene.subjects) > 1:  # "de" would have to be said before each of them
        request = "{}"
    return request.format(" ".join([text, *circumstances]))


def _one(scene: Scene, said: set[str], owns: list[set[str]], circumstances: list[str], speaker: Voice) -> str:
    (subject,), (own,) = scene.subjects, owns
    noun = speaker.noun(subject)
    name = speaker.noun_phrase(subject, noun, "a", own)
    if "action" not in own:
        return _pictured(name, circumstances, scene, speaker)
    weights = (8, 2, 8, 2 if subject.action != "still" else 0)
    form = speaker.rng.choices(("finite", "progressive", "modifier", "base"), weights)[0]
    if subject.action in MOVES and speaker.chance(0.15):  # it moves, whichever way
        action = speaker.inflect(speaker.verb(subject, scene.place), noun, form)
        if "place" in said and speaker.chance(0.7):  # "rolls across the snow"
            action = f"{action} {speaker.pick('across', scene.place)}"
            circumstances = [speaker.pick("time", scene.time)] if "time" in said else []
    else:
        action = speaker.action(subject, noun, scene.place, form, speed="speed" in own)
    if form == "base":
        verb, rest = speaker.split_verb(action)
        template = speaker.words["request"]["make"][-1] if verb == "faire" else speaker.pick("request", "make")
        text = template.format(np=name, base=action, verb=verb, rest=rest)
        return _set_in(text.strip(), circumstances, speaker)
    if form == "modifier":
        return _pictured(f"{name} {action}", circumstances, scene, speaker)
    return _set_in(f"{name} {action}", circumstances, speaker)


def _several(scene: Scene, said: set[str], owns: list[set[str]], circumstances: list[str], speaker: Voice) -> str:
    subjects, nouns = scene.subjects, [speaker.noun(s) for s in scene.subjects]
    twins = _twins(scene)
    names = [
        speaker.noun_phrase(s, noun, "a", own | {"colour"} if twins else own)
        for s, noun, own in zip(subjects, nouns, owns, strict=True)
    ]
    acting = [i for i, s in enumerate(subjects) if "action" in owns[i] and s.action != "still"]

    def act(i: int, form: str) -> str:
        return speaker.action(subjects[i], nouns[i], scene.place, form, speed="speed" in owns[i])

    if "relation" in said:
        text = _related(scene, names, speaker)
    elif len(acting) == len(subjects) and len({(s.action, s.speed) for s in subjects}) == 1:
        everybody = Noun("", all(n.feminine for n in nouns), plural=True)
        action = speaker.action(
            subjects[0],
            everybody,
            scene.place,
            "finite",
            speed="speed" in owns[0],
            generic=len({s.kind for s in subjects}) > 1,
        )
        return _set_in(f"{_joined(names, speaker)} {action}", circumstances, speaker)
    elif acting and speaker.chance(0.3):  # "a dog running to the left and a tree"
        names = [f"{name} {act(i, 'modifier')}" if i in acting else name for i, name in enumerate(names)]
        return _pictured(_joined(names, speaker), circumstances, scene, speaker)
    else:
        text = _joined(names, speaker)
    text = _pictured(text, circumstances, scene, speaker)
    if not acting:
        return text
    known = [
        speaker.noun_phrase(s, noun, "the", {"colour"} if twins else set())
        for s, noun in zip(subjects, nouns, strict=True)
    ]
    form = "progressive" if speaker.chance(0.2) else "finite"
    clauses = [f"{known[i]} {act(i, form)}" for i in acting]
    comma = speaker.rng.choice((", ", "; ", f", {speaker.pick('joint', 'and')} "))
    joint = f" {speaker.pick('joint', 'while')} "
    return text + comma + (joint.join(clauses) if len(clauses) < 3 else _joined(clauses, speaker))


def _related(scene: Scene, names: list[str], speaker: Voice) -> str:
    """A relation as it stands, or seen from the other side: "a cube in front of a ball" for a ball behind a cube."""
    relation = scene.relation or ""
    first, second, *rest = names
    if speaker.chance(0.15):
        text = f"{second} {speaker.pick('inverse', relation)} {first}"
    else:
        text = f"{first} {speaker.pick('relation', relation)} {second}"
    return f"{text}, {speaker.pick('joint', 'with')} {rest[0]}" if rest else text


# Noise: people do not proof-read what they type into a box.


def noisy(text: str, rng: Random) -> str:
    """The text as it is (about three times in four), or in another case, without accents, or with one typing error."""
    if rng.random() < 0.72:
        return text
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
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


# The world's words.


def words_in(text: str) -> list[str]:
    """The words of a text in lower case; an apostrophe or a hyphen parts two words, digits are none."""
    return re.findall(r"[^\W\d_]+", text.lower())


@cache
def words_of_world(language: str) -> frozenset[str]:
    """Every word that captions in this language can contain, in lower case. ValueError for an unknown language."""
    speaker = voice(language, Random(0))
    forms = set(FUNCTION_WORDS[language].split())
    for section, table in speaker.words.items():
        for phrase in (phrase for phrases in table.values() for phrase in phrases):
            forms.update(speaker.forms(section, phrase))
    return frozenset(word for form in forms for word in words_in(re.sub(r"\{\w*\}|MOVE|SELF", " ", form)))


FUNCTION_WORDS = {
    "en": "a an the is are that who",
    "fr": "un une le la les l de d du des au aux qu s est sont en train qui couleur "
    "lui elle eux elles même mêmes immobiles",
}
