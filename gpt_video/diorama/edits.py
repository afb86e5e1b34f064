"""What a person may ask to have changed: functions scene -> scene, and the words that ask for them in two languages.

Enters: a `Scene` and a `random.Random`. Leaves: an `Edit` (the scene before and after, and what differs), its instruction in
English or French; or the scene that continues a scene, and the words for that. An edit changes what it names, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from string import Formatter
from typing import Any

from gpt_video.diorama.grammar import HE, SHE, Noun, Voice, voice
from gpt_video.diorama.instructions import TEMPLATES
from gpt_video.diorama.language import words_in, words_of_world
from gpt_video.diorama.scene import (
    ACTIONS,
    CAMERAS,
    COLOURS,
    KINDS,
    MAX_SUBJECTS,
    PLACES,
    RELATIONS,
    SIZES,
    SPEEDS,
    TIMES,
    Scene,
    Subject,
    allowed,
)  # fmt: skip
from gpt_video.diorama.world import CORE, World

OF_SUBJECT: dict[str, tuple[str, ...]] = {
    "colour": tuple(COLOURS),
    "kind": KINDS,
    "size": SIZES,
    "action": ACTIONS,
    "speed": SPEEDS,
    "count": tuple(str(n) for n in range(1, MAX_SUBJECTS + 1)),
}
OF_SCENE: dict[str, tuple[str, ...]] = {"place": PLACES, "time": TIMES, "camera": CAMERAS, "relation": RELATIONS}
# How often each is asked for, of 100.
ATTRIBUTES = {
    "colour": 16, "kind": 14, "place": 14, "action": 14, "time": 10, "size": 8, "add": 5,
    "speed": 5, "camera": 5, "count": 3, "remove": 4, "relation": 2,
}  # fmt: skip
# Some cameras are asked for less, so that most videos keep a camera that stands still.
CAMERA_WEIGHTS = {"still": 66, "pan left": 6, "pan right": 6, "zoom in": 7, "zoom out": 7, "from above": 8}
WIDE_CAMERA_WEIGHTS = CAMERA_WEIGHTS | {"still": 56, "orbit": 7, "drone": 7, "cut": 8}
# Where an added subject goes, seen from what is there: who comes first in the record, and the relation between them.
WHERE: dict[str, tuple[bool, str | None]] = {
    "left": (True, "left of"),
    "right": (False, "left of"),
    "behind": (True, "behind"),
    "in front": (False, "behind"),
    "next to": (False, "next to"),
    "anywhere": (False, None),
}
TRIES = 1000
Accept = Callable[[Scene], bool]


def camera_weights(world: World) -> dict[str, int]:
    """How often each camera of the world is chosen."""
    return CAMERA_WEIGHTS if world == CORE else WIDE_CAMERA_WEIGHTS


@dataclass(frozen=True)
class Edit:
    """One change. value: what the attribute becomes; for "add" the new kind, for "remove" the kind that goes.

    index: the subject that it is about, in the scene before; for "add", in the scene after; 0 for the scene as a whole.
    where: for "add", a name from WHERE.
    """

    attribute: str
    value: str
    index: int
    scene_before: Scene
    scene_after: Scene
    where: str = ""


def change(scene: Scene, attribute: str, value: str, index: int = 0) -> Scene:
    """The scene with one attribute of subject `index`, or of the scene itself, set to `value`.

    ValueError for an unknown attribute or value, for a value that it has already, and for a scene that makes no sense.
    """
    if attribute not in {**OF_SUBJECT, **OF_SCENE}:
        raise ValueError(f"Unknown attribute {attribute!r}; expected one of {', '.join([*OF_SUBJECT, *OF_SCENE])}.")
    changes: dict[str, Any] = {attribute: int(value) if attribute == "count" else value}
    if attribute in OF_SCENE:
        return _checked(replace(scene, **changes), scene)
    subjects = list(scene.subjects)
    subjects[index] = replace(subjects[index], **changes)
    return _checked(replace(scene, subjects=tuple(subjects)), scene)


def add(scene: Scene, subject: Subject, where: str = "anywhere") -> Scene:
    """The scene with one more subject. A place for it (a name from WHERE) can be given when one subject is there."""
    if where not in WHERE:
        raise ValueError(f"Unknown place {where!r} for a subject; expected one of {', '.join(WHERE)}.")
    first, relation = WHERE[where]
    if len(scene.subjects) > 1:
        if relation:
            raise ValueError(f"Where: {where!r} says nothing with {len(scene.subjects)} subjects; expected 'anywhere'.")
        relation = scene.relation
    subjects = (subject, *scene.subjects) if first else (*scene.subjects, subject)
    return _checked(replace(scene, subjects=subjects, relation=relation), scene)


def remove(scene: Scene, index: int) -> Scene:
    """The scene without subject `index`. ValueError when it is the only one."""
    subjects = tuple(s for i, s in enumerate(scene.subjects) if i != index)
    relation = scene.relation if index > 1 else None
    return _checked(replace(scene, subjects=subjects, relation=relation), scene)


def _checked(after: Scene, before: Scene) -> Scene:
    if after == before:
        raise ValueError("The edit changes nothing; expected a value that the scene does not have.")
    for subject in after.subjects:
        if not (allowed(subject.kind, subject.action) and allowed(subject.kind, after.place)):
            raise ValueError(f"A {subject.kind} cannot do {subject.action!r}; expected an action that it can do.")
    if len({(s.kind, s.colour) for s in after.subjects}) < len(after.subjects):
        raise ValueError("Two subjects have the same kind and colour; expected one record with a count.")
    return after


def sample_edit(scene: Scene, rng: Random, accept: Accept = lambda scene: True) -> Edit:
    """An edit of the scene, whose result `accept` accepts. ValueError when it accepts none."""
    for _ in range(TRIES):
        attribute = rng.choices(list(ATTRIBUTES), list(ATTRIBUTES.values()))[0]
        try:
            edit = _proposal(scene, attribute, rng)
        except ValueError:  # it has that already, or the two do not go together
            continue
        if accept(edit.scene_after):
            return edit
    raise ValueError(f"{TRIES} edits were drawn and none accepted; expected `accept` to accept some.")


def _proposal(scene: Scene, attribute: str, rng: Random) -> Edit:
    index = rng.choices(range(len(scene.subjects)), [3, 1, 1][: len(scene.subjects)])[0]
    subject = scene.subjects[index]
    if attribute == "add":
        where = rng.choice(list(WHERE)) if len(scene.subjects) == 1 else "anywhere"
        new = Subject(rng.choice(KINDS), rng.choice(list(COLOURS)))
        after = add(scene, new, where)
        return Edit(attribute, new.kind, after.subjects.index(new), scene, after, where)
    if attribute == "remove":
        return Edit(attribute, subject.kind, index, scene, remove(scene, index))
    if scene.frames == 1 and attribute in ("action", "speed", "camera"):
        raise ValueError("Nothing moves in a still.")
    if attribute == "speed" and subject.action == "still":
        raise ValueError("What does not move has no speed.")
    if attribute == "camera":
        value = rng.choices(list(CAMERA_WEIGHTS), list(CAMERA_WEIGHTS.values()))[0]
    else:
        value = rng.choice({**OF_SUBJECT, **OF_SCENE}[attribute])
    index = index if attribute in OF_SUBJECT else 0
    return Edit(attribute, value, index, scene, change(scene, attribute, value, index))


def sample_continuation(scene: Scene, rng: Random, accept: Accept = lambda scene: True) -> Scene:
    """A scene of 8 or 16 frames that goes on from this one: its topic does something else, everything else rests.

    ValueError when `accept` accepts none.
    """
    topic, *others = scene.subjects
    for _ in range(TRIES):
        action = rng.choice([a for a in ACTIONS if allowed(topic.kind, a) and a != topic.action])
        speed = rng.choice(SPEEDS) if action != "still" else "normal"
        subjects = (
            replace(topic, action=action, speed=speed),
            *(replace(s, action="still", speed="normal") for s in others),
        )
        after = replace(scene, subjects=subjects, camera="still", before=scene, frames=rng.choice((8, 16)))
        if accept(after):
            return after
    raise ValueError(f"{TRIES} continuations were drawn and none accepted; expected `accept` to accept some.")


def instruction(edit: Edit, language: str, rng: Random) -> str:
    """What a person would type to ask for the edit. ValueError for an unknown language."""
    speaker, attribute, before = voice(language, rng), edit.attribute, edit.scene_before
    table, key = TEMPLATES[speaker.language], f"{attribute} {edit.value}"
    kind, old = "", str(getattr(before, attribute, ""))
    if attribute in OF_SUBJECT:
        kind, old = before.subjects[edit.index].kind, str(getattr(before.subjects[edit.index], attribute))
    templates = table.get(f"{attribute} {kind}") or table.get(attribute, ()) + table.get(key, ())
    templates += table.get(f"{key} from {old}", ())
    has_name = len(before.subjects) == 1 or attribute not in OF_SUBJECT or attribute == "count"
    text = _phrased(templates, _slots(edit, speaker, kind, old), speaker, set() if has_name else {"the"})
    if speaker.chance(0.05):
        text = rng.choice(table["polite"]).format(text)
    return speaker.finish(text)


def continuation_text(scene: Scene, language: str, rng: Random) -> str:
    """What a person would type to have the scene before go on as this one. ValueError when there is none before."""
    if scene.before is None:
        raise ValueError("The scene continues no other; expected one with `before`.")
    speaker, topic = voice(language, rng), scene.subjects[0]
    noun = speaker.noun(topic)
    slots, action = _reference(scene, 0, noun, speaker), "stop" if topic.action == "still" else topic.action
    for form in ("base", "finite"):
        speed = topic.speed != "normal" and speaker.chance(0.9)
        slots[form] = speaker.action(topic, noun, scene.place, form, speed=speed, action=action)
    table = TEMPLATES[speaker.language]
    templates = table["then"] + table.get(f"then {action}", ())
    return speaker.finish(_phrased(templates, slots, speaker, {"the"} if len(scene.subjects) > 1 else set()))


def _phrased(templates: tuple[str, ...], slots: dict[str, str], speaker: Voice, needed: set[str]) -> str:
    """One of the templates whose fields can be filled and are those that are needed, filled."""
    usable = [t for t in templates if needed <= _fields(t) <= slots.keys()]
    return " ".join(speaker.rng.choice(usable).format(**slots).split())


@cache
def _fields(template: str) -> frozenset[str]:
    return frozenset(field for _, field, _, _ in Formatter().parse(template) if field)


def _reference(scene: Scene, index: int, noun: Noun, speaker: Voice) -> dict[str, str]:
    """Ways to refer to a subject that is there already."""
    subject, twins = scene.subjects[index], len({s.kind for s in scene.subjects}) < len(scene.subjects)
    said = {"colour"} if twins or speaker.chance(0.12) else set()
    pronouns = speaker.pronouns(noun) if len(scene.subjects) == 1 else {}
    return {"the": speaker.noun_phrase(subject, noun, "the", said), **pronouns, **speaker.agreeing(noun)}


def _slots(edit: Edit, speaker: Voice, kind: str, old: str) -> dict[str, str]:
    """What the fields of the edit's templates stand for."""
    attribute, value, before, after = edit.attribute, edit.value, edit.scene_before, edit.scene_after
    about_one = attribute in OF_SUBJECT or attribute in ("remove", "relation")
    index = edit.index if about_one else 0
    noun = speaker.noun(before.subjects[index])
    slots = _reference(before, index, noun, speaker) if about_one or len(before.subjects) == 1 else {}
    if attribute in OF_SUBJECT:
        return slots | _subject_slots(attribute, after.subjects[index], after.place, noun, speaker, kind, old)
    if attribute == "add":
        new = after.subjects[edit.index]
        said = {"colour"} if speaker.chance(0.85) else set()
        slots["new"] = speaker.noun_phrase(new, speaker.noun(new), "a", said)
        where = TEMPLATES[speaker.language].get(f"where {edit.where}", ("",))
        slots["where"] = " " + speaker.rng.choice(where).format(**slots)
    elif attribute == "relation":
        other = before.subjects[1]
        slots["value"] = speaker.pick("relation", value)
        slots["other"] = _reference(before, 1, speaker.noun(other), speaker)["the"]
    elif attribute in ("place", "time"):
        slots["value"] = speaker.pick(attribute, value)
        inside = re.fullmatch(r"(?:in|on|dans|sur) ((?:the|a|le|la|un|une) .*|l'.*)", slots["value"])
        slots |= {"there": inside[1]} if inside else {}
    return slots


def _subject_slots(
    attribute: str, after: Subject, place: str, noun: Noun, speaker: Voice, kind: str, old: str
) -> dict[str, str]:
    slots = {"name": speaker.name(noun), "single": speaker.name(replace(noun, plural=False))}
    if attribute == "colour":
        colour = speaker.pick("colour", after.colour)
        slots |= {"value": speaker.adjective(colour, noun), "plain": speaker.adjective(colour, HE)}
        slots["dress"] = speaker.adjective(colour, SHE)
    elif attribute in ("kind", "count"):
        noun = speaker.noun(after) if attribute == "kind" else replace(noun, plural=after.count > 1)
        slots["new"] = speaker.noun_phrase(after, noun, "a", {"colour"} if speaker.chance(0.12) else set())
        slots["kind"] = speaker.name(noun)
    elif attribute == "size":
        table = TEMPLATES[speaker.language]
        key = f"as {after.size}"
        phrases = next(table[k] for k in (f"{key} {kind}", f"{key} from {old}", key) if k in table)
        slots["value"] = speaker.adjective(speaker.rng.choice(phrases), noun)
    elif attribute == "action":
        slots["finite"] = speaker.action(after, noun, place, "finite")
        slots["base"] = speaker.action(after, noun, place, "base")
        verb, rest = speaker.split_verb(slots["base"])
        slots |= {} if verb == "faire" else {"verb": verb, "rest": rest}
    return slots


@cache
def words_of_instructions(language: str) -> frozenset[str]:
    """Every word that captions, instructions and continuations in this language can contain, in lower case."""
    known = words_of_world(language)
    texts = [re.sub(r"\{\w*\}", " ", t) for templates in TEMPLATES[language].values() for t in templates]
    pronouns = (
        "it her them they she" if language == "en" else "le la les il elle ils elles doit doivent repart repartent"
    )
    return known | frozenset(word for text in [*texts, pronouns] for word in words_in(text))
