"""What can be named of a diorama scene and looked for in a clip, and which of it a caption names.

Enters: a `Scene`, or a caption and its scene. Leaves: `Claim`s, each a single statement ("the colour of subject 0 is red")
that the judge can find right or wrong. What a caption does not say is free, so it is no claim of the caption. The scene's
world decides what can be named at all (`values_of`).

Where an attribute can be judged: what moves needs a second of video; speed and direction need something that moves; where two
subjects are of one kind, only what they share can be said of that kind; a relation is that of the first frame, so a
continuation, which starts anywhere, has none, nor has a camera that starts its orbit from the side. Whoever is run into is
pushed about, whatever it does itself. In a room it rains behind the window at most, which is no weather to be judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from eval.reading import ANIMAL, phrases
from gpt_video.diorama.edits import Edit
from gpt_video.diorama.scene import Scene
from gpt_video.diorama.world import ACTORS, MOVES, RELATIONS, SIZES, SPEEDS, WORLDS

COUNTS = ("0", "1", "2", "3")
OF_SUBJECT = ("kind", "colour", "size", "count", "action", "direction", "speed", "activity")
OF_SCENE = ("relation", "place", "time", "camera", "weather", "style")
SECOND = ("second kind", "second colour")
NAMES = (*OF_SUBJECT, *SECOND, *OF_SCENE)
SHORTEST_MOTION = 9  # frames: a second, the least in which a motion can be told from another


@cache
def values_of(world: str) -> Mapping[str, tuple[str, ...]]:
    """{attribute: its values} in the world of that name; what has one value in it, as weather in the core, is no attribute.

    KeyError for an unknown world.
    """
    of = WORLDS[world]
    actions = ("move", *(action for action in of.actions if action not in MOVES))
    values = {
        "kind": of.kinds, "colour": tuple(of.colours), "size": SIZES, "count": COUNTS, "action": actions, "direction": MOVES,
        "speed": SPEEDS, "relation": RELATIONS, "place": of.places, "time": of.times, "camera": of.cameras, "absent": of.kinds,
        "activity": of.activities, "weather": of.weathers, "style": of.styles,
    }  # fmt: skip
    return {name: found for name, found in values.items() if len(found) > 1}


@dataclass(frozen=True, order=True)
class Claim:
    """One statement: `attribute` (a key of `values_of`) of subject record `subject` is `value`; 0 for the scene as a whole.

    "absent" says that no thing of kind `value` is there. The kind may be "animal", which any animal is.
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
    return ("move", action) if action in MOVES else (action, None)


def claims(scene: Scene) -> tuple[Claim, ...]:
    """Everything that is true of the scene's clip and can be judged in it."""
    moving = scene.frames >= SHORTEST_MOTION or scene.before is not None
    found = [claim for i in range(len(scene.subjects)) for claim in _of_subject(scene, i, moving)]
    found += [Claim("place", scene.place), Claim("time", scene.time)]
    # A continuation keeps looking down where the scene before it did, whatever its own camera.
    if scene.camera == "from above" or (moving and (scene.before is None or scene.before.camera != "from above")):
        found.append(Claim("camera", scene.camera))
    if scene.relation and is_seen_at_first(scene) and scene.subjects[0].kind != scene.subjects[1].kind:
        found.append(Claim("relation", scene.relation))
    known = values_of(scene.world)
    if "weather" in known and scene.place != "room":
        found.append(Claim("weather", scene.weather))
    if "style" in known:
        found.append(Claim("style", scene.style))
    return tuple(found)


def is_seen_at_first(scene: Scene) -> bool:
    """Whether the first frame shows how the subjects stand to each other."""
    return scene.before is None and scene.camera != "orbit"


def _of_subject(scene: Scene, i: int, moving: bool) -> list[Claim]:
    subject, same = scene.subjects[i], [s for s in scene.subjects if s.kind == scene.subjects[i].kind]
    found = [Claim("kind", subject.kind, i), Claim("colour", subject.colour, i)]
    found.append(Claim("count", str(sum(s.count for s in same)), i))
    if len({s.size for s in same}) == 1:
        found.append(Claim("size", subject.size, i))
    is_pushed = i == 1 and scene.subjects[0].action == "into"
    if moving and len({s.action for s in same}) == 1 and not is_pushed:
        action, direction = action_of(subject.action)
        found.append(Claim("action", action, i))
        if direction:
            found.append(Claim("direction", direction, i))
        if action != "still" and len({s.speed for s in same}) == 1:
            found.append(Claim("speed", subject.speed, i))
    if "activity" in values_of(scene.world) and subject.kind in ACTORS and len({s.activity for s in same}) == 1:
        found.append(Claim("activity", subject.activity, i))
    return found


def named(scene: Scene, text: str, language: str) -> tuple[Claim, ...]:
    """The claims of the scene that its caption makes: of the topic all that it says, of others kind and colour.

    The caption is true of the scene (language.py), so a value counts as said when any of its words occur. ValueError for an
    unknown language.
    """
    said = phrases(text, language, scene.world)
    return tuple(c for c in claims(scene) if (not c.subject or c.name in SECOND) and _is_said(c, scene, said))


def _is_said(claim: Claim, scene: Scene, said: Counter[tuple[str, str]]) -> bool:
    name, value = claim.attribute, claim.value
    if name in ("kind", "count"):  # a caption names every kind, if it does not say "animals"; a singular says one
        return not said["kind", ANIMAL] or bool(said["kind", scene.subjects[claim.subject].kind])
    if name == "colour":  # said of the first of those that have it; twice when of two
        same = [i for i, s in enumerate(scene.subjects) if s.colour == value]
        return said["colour", value] > same.index(claim.subject)
    is_afloat = scene.place == "ocean" and bool(said["action", "float"])
    if name == "action" and value == "move":
        return any(said["action", way] for way in ("move", "ride", *MOVES)) or is_afloat
    if name == "action":
        return bool(said["action", value]) or (value == "still" and is_afloat)
    if name == "activity":
        return bool(said["activity", value]) or (value == "bicycle" and bool(said["action", "ride"]))
    return bool(said["action" if name == "direction" else name, value])


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
        keys += [("colour", i)] if phrases(text, language, after.world)["colour", after.subjects[i].colour] else []
        keys += [("relation", 0)] if edit.where not in ("", "anywhere") else []
    elif edit.attribute == "action" or _sets_off(edit):
        keys = [("action", i), ("direction", i)]
    else:
        keys = [(edit.attribute, i if edit.attribute in OF_SUBJECT else 0)]
    found = tuple(by_key[key] for key in keys if key in by_key)
    return found + (gone(edit) if edit.attribute == "kind" else ())


def _sets_off(edit: Edit) -> bool:
    """Whether who is told to ride sits on a bicycle already, and now has to go somewhere."""
    before, after = edit.scene_before.subjects, edit.scene_after.subjects
    return edit.attribute == "activity" and before[edit.index].activity == after[edit.index].activity


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
        "activity": {"activity", "action", "direction", "speed"},  # on a bicycle one goes somewhere
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
