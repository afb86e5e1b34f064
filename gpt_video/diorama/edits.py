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
from gpt_video.diorama.instructions import templates
from gpt_video.diorama.language import words_of_world
from gpt_video.diorama.scene import MAX_SUBJECTS, Scene, Subject, world_of
from gpt_video.diorama.world import CORE, MEANWHILE, RELATIONS, SIZES, SPEEDS, WIDE, World, can
from gpt_video.text import words_in

OF_SUBJECT: dict[str, tuple[str, ...]] = {
    "colour": tuple(CORE.colours),
    "kind": CORE.kinds,
    "size": SIZES,
    "action": CORE.actions,
    "speed": SPEEDS,
    "count": tuple(str(n) for n in range(1, MAX_SUBJECTS + 1)),
}
OF_SCENE: dict[str, tuple[str, ...]] = {
    "place": CORE.places, "time": CORE.times, "camera": CORE.cameras, "relation": RELATIONS
}  # fmt: skip
WIDE_OF_SUBJECT = OF_SUBJECT | {"kind": WIDE.kinds, "action": WIDE.actions, "activity": WIDE.activities}
WIDE_OF_SCENE = OF_SCENE | {
    "place": WIDE.places, "camera": WIDE.cameras, "weather": WIDE.weathers, "style": WIDE.styles
}  # fmt: skip
# How often each is asked for, of 100.
ATTRIBUTES = {
    "colour": 16, "kind": 14, "place": 14, "action": 14, "time": 10, "size": 8, "add": 5,
    "speed": 5, "camera": 5, "count": 3, "remove": 4, "relation": 2,
}  # fmt: skip
WIDE_ATTRIBUTES = ATTRIBUTES | {"weather": 10, "style": 7, "activity": 18, "camera": 9}
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
    of_subject, of_scene = values_of(world_of(scene))
    if attribute not in {**of_subject, **of_scene}:
        raise ValueError(f"Unknown attribute {attribute!r}; expected one of {', '.join([*of_subject, *of_scene])}.")
    changes: dict[str, Any] = {attribute: int(value) if attribute == "count" else value}
    if attribute in of_scene:
        return _checked(replace(scene, **changes), scene)
    subjects = list(scene.subjects)
    if attribute == "activity":
        changes |= _action_meanwhile(scene, subjects[index], value)
    subjects[index] = replace(subjects[index], **changes)
    return _checked(replace(scene, subjects=tuple(subjects)), scene)


def _action_meanwhile(scene: Scene, subject: Subject, activity: str) -> dict[str, Any]:
    """What else changes with an activity: on a bicycle one goes somewhere, at a table one stays."""
    if activity == "none" or (
        subject.action in MEANWHILE[activity] and (activity, subject.action) != ("bicycle", "still")
    ):
        return {}
    if activity == "bicycle" and scene.frames > 1:
        return {"action": "left" if scene.layout_seed % 2 else "right"}
    return {"action": "still", "speed": "normal"}


def values_of(world: World) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """The attributes of a subject, and of a scene, that can be changed in the world, with their values."""
    return (OF_SUBJECT, OF_SCENE) if world == CORE else (WIDE_OF_SUBJECT, WIDE_OF_SCENE)


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
        if not can(subject.kind, subject.action, subject.activity):
            raise ValueError(f"A {subject.kind} cannot do {subject.action!r}; expected an action that it can do.")
    if len({(s.kind, s.colour) for s in after.subjects}) < len(after.subjects):
        raise ValueError("Two subjects have the same kind and colour; expected one record with a count.")
    return after


def sample_edit(scene: Scene, rng: Random, accept: Accept = lambda scene: True) -> Edit:
    """An edit of the scene, whose result `accept` accepts. ValueError when it accepts none."""
    weights = ATTRIBUTES if world_of(scene) == CORE else WIDE_ATTRIBUTES
    for _ in range(TRIES):
        attribute = rng.choices(list(weights), list(weights.values()))[0]
        try:
            edit = _proposal(scene, attribute, rng)
        except ValueError:  # it has that already, or the two do not go together
            continue
        if accept(edit.scene_after):
            return edit
    raise ValueError(f"{TRIES} edits were drawn and none accepted; expected `accept` to accept some.")


def _proposal(scene: Scene, attribute: str, rng: Random) -> Edit:
    index = rng.choices(range(len(scene.subjects)), [3, 1, 1][: len(scene.subjects)])[0]
    subject, world = scene.subjects[index], world_of(scene)
    of_subject, of_scene = values_of(world)
    if attribute == "add":
        where = rng.choice(list(WHERE)) if len(scene.subjects) == 1 else "anywhere"
        new = Subject(rng.choice(world.kinds), rng.choice(list(world.colours)))
        after = add(scene, new, where)
        return Edit(attribute, new.kind, after.subjects.index(new), scene, after, where)
    if attribute == "remove":
        return Edit(attribute, subject.kind, index, scene, remove(scene, index))
    if scene.frames == 1 and attribute in ("action", "speed", "camera"):
        raise ValueError("Nothing moves in a still.")
    if attribute == "speed" and subject.action == "still":
        raise ValueError("What does not move has no speed.")
    if attribute == "camera":
        cameras = camera_weights(world)
        value = rng.choices(list(cameras), list(cameras.values()))[0]
    else:
        value = rng.choice({**of_subject, **of_scene}[attribute])
    index = index if attribute in of_subject else 0
    return Edit(attribute, value, index, scene, change(scene, attribute, value, index))


def sample_continuation(scene: Scene, rng: Random, accept: Accept = lambda scene: True) -> Scene:
    """A scene of 8 or 16 frames that goes on from this one: its topic does something else, everything else rests.

    ValueError when `accept` accepts none.
    """
    topic, *others = scene.subjects
    for _ in range(TRIES):
        actions = [a for a in world_of(scene).actions if can(topic.kind, a) and a != topic.action]
        action = rng.choice([a for a in actions if a != "into" or others])
        speed = rng.choice(SPEEDS) if action != "still" else "normal"
        subjects = (
            replace(topic, action=action, speed=speed, activity=_kept_activity(topic, action)),
            *(replace(s, action="still", speed="normal", activity="none") for s in others),
        )
        if action == "into" and scene.relation == "behind":
            continue
        after = replace(scene, subjects=subjects, camera="still", before=scene, frames=rng.choice((8, 16)))
        if accept(after):
            return after
    raise ValueError(f"{TRIES} continuations were drawn and none accepted; expected `accept` to accept some.")


def _kept_activity(topic: Subject, action: str) -> str:
    """Who rides goes on riding, where that goes with what it does next; who sat at a table gets up."""
    return topic.activity if topic.activity == "bicycle" and can(topic.kind, action, "bicycle") else "none"


def instruction(edit: Edit, language: str, rng: Random) -> str:
    """What a person would type to ask for the edit. ValueError for an unknown language."""
    attribute, before = edit.attribute, edit.scene_before
    speaker = voice(language, rng, before.world)
    table, key = templates(language, before.world), f"{attribute} {edit.value}"
    kind, old = "", str(getattr(before, attribute, ""))
    about_subject = attribute in WIDE_OF_SUBJECT
    if about_subject:
        kind, old = before.subjects[edit.index].kind, str(getattr(before.subjects[edit.index], attribute))
    usable = table.get(f"{attribute} {kind}") or table.get(attribute, ()) + table.get(key, ())
    if key == "activity none":  # nobody says what to do instead
        usable = table[key]
    usable += table.get(f"{key} from {old}", ())
    has_name = len(before.subjects) == 1 or not about_subject or attribute == "count"
    text = _phrased(usable, _slots(edit, speaker, kind, old), speaker, set() if has_name else {"the"})
    if speaker.chance(0.05):
        text = rng.choice(table["polite"]).format(text)
    return speaker.finish(text)


def continuation_text(scene: Scene, language: str, rng: Random) -> str:
    """What a person would type to have the scene before go on as this one. ValueError when there is none before."""
    if scene.before is None:
        raise ValueError("The scene continues no other; expected one with `before`.")
    speaker, topic = voice(language, rng, scene.world), scene.subjects[0]
    noun = speaker.noun(topic)
    slots, action = _reference(scene, 0, noun, speaker), "stop" if topic.action == "still" else topic.action
    for form in ("base", "finite"):
        speed = topic.speed != "normal" and speaker.chance(0.9)
        other = _target(scene, speaker) if action == "into" else ""
        slots[form] = speaker.action(topic, noun, scene.place, form, speed=speed, action=action, other=other)
    table = templates(language, scene.world)
    usable = table["then"] + table.get(f"then {action}", ())
    return speaker.finish(_phrased(usable, slots, speaker, {"the"} if len(scene.subjects) > 1 else set()))


def _target(scene: Scene, speaker: Voice) -> str:
    """What the topic runs into, as something known."""
    return _reference(scene, 1, speaker.noun(scene.subjects[1]), speaker)["the"]


def _phrased(usable: tuple[str, ...], slots: dict[str, str], speaker: Voice, needed: set[str]) -> str:
    """One of the templates whose fields can be filled and are those that are needed, filled."""
    filled = [t for t in usable if needed <= _fields(t) <= slots.keys()]
    return " ".join(speaker.rng.choice(filled).format(**slots).split())


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
    about_one = attribute in WIDE_OF_SUBJECT or attribute in ("remove", "relation")
    index = edit.index if about_one else 0
    noun = speaker.noun(before.subjects[index])
    slots = _reference(before, index, noun, speaker) if about_one or len(before.subjects) == 1 else {}
    if attribute in WIDE_OF_SUBJECT:
        return slots | _subject_slots(attribute, after, index, noun, speaker, kind, old)
    if attribute == "add":
        new = after.subjects[edit.index]
        said = {"colour"} if speaker.chance(0.85) else set()
        slots["new"] = speaker.noun_phrase(new, speaker.noun(new), "a", said)
        where = templates(speaker.language, before.world).get(f"where {edit.where}", ("",))
        slots["where"] = " " + speaker.rng.choice(where).format(**slots)
    elif attribute == "relation":
        other = before.subjects[1]
        slots["value"] = speaker.pick("relation", value)
        slots["other"] = _reference(before, 1, speaker.noun(other), speaker)["the"]
    elif attribute in ("weather", "style"):
        slots["value"] = speaker.pick(attribute, value)
        slots |= {"clause": speaker.pick("weather clause", value)} if attribute == "weather" else {}
    elif attribute in ("place", "time"):
        slots["value"] = speaker.pick(attribute, value)
        inside = re.fullmatch(r"(?:in|on|dans|sur) ((?:the|a|le|la|un|une) .*|l'.*)", slots["value"])
        slots |= {"there": inside[1]} if inside else {}
    return slots


def _subject_slots(
    attribute: str, scene: Scene, index: int, noun: Noun, speaker: Voice, kind: str, old: str
) -> dict[str, str]:
    after, place = scene.subjects[index], scene.place
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
        table = templates(speaker.language, scene.world)
        key = f"as {after.size}"
        phrases = next(table[k] for k in (f"{key} {kind}", f"{key} from {old}", key) if k in table)
        slots["value"] = speaker.adjective(speaker.rng.choice(phrases), noun)
    elif attribute in ("action", "activity"):
        other = _target(scene, speaker) if after.action == "into" else ""
        slots["finite"] = speaker.action(after, noun, place, "finite", other=other)
        slots["base"] = speaker.action(after, noun, place, "base", other=other)
        verb, rest = speaker.split_verb(slots["base"])
        slots |= {} if verb == "faire" else {"verb": verb, "rest": rest}
    return slots


@cache
def words_of_instructions(language: str, world: str = CORE.name) -> frozenset[str]:
    """Every word that captions, instructions and continuations in this language can contain, in lower case."""
    known = words_of_world(language, world)
    texts = [re.sub(r"\{\w*\}", " ", t) for group in templates(language, world).values() for t in group]
    pronouns = (
        "it her them they she" if language == "en" else "le la les il elle ils elles doit doivent repart repartent"
    )
    return known | frozenset(word for text in [*texts, pronouns] for word in words_in(text))
