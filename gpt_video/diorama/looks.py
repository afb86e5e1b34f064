"""How a subject looks in its world: its parts, one unit high, whatever it is and is busy with.

Enters: a subject and the name of its world. Leaves: a `Look`, and from it the parts, their tones and how it goes about.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from gpt_video.diorama.kinds import BUILDERS, REST_YAW, ROLLS, TOYS, tones
from gpt_video.diorama.poses import POSES, riding
from gpt_video.diorama.scene import Subject
from gpt_video.diorama.shapes import RGB, Part, extent
from gpt_video.diorama.wide_kinds import FLIES, WIDE_BUILDERS, WIDE_REST_YAW, WIDE_TOYS, racer, wide_tones
from gpt_video.diorama.world import CORE, WORLDS

# Degrees between "facing the viewer" and how a pose shows itself best.
POSE_YAW = {"bicycle": 62, "podcast": 5, "candle": 50}


@dataclass(frozen=True)
class Look:
    """What decides the parts of a subject: its kind, its pose ("" or a name from POSES) and its world."""

    kind: str
    pose: str = ""
    world: str = CORE.name

    @property
    def rest_yaw(self) -> float:
        """Degrees between "facing the viewer" and how it shows itself best when it does not travel."""
        if self.pose in POSE_YAW:
            return POSE_YAW[self.pose]
        return (REST_YAW if self.world == CORE.name else WIDE_REST_YAW)[self.kind]

    @property
    def rolls(self) -> bool:
        return self.kind in ROLLS

    @property
    def flies(self) -> bool:
        return self.kind in FLIES

    @property
    def is_toy(self) -> bool:
        """Whether it gives way when something runs into it."""
        return self.kind in (TOYS if self.world == CORE.name else WIDE_TOYS)

    def tones(self, colour: str) -> dict[str, RGB]:
        """The rgb of every tone for a subject of that colour."""
        rgb = WORLDS[self.world].colours[colour]
        return tones(rgb) if self.world == CORE.name else wide_tones(rgb)


def look_of(subject: Subject, world: str) -> Look:
    """The look of the subject in the world of that name."""
    pose = subject.activity if subject.activity != "none" else subject.action
    return Look(subject.kind, pose if pose in POSES else "", world)


@cache
def parts_of(look: Look) -> tuple[Part, ...]:
    """The parts of the look, standing on z = 0 around the z axis, one unit high exactly; what sits at a table is its part."""
    raw = _raw(look)
    low, high = extent(raw, (0, 0, 1))
    scale = 1 / (high - low)
    return tuple(_scaled(p, scale, -low) for p in raw)


def _raw(look: Look) -> list[Part]:
    if look.kind == "cyclist":
        return riding("man", racer(), frame="main")
    parts = (BUILDERS if look.world == CORE.name else WIDE_BUILDERS)[look.kind]()
    return POSES[look.pose](look.kind, parts) if look.pose else parts


def _scaled(p: Part, scale: float, lift: float) -> Part:
    joint = p.joint
    if joint is not None:
        x, y, z = joint.pivot
        joint = replace(joint, pivot=(x * scale, y * scale, (z + lift) * scale))
    x, y, z = p.size
    size = (x * scale, y * scale, z * scale)
    return replace(p, size=size, pos=(p.pos + np.array((0, 0, lift))) * scale, joint=joint)
