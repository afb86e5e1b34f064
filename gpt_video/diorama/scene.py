"""What a scene of the diorama is: small frozen records and the vocabularies that they draw from.

Enters: names from the vocabularies below (or the JSON form of a scene). Leaves: a validated `Scene`, whose video is
decided by nothing but the record itself. Pixels are render.py's business, words language.py's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from typing import Any

from gpt_video.diorama.world import COLOURS, CORE, RELATIONS, SIZES, SPEEDS, WIDE, WORLDS, World, can

__all__ = ["ACTIONS", "CAMERAS", "COLOURS", "KINDS", "PLACES", "RELATIONS", "SIZES", "SPEEDS", "TIMES"]
__all__ += ["MAX_SUBJECTS", "Scene", "Subject", "allowed", "from_json", "to_json", "world_of"]

# The core world's, which the evaluation knows.
KINDS, PLACES, TIMES, ACTIONS, CAMERAS = CORE.kinds, CORE.places, CORE.times, CORE.actions, CORE.cameras
MAX_SUBJECTS = 3


def allowed(kind: str, value: str) -> bool:
    """Whether `kind` can do the action, or stand in the place, named `value`. ValueError for unknown names."""
    _check("kind", kind, WIDE.kinds)
    if value in WIDE.places:
        return True
    _check("action", value, WIDE.actions)
    return can(kind, value)


@dataclass(frozen=True)
class Subject:
    """One to three equal things: what they are, how they look, and what they do (left and right are the screen's).

    action "into": travels until it runs into subjects[1]. activity: what they do meanwhile, with things of their own.
    """

    kind: str
    colour: str
    size: str = "medium"
    action: str = "still"
    speed: str = "normal"
    count: int = 1
    activity: str = "none"

    def __post_init__(self) -> None:
        _check("kind", self.kind, WIDE.kinds)
        _check("colour", self.colour, COLOURS)
        _check("size", self.size, SIZES)
        _check("action", self.action, WIDE.actions)
        _check("speed", self.speed, SPEEDS)
        _check("activity", self.activity, WIDE.activities)
        if not 1 <= self.count <= MAX_SUBJECTS:
            raise ValueError(f"A subject's count is {self.count}; expected 1 to {MAX_SUBJECTS}.")


@dataclass(frozen=True)
class Scene:
    """Everything that decides a clip.

    subjects: 1 to 3 records whose counts sum to at most 3; subjects[0] is the topic.
    relation: "subjects[0] is <relation> subjects[1]", or None.
    layout_seed: placement, heading and background props; an edit never changes it.
    before: the scene that this one continues: it is simulated first, silently, for its own `frames`.
    frames: of this turn's video: 1 + 4k for a scene of its own, 4k for a continuation.
    """

    subjects: tuple[Subject, ...]
    place: str = "meadow"
    time: str = "day"
    camera: str = "still"
    relation: str | None = None
    layout_seed: int = 0
    before: Scene | None = None
    frames: int = 33
    weather: str = "clear"
    style: str = "plain"
    world: str = "core"

    def __post_init__(self) -> None:
        object.__setattr__(self, "subjects", tuple(self.subjects))
        _check("world", self.world, WORLDS)
        world = WORLDS[self.world]
        total = sum(subject.count for subject in self.subjects)
        if not 1 <= total <= MAX_SUBJECTS:
            raise ValueError(f"The scene has {total} things in it; expected 1 to {MAX_SUBJECTS}, counts included.")
        for subject in self.subjects:
            _check("kind", subject.kind, world.kinds)
            _check("action", subject.action, world.actions)
            _check("activity", subject.activity, world.activities)
        _check("place", self.place, world.places)
        _check("time", self.time, world.times)
        _check("camera", self.camera, world.cameras)
        _check("weather", self.weather, world.weathers)
        _check("style", self.style, world.styles)
        if self.relation is not None:
            _check("relation", self.relation, RELATIONS)
            if len(self.subjects) < 2:
                raise ValueError(f"The relation '{self.relation}' needs two subjects, and the scene has one.")
        self._check_collision()
        first = 1 if self.before is None else 0
        if self.frames < 1 or self.frames % 4 != first:
            expected = "1 + 4k" if first else "4k with k > 0, as it continues another"
            raise ValueError(f"The scene has {self.frames} frames; expected {expected}.")

    def _check_collision(self) -> None:
        if any(subject.action == "into" for subject in self.subjects[1:]):
            raise ValueError("Subject 1 or 2 runs into another; expected that of subject 0 alone.")
        if self.subjects[0].action == "into":
            target = self.subjects[1] if len(self.subjects) > 1 else None
            if target is None or (target.action, target.activity) != ("still", "none") or self.relation == "behind":
                raise ValueError("The topic runs into subject 1; expected one that is there, still and not behind it.")


def world_of(scene: Scene) -> World:
    """The world that the scene is made of."""
    return WORLDS[scene.world]


# What records of the core world do not hold, so that theirs stay as they always were.
_NOT_OF_CORE: dict[type, dict[str, Any]] = {
    record: {f.name: f.default for f in fields(record) if f.name in ("activity", "weather", "style", "world")}
    for record in (Subject, Scene)
}


def to_json(scene: Scene) -> dict[str, Any]:
    """The scene as plain dicts, lists, strings and numbers; `from_json` undoes it exactly."""
    record = _without_defaults(asdict(scene), Scene)
    record["subjects"] = [_without_defaults(subject, Subject) for subject in record["subjects"]]
    record["before"] = None if scene.before is None else to_json(scene.before)
    return record


def _without_defaults(record: dict[str, Any], kind: type[Subject] | type[Scene]) -> dict[str, Any]:
    usual = _NOT_OF_CORE[kind]
    return {name: value for name, value in record.items() if name not in usual or usual[name] != value}


def from_json(record: dict[str, Any]) -> Scene:
    """The scene that `to_json` wrote. ValueError for unknown fields or values."""
    try:
        subjects = tuple(Subject(**subject) for subject in record["subjects"])
        before = None if record.get("before") is None else from_json(record["before"])
        return Scene(**{**record, "subjects": subjects, "before": before})
    except (KeyError, TypeError) as error:
        raise ValueError(f"Not the record of a scene ({error}); expected what to_json wrote.") from error


def _check(field: str, value: object, known: Collection[str]) -> None:
    if value not in known:
        raise ValueError(f"Unknown {field} {value!r}; expected one of {', '.join(known)}.")
