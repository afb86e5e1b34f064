"""Where the things of a scene stand, how large they are and which way they are turned: from a `Scene` to its `Thing`s.

World: x to the right of the screen, y away from the camera, z up; the camera at rest sees `VIEW` units of height at y = 0.
The layout seed decides sides and jitters, whatever the subjects are, so an edit of one thing leaves the rest where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from gpt_video.diorama.looks import Look, look_of, parts_of
from gpt_video.diorama.scene import SIZES, Scene, Subject
from gpt_video.diorama.shapes import extent
from gpt_video.diorama.wide_places import place_of
from gpt_video.diorama.world import CORE

VIEW = 2.0
DISTANCE, AIM, ELEVATION = 3.28, 0.73, 5.0  # the camera's rest: its distance to what it aims at, (0, 0, AIM), degrees
ABOVE_AIM = 0.36
ABOVE_ELEVATION = {"core": 46.0, "wide": 37.0}  # from straight above, a snowman and a cone are discs
DRONE_ELEVATION = 34.0  # on its way, for which things are made large enough

# Share of the frame's height that a thing takes, by the number of things, for small, medium and large.
HEIGHTS = {1: (0.45, 0.54, 0.65), 2: (0.35, 0.40, 0.46), 3: (0.33, 0.35, 0.38)}
TALL_HEIGHTS = {1: (0.44, 0.48, 0.54), 2: (0.33, 0.35, 0.38), 3: (0.32, 0.33, 0.35)}
# A rider is small beside its bicycle, and who sits at a table shows but a half: they are drawn larger.
POSE_SCALE = {"bicycle": 1.12, "podcast": 1.22}


@dataclass(frozen=True)
class Thing:
    """One instance of a subject: the record it belongs to, its height in the world, its place and how it is turned."""

    record: int
    subject: Subject
    scale: float
    x: float
    y: float
    side: int  # -1 or 1: which way it is turned, tips, and so on
    jitter: float  # degrees
    phase: float  # of what sways by itself, radians
    alone: bool
    above: bool  # whether the camera looks down on it when its scene begins
    look: Look
    heading: str = ""  # of what runs into another: "left" or "right"
    target: tuple[float, float] = (0.0, 0.0)  # where that other stands
    touching: float = 0.0  # how far apart the two are when they meet
    is_hit: bool = False


def layout(scene: Scene, aspect: float) -> list[Thing]:
    """Where and how the things of a scene that begins stand. Depends on a subject only by its size and kind."""
    rng = np.random.default_rng([scene.layout_seed, 3])
    sides, jitters = rng.choice((-1, 1), 3), rng.uniform(-1, 1, (3, 4))
    records = [(r, s) for r, s in enumerate(scene.subjects) for _ in range(s.count)]
    n, tall = len(records), aspect < 0.8
    slots = _slots(scene, [r for r, _ in records], bool(sides[0] > 0), VIEW * aspect)
    heights = (TALL_HEIGHTS if tall else HEIGHTS)[n]
    above = scene.camera == "from above" and scene.before is None
    elevation = ABOVE_ELEVATION[scene.world] if above else DRONE_ELEVATION if scene.camera == "drone" else ELEVATION
    sink = 1.09 if place_of(scene).floats else 1.0
    things = []
    for i, (record, subject) in enumerate(records):
        x, y = slots[i] + jitters[i, :2] * ((0.05, 0.05) if n == 1 else (0.03, 0.05)) * (subject.activity != "podcast")
        height = heights[SIZES.index(subject.size)]
        # What stands behind looks smaller; it is given back half of it, so that its size stays readable.
        look = look_of(subject, scene.world)
        scale = sink * height * VIEW / _least_height(look, elevation) * (1 + 0.5 * max(0, y) / DISTANCE)
        scale *= POSE_SCALE.get(look.pose, 1.0)
        side, yaw, phase = int(sides[i]), 9 * float(jitters[i, 2]), np.pi * float(jitters[i, 3])
        things.append(Thing(record, subject, scale, float(x), float(y), side, yaw, phase, n == 1, above, look))
    return things


def _slots(scene: Scene, records: list[int], flip: bool, width: float) -> list[np.ndarray]:
    """(x, y) of each thing, in the order of the records; `flip` decides sides where the scene does not."""
    n = len(records)
    if n == 1:
        return [np.zeros(2)]
    if scene.subjects[0].action == "into":  # what is run into lies in the way, not far from the middle
        spots = [np.array((x * width, y)) for x, y in ((-0.42, 0.0), (0.08, 0.0), (0.36, 0.6))]
        return [spot * ((-1, 1) if flip else (1, 1)) for spot in spots[:n]]
    if any(subject.activity == "podcast" for subject in scene.subjects):  # those who talk sit at one table
        apart = min(0.46 * width, 0.95) if n == 2 else min(0.32 * width, 0.80)
        return [np.array((apart * (i - (n - 1) / 2) * (-1 if flip else 1), 0.0)) for i in range(n)]
    if n == 2:
        spots = [np.array((-0.25 * width, 0.0)), np.array((0.25 * width, 0.25 if width > 1.6 else 0.7))]
        if scene.relation == "behind":
            spots = [np.array((0.16 * width, 1.1)), np.array((-0.14 * width, -0.1))]
            return [spot * ((-1, 1) if flip else (1, 1)) for spot in spots]
    else:
        spots = [np.array((-0.32 * width, 0.0)), np.array((0.0, 0.55)), np.array((0.32 * width, 0.0))]
        if scene.world != CORE.name:  # long bodies must not hide each other
            spots = [np.array((-0.34 * width, -0.1)), np.array((0.0, 1.1)), np.array((0.34 * width, -0.1))]
        if scene.relation == "behind":
            spots = [spot + ((0, 0.9) if r == 0 else (0, -0.1)) for spot, r in zip(spots, records, strict=True)]
    if flip and scene.relation != "left of":
        spots = [spot * (-1, 1) for spot in spots]
    return spots


@cache
def _least_height(look: Look, elevation: float) -> float:
    """The smallest height on the screen of what looks so, one unit high, over the ways it may be turned."""
    pitch = np.radians(elevation + 4)  # things stand a little below the camera's axis
    reaches = []
    for yaw in np.radians((0, 45, 90)):
        up = (np.sin(pitch) * np.cos(yaw), np.sin(pitch) * np.sin(yaw), np.cos(pitch))
        low, high = extent(parts_of(look), up)
        reaches.append(high - low)
    return min(reaches)


@cache
def half_extents(look: Look) -> tuple[float, float]:
    """Half length and half width of what looks so, one unit high."""
    x, y = (max(np.abs(extent(parts_of(look), axis))) for axis in ((1, 0, 0), (0, 1, 0)))
    return float(x), float(y)
