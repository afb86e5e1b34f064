"""What a scene of the diorama is: small frozen records and the vocabularies that they draw from.

Enters: names from the vocabularies below (or the JSON form of a scene). Leaves: a validated `Scene`, whose video is
decided by nothing but the record itself. Pixels are render.py's business, words language.py's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

KINDS = ("ball", "cube", "cylinder", "cone", "car", "boat", "dog", "mammoth", "robot", "snowman", "woman", "tree")
COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.90, 0.10, 0.10),
    "orange": (1.00, 0.50, 0.05),
    "yellow": (1.00, 0.90, 0.10),
    "green": (0.10, 0.66, 0.18),
    "blue": (0.10, 0.28, 0.92),
    "purple": (0.52, 0.14, 0.74),
    "pink": (1.00, 0.52, 0.76),
    "white": (0.97, 0.97, 0.97),
    "black": (0.07, 0.07, 0.08),
    "brown": (0.45, 0.26, 0.12),
}
SIZES = ("small", "medium", "large")
ACTIONS = ("left", "right", "closer", "away", "jump", "spin", "fall", "bounce", "still")
SPEEDS = ("slowly", "normal", "fast")
PLACES = ("meadow", "snow", "desert", "ocean", "city street", "road")
TIMES = ("day", "sunset", "night")
CAMERAS = ("still", "pan left", "pan right", "zoom in", "zoom out", "from above")
RELATIONS = ("left of", "behind", "next to")
MAX_SUBJECTS = 3

# Rooted things neither travel nor jump. Everything else does every action (a ball rolls, a snowman slides), in every
# place (on the ocean things float).
_ROOTED = {"tree": frozenset({"still", "spin", "fall"})}


def allowed(kind: str, value: str) -> bool:
    """Whether `kind` can do the action, or stand in the place, named `value`. ValueError for unknown names."""
    _check("kind", kind, KINDS)
    if value in PLACES:
        return True
    _check("action", value, ACTIONS)
    return value in _ROOTED.get(kind, ACTIONS)


@dataclass(frozen=True)
class Subject:
    """One to three equal things: what they are, how they look, and what they do (left and right are the screen's)."""

    kind: str
    colour: str
    size: str = "medium"
    action: str = "still"
    speed: str = "normal"
    count: int = 1

    def __post_init__(self) -> None:
        _check("kind", self.kind, KINDS)
        _check("colour", self.colour, COLOURS)
        _check("size", self.size, SIZES)
        _check("action", self.action, ACTIONS)
        _check("speed", self.speed, SPEEDS)
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "subjects", tuple(self.subjects))
        total = sum(subject.count for subject in self.subjects)
        if not 1 <= total <= MAX_SUBJECTS:
            raise ValueError(f"The scene has {total} things in it; expected 1 to {MAX_SUBJECTS}, counts included.")
        _check("place", self.place, PLACES)
        _check("time", self.time, TIMES)
        _check("camera", self.camera, CAMERAS)
        if self.relation is not None:
            _check("relation", self.relation, RELATIONS)
            if len(self.subjects) < 2:
                raise ValueError(f"The relation '{self.relation}' needs two subjects, and the scene has one.")
        first = 1 if self.before is None else 0
        if self.frames < 1 or self.frames % 4 != first:
            expected = "1 + 4k" if first else "4k with k > 0, as it continues another"
            raise ValueError(f"The scene has {self.frames} frames; expected {expected}.")


def to_json(scene: Scene) -> dict[str, Any]:
    """The scene as plain dicts, lists, strings and numbers; `from_json` undoes it exactly."""
    record = asdict(scene)
    record["subjects"] = list(record["subjects"])
    record["before"] = None if scene.before is None else to_json(scene.before)
    return record


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
