"""Which world: what a scene may be made of. `CORE` never changes, as evaluation suites are frozen on it; `WIDE` grows.

Leaves: frozen `World`s, each a set of vocabularies, and `can`: what a kind is able to do. A scene names its world, so that its
words and its picture follow from the record alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

RGB = tuple[float, float, float]

COLOURS: dict[str, RGB] = {
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
SPEEDS = ("slowly", "normal", "fast")
MOVES = ("left", "right", "closer", "away")
RELATIONS = ("left of", "behind", "next to")

# Pairs that training never shows, though it shows each half with others: about 8 % of each sort of pair. Written down, and
# not drawn, so that a wider world keeps them.
_HELD_OUT = frozenset({
    ("ball", "purple"), ("cube", "pink"), ("cylinder", "white"), ("cone", "blue"), ("car", "green"),
    ("boat", "black"), ("dog", "orange"), ("robot", "yellow"), ("snowman", "red"), ("tree", "brown"),
    ("ball", "road"), ("cube", "ocean"), ("cone", "snow"), ("boat", "desert"), ("robot", "meadow"), ("snowman", "city street"),
    ("cube", "left"), ("boat", "right"), ("cone", "closer"), ("mammoth", "away"), ("ball", "jump"), ("dog", "spin"),
    ("cylinder", "fall"), ("robot", "bounce"),
})  # fmt: skip
_WIDE_HELD_OUT = frozenset({
    ("cat", "purple"), ("horse", "green"), ("bird", "black"), ("monster", "white"), ("man", "pink"), ("cyclist", "brown"),
    ("house", "purple"), ("candle", "orange"), ("bear", "yellow"),
    ("cat", "ocean"), ("horse", "room"), ("bird", "desert"), ("bear", "city street"), ("house", "mountain top"),
    ("car", "room"), ("woman", "mountain top"), ("candle", "road"),
    ("cat", "away"), ("horse", "jump"), ("bird", "left"), ("monster", "right"), ("man", "spin"), ("cyclist", "closer"),
    ("candle", "bounce"), ("bear", "fall"), ("woman", "wave"), ("car", "into"),
    ("mammoth", "bicycle"), ("robot", "podcast"), ("cat", "candle"),
})  # fmt: skip


@dataclass(frozen=True)
class World:
    """The values that the parts of a scene draw from. activities: what a subject does with things that it brings along.

    colours: how each is drawn. held_out: pairs (kind, value) that training never shows.
    """

    name: str
    kinds: tuple[str, ...]
    places: tuple[str, ...]
    times: tuple[str, ...]
    actions: tuple[str, ...]
    cameras: tuple[str, ...]
    weathers: tuple[str, ...] = ("clear",)
    styles: tuple[str, ...] = ("plain",)
    activities: tuple[str, ...] = ("none",)
    colours: Mapping[str, RGB] = field(default_factory=lambda: COLOURS, hash=False)
    held_out: frozenset[tuple[str, str]] = _HELD_OUT


CORE = World(
    "core",
    kinds=("ball", "cube", "cylinder", "cone", "car", "boat", "dog", "mammoth", "robot", "snowman", "woman", "tree"),
    places=("meadow", "snow", "desert", "ocean", "city street", "road"),
    times=("day", "sunset", "night"),
    actions=(*MOVES, "jump", "spin", "fall", "bounce", "still"),
    cameras=("still", "pan left", "pan right", "zoom in", "zoom out", "from above"),
)
WIDE = replace(
    CORE,
    name="wide",
    kinds=(*CORE.kinds, "cat", "horse", "bird", "monster", "man", "cyclist", "house", "candle", "bear"),
    places=(*CORE.places, "mountain top", "room"),
    actions=(*CORE.actions, "wave", "into"),
    cameras=(*CORE.cameras, "orbit", "drone", "cut"),
    weathers=("clear", "snowing", "raining"),
    styles=("plain", "drawn"),
    activities=("none", "bicycle", "podcast", "candle"),
    # "golden" is a word for yellow here, so yellow is warmer; black is light enough to be told from a night.
    colours={**COLOURS, "yellow": (1.00, 0.82, 0.08), "black": (0.13, 0.13, 0.15)},
    held_out=_HELD_OUT | _WIDE_HELD_OUT,
)
WORLDS = {world.name: world for world in (CORE, WIDE)}

# Rooted things neither travel nor jump. Everything else does every action of the core (a ball rolls, a snowman slides), in
# every place (on the ocean things float).
_ROOTED = {kind: frozenset({"still", "spin", "fall"}) for kind in ("tree", "house")}
_WAVING = frozenset({"woman", "man", "robot", "monster", "bear", "snowman", "bird"})
# Who has limbs to hold a handlebar with, and so on.
ACTORS = frozenset({"dog", "cat", "horse", "mammoth", "bear", "monster", "man", "woman", "robot"})
# What one does meanwhile: on a bicycle one goes somewhere, at a table one stays.
MEANWHILE = {"bicycle": frozenset({*MOVES, "still"}), "podcast": frozenset({"still"}), "candle": frozenset({"still"})}


def can(kind: str, action: str, activity: str = "none") -> bool:
    """Whether `kind` can do the action, busy with the activity or with none. All are names of WIDE."""
    if activity != "none":
        return kind in ACTORS and action in MEANWHILE[activity]
    if action == "wave":
        return kind in _WAVING
    return action in _ROOTED.get(kind, WIDE.actions)
