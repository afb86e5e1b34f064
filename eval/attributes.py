"""What can be named of a diorama scene and looked for in a clip, and which of it a caption names.

Enters: a `Scene`, or a caption and its scene. Leaves: `Claim`s, each a single statement ("the colour of subject 0 is red")
that the judge can find right or wrong. What a caption does not say is free, so it is no claim of the caption.

Where an attribute can be judged: what moves needs a second of video; speed and direction need something that moves; where two
subjects are of one kind, only what they share can be said of that kind; a relation is that of the first frame, so a
continuation, which starts anywhere, has none.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from random import Random

from gpt_video.diorama.edits import Edit
from gpt_video.diorama.grammar import french_finite, voice
from gpt_video.diorama.lexicon import LEXICON
from gpt_video.diorama.scene import CAMERAS, COLOURS, KINDS, PLACES, RELATIONS, SIZES, SPEEDS, TIMES, Scene

DIRECTIONS = ("left", "right", "closer", "away")
ACTIONS = ("move", "jump", "spin", "fall", "bounce", "still")
COUNTS = ("0", "1", "2", "3")
VALUES: dict[str, tuple[str, ...]] = {
    "kind": KINDS, "colour": tuple(COLOURS), "size": SIZES, "count": COUNTS, "action": ACTIONS, "direction": DIRECTIONS,
    "speed": SPEEDS, "relation": RELATIONS, "place": PLACES, "time": TIMES, "camera": CAMERAS, "absent": KINDS,
}  # fmt: skip
OF_SUBJECT = ("kind", "colour", "size", "count", "action", "direction", "speed")
OF_SCENE = ("relation", "place", "time", "camera")
SECOND = ("second kind", "second colour")
NAMES = (*OF_SUBJECT, *SECOND, *OF_SCENE)
SHORTEST_MOTION = 9  # frames: a second, the least in which a motion can be told from another


@dataclass(frozen=True, order=True)
class Claim:
    """One statement: `attribute` (a key of VALUES) of subject record `subject` is `value`; 0 for the scene as a whole.

    "absent" says that no thing of kind `value` is there.
    """

    attribute: str
    value: str
    subject: int = 0

    @property
    def name(self) -> str:
        """Under which name it is counted: of what is not the topic, kind and colour are counted apart."""
        name = f"second {self.attribute}"
        return name if self.subject and name in SECOND else self.attribute


def action_of(action: str) -> tuple[str, str | None]:
    """A scene's action as (action, direction): "left" -> ("move", "left"), "jump" -> ("jump", None)."""
    return ("move", action) if action in DIRECTIONS else (action, None)


def claims(scene: Scene) -> tuple[Claim, ...]:
    """Everything that is true of the scene's clip and can be judged in it."""
    moving = scene.frames >= SHORTEST_MOTION or scene.before is not None
    found = [claim for i in range(len(scene.subjects)) for claim in _of_subject(scene, i, moving)]
    found += [Claim("place", scene.place), Claim("time", scene.time)]
    # A continuation keeps looking down where the scene before it did, whatever its own camera.
    if scene.camera == "from above" or (moving and (scene.before is None or scene.before.camera != "from above")):
        found.append(Claim("camera", scene.camera))
    if scene.relation and scene.before is None and scene.subjects[0].kind != scene.subjects[1].kind:
        found.append(Claim("relation", scene.relation))
    return tuple(found)


def _of_subject(scene: Scene, i: int, moving: bool) -> list[Claim]:
    subject, same = scene.subjects[i], [s for s in scene.subjects if s.kind == scene.subjects[i].kind]
    found = [Claim("kind", subject.kind, i), Claim("colour", subject.colour, i)]
    found.append(Claim("count", str(sum(s.count for s in same)), i))
    if len({s.size for s in same}) == 1:
        found.append(Claim("size", subject.size, i))
    if moving and len({s.action for s in same}) == 1:
        action, direction = action_of(subject.action)
        found.append(Claim("action", action, i))
        if direction:
            found.append(Claim("direction", direction, i))
        if action != "still" and len({s.speed for s in same}) == 1:
            found.append(Claim("speed", subject.speed, i))
    return found


def named(scene: Scene, text: str, language: str) -> tuple[Claim, ...]:
    """The claims of the scene that its caption makes: of the topic all that it says, of others kind and colour.

    The caption is true of the scene (language.py), so a value counts as said when any of its words occur. ValueError for an
    unknown language.
    """
    said = phrases(text, language)
    return tuple(c for c in claims(scene) if (not c.subject or c.name in SECOND) and _is_said(c, scene, said))


def _is_said(claim: Claim, scene: Scene, said: Counter[tuple[str, str]]) -> bool:
    if claim.attribute in ("kind", "count"):  # a caption names every kind; a singular says one
        return True
    if claim.attribute == "colour":  # said of the first of those that have it; twice when of two
        same = [i for i, s in enumerate(scene.subjects) if s.colour == claim.value]
        return said["colour", claim.value] > same.index(claim.subject)
    if claim.attribute == "action" and claim.value == "move":
        return any(said["action", way] for way in ("move", *DIRECTIONS)) or (scene.place == "ocean" and _floats(said))
    if claim.attribute == "action":
        return bool(said["action", claim.value]) or (
            claim.value == "still" and scene.place == "ocean" and _floats(said)
        )
    return bool(said["action" if claim.attribute == "direction" else claim.attribute, claim.value])


def _floats(said: Counter[tuple[str, str]]) -> bool:
    return bool(said["action", "float"])


def phrases(text: str, language: str) -> Counter[tuple[str, str]]:
    """How often each (section, value) of the lexicon is said in a caption: ("colour", "red"), ("action", "left")..."""
    pattern, meaning = _pattern(language)
    return Counter(meaning[match[0]] for match in pattern.finditer(_folded(text)))


@cache
def _pattern(language: str) -> tuple[re.Pattern[str], dict[str, tuple[str, str]]]:
    """All phrases of a language, the longest first, so that "to the left of" is no direction and "grande vitesse" no size."""
    meaning: dict[str, tuple[str, str]] = {}
    for section, value, phrase in _forms(language):
        meaning.setdefault(_folded(phrase), (section, value))
    ordered = sorted(meaning, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, ordered))})(?!\w)"), meaning


def _forms(language: str) -> list[tuple[str, str, str]]:
    """(section, value, words) of whatever decides what a caption says."""
    speaker, out = voice(language, Random(0)), []
    words = LEXICON[language]
    for phrase in (p for table in ("video", "still") for p in words["request"][table]):
        out += [("request", "", part) for part in phrase.split("{}") if part.strip()]
    for section, name in (("relation", "relation"), ("inverse", "relation"), ("camera", "camera"), ("speed", "speed")):
        out += [(name, value, phrase) for value, table in words[section].items() for phrase in table]
    for section in ("place", "across", "time"):
        name = "time" if section == "time" else "place"
        for value, table in words[section].items():
            out += [(name, value, form) for phrase in table for form in (phrase, _KEYWORD.sub("", phrase))]
    for section in ("colour", "size", "kind"):
        for value, table in words[section].items():
            forms = {form for phrase in table for form in speaker.forms(section, phrase)}
            out += [(section, value.split(" ")[0], form) for form in sorted(forms)]
    verbs = {verb for table in words["move"].values() for verb in table}
    for verb in sorted(verbs):
        value = "float" if verb in ("float", "flotter") else "move"
        out += [("action", value, form) for form in _verb_forms(verb, language)]
    for key, table in words["action"].items():
        value = {"stop": "still"}.get(key.split(" ")[0], key.split(" ")[0])
        out += [("action", value, form) for phrase in table for form in _action_forms(phrase, language)]
    return out


# What stands before the noun of a place or a time: "red ball, snow, night" says both.
_KEYWORD = re.compile(r"^(?:(?:in|on|at|by|dans|sur|en|au|de) )?(?:(?:the|a|le|la|un|une) |l')?")
# Verbs that say nothing by themselves: what follows them decides.
_EMPTY_VERBS = {"MOVE", "go", "come", "get", "move", "aller", "venir", "faire", "partir", "être"}


def _action_forms(phrase: str, language: str) -> list[str]:
    """The words by which an action is known, wherever an adverb stands between them."""
    verb, _, rest = phrase.removesuffix(" sur SELF").partition(" ")
    if verb in _EMPTY_VERBS:
        return [rest]
    if phrase.startswith("ne "):  # "ne pas bouger": "ne bouge pas", "ne bougent pas", "rester immobile"
        return [phrase, *(french_finite(phrase, plural) for plural in (False, True)), "immobile", "immobiles"]
    lead = re.match(r"(?:s'en |se |s')?\S+", phrase)
    assert lead is not None
    return _verb_forms(lead[0], language)


def _verb_forms(verb: str, language: str) -> list[str]:
    forms = sorted(voice(language, Random(0)).forms("action", verb))
    return [re.sub(r"^(?:se |s'(?!en ))", "", form) for form in forms]


def _folded(text: str) -> str:
    """Lower case, a space around what an apostrophe joins, so that "d'une" and "s'approche" are two words."""
    return " ".join(text.lower().replace("’", "'").replace("'", "' ").split())


# ---------------------------------------------------------------------------------------------------------- edits


def asked(edit: Edit, text: str, language: str) -> tuple[Claim, ...]:
    """What the clip after the edit must show because it was asked for; empty where that cannot be judged.

    text: the instruction, for what it says of a new subject's colour.
    """
    after, i = edit.scene_after, edit.index
    by_key = {(claim.attribute, claim.subject): claim for claim in claims(after)}
    if edit.attribute == "remove":
        return gone(edit)
    if edit.attribute == "add":
        keys = [("kind", i)]
        keys += [("colour", i)] if phrases(text, language)["colour", after.subjects[i].colour] else []
        keys += [("relation", 0)] if edit.where not in ("", "anywhere") else []
    elif edit.attribute == "action":
        keys = [("action", i), ("direction", i)]
    else:
        keys = [(edit.attribute, i if edit.attribute in OF_SUBJECT else 0)]
    found = tuple(by_key[key] for key in keys if key in by_key)
    return found + (gone(edit) if edit.attribute == "kind" else ())


def gone(edit: Edit) -> tuple[Claim, ...]:
    """What an edit takes away: a kind is absent, or fewer of it are there."""
    kind, i = edit.scene_before.subjects[edit.index].kind, edit.index
    left = [j for j, s in enumerate(edit.scene_after.subjects) if s.kind == kind]
    if not left:
        return (Claim("absent", kind, i),)
    return (Claim("count", str(sum(edit.scene_after.subjects[j].count for j in left)), left[0]),)


def kept(edit: Edit) -> tuple[tuple[Claim, Claim], ...]:
    """(claim before, claim after) of all that an edit leaves as it is; their subjects differ where one was added or removed."""
    before = {(claim.attribute, claim.subject): claim for claim in claims(edit.scene_before)}
    touched = {
        "action": {"action", "direction", "speed"},
        "add": {"count", "size", "relation"},
        "kind": {"kind", "count"},
    }
    touched |= {"remove": {"count", "size", "relation"}, "count": {"count", "size"}}
    of_all = edit.attribute in ("add", "remove", "count")  # how many things there are decides how large they are drawn
    pairs = []
    for claim in claims(edit.scene_after):
        was = _index_before(edit, claim.subject)
        old = None if was is None else before.get((claim.attribute, was))
        is_touched = claim.attribute in touched.get(edit.attribute, {edit.attribute})
        is_same = of_all or edit.attribute not in OF_SUBJECT or claim.subject == edit.index
        if old is not None and old.value == claim.value and not (is_touched and is_same):
            pairs.append((old, claim))
    return tuple(pairs)


def _index_before(edit: Edit, after: int) -> int | None:
    if edit.attribute == "add":
        return None if after == edit.index else after - (after > edit.index)
    return after + (edit.attribute == "remove" and after >= edit.index)
