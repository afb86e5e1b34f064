"""What subjects of the wide world do with their limbs: wave, ride a bicycle, talk at a table, warm themselves at a candle.

Enters: the parts of a kind, with its limbs marked. Leaves: the parts in the pose, and the props that go with it. A pose is one
function for all kinds: `SEATS` says where each has its hips, its shoulders and its head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from gpt_video.diorama.shapes import Joint, Part, between, mirrored, moved, part, turn
from gpt_video.diorama.wide_kinds import flame

DESK, DESK_TOP, GRILLE, CUPS = (0.80, 0.60, 0.36), (0.90, 0.72, 0.46), (0.62, 0.64, 0.68), (0.10, 0.10, 0.12)
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Seat:
    """How a kind sits upright: its front lifted by `rear` degrees about its hips, its head kept level.

    Points are those of the kind as it stands: hips, shoulders (left), neck, middle and radius of the head. radius: of its limbs.
    """

    rear: float
    hip: Point
    shoulder: Point
    neck: Point
    head: Point
    head_radius: float
    radius: float
    paw: str = "main"
    leg: str = "main"


_UPRIGHT = {
    "woman": Seat(0, (0, 0.09, 0.42), (0, 0.16, 0.75), (0, 0, 0.84), (0, 0, 1.0), 0.16, 0.055, "skin", "skin"),
    "man": Seat(0, (0, 0.09, 0.44), (0, 0.20, 0.73), (0, 0, 0.84), (0, 0, 0.98), 0.16, 0.065, "skin", "trousers"),
    "bear": Seat(0, (0, 0.15, 0.24), (0.04, 0.25, 0.66), (0, 0, 0.76), (0.03, 0, 0.93), 0.24, 0.095, "shade"),
    "monster": Seat(0, (0, 0.16, 0.20), (0.08, 0.34, 0.52), (0, 0, 0.7), (0, 0, 0.66), 0.38, 0.08, "shade"),
    "robot": Seat(0, (0, 0.13, 0.28), (0, 0.31, 0.58), (0, 0, 0.66), (0, 0, 0.88), 0.27, 0.065, "metal", "metal"),
}
_FOUR_LEGGED = {
    "dog": Seat(56, (-0.20, 0.13, 0.44), (0.13, 0.15, 0.40), (0.20, 0, 0.56), (0.32, 0, 0.78), 0.215, 0.075, "shade"),
    "cat": Seat(58, (-0.22, 0.11, 0.42), (0.12, 0.13, 0.38), (0.17, 0, 0.52), (0.30, 0, 0.74), 0.22, 0.065, "accent"),
    "horse": Seat(
        48, (-0.28, 0.13, 0.64), (0.20, 0.16, 0.58), (0.38, 0, 1.02), (0.54, 0, 1.10), 0.15, 0.07, "contrast"
    ),
    "mammoth": Seat(44, (-0.32, 0.20, 0.50), (0.14, 0.26, 0.52), (0.26, 0, 0.74), (0.36, 0, 0.78), 0.24, 0.11, "shade"),
}
SEATS = {**_UPRIGHT, **_FOUR_LEGGED}
# How far an arm that hangs, or that stands out already, is lifted for a wave; radians.
WAVE_LIFT = {"snowman": 0.45, "bird": 0.75}


def waving(kind: str, parts: list[Part]) -> list[Part]:
    """The parts with the left arm raised and swinging; both wings of a bird."""
    lift, out = WAVE_LIFT.get(kind, 2.45), []
    for p in parts:
        if p.limb != "arm" or p.joint is None or (p.joint.pivot[1] < 0 and kind != "bird"):
            out.append(p)
            continue
        sign = 1 if p.joint.pivot[1] > 0 else -1
        axis = (sign, 0, 0)
        out.append(replace(p, joint=Joint(p.joint.pivot, axis, 0.42 if kind != "bird" else 0.5, 0.0, False, lift)))
    return out


def riding(kind: str, parts: list[Part], frame: str = "accent") -> list[Part]:
    """The kind on a bicycle: hips on the saddle, hands on the handlebar, feet on the pedals that turn."""
    saddle, grip = np.array((-0.20, 0, 0.66)), np.array((0.30, 0.16, 0.84))
    seat = SEATS[kind]
    torso, shoulder = _seated(seat, parts, lean=14 if seat.rear == 0 else 0)
    torso, shoulder = [moved(p, by=saddle) for p in torso], shoulder + saddle
    knee, pedal = np.array((0.17, seat.hip[1] + 0.03, 0.60)), np.array((0.02, seat.hip[1], 0.20))
    hip = saddle + np.array((0.02, seat.hip[1], 0.03))
    swing = Joint(tuple(hip), amplitude=0.26)
    radius = min(seat.radius, 0.10)
    leg = NAVY_LEG if seat.leg == "trousers" else seat.leg
    legs = mirrored(
        between("capsule", hip, knee, radius * 1.15, leg, joint=swing),
        between("capsule", knee, pedal, radius, leg, joint=swing),
        part("ellipsoid", (0.10, 0.06, 0.045), pedal + np.array((0.03, 0, -0.02)), "shade", joint=swing),
    )
    arms = mirrored(between("capsule", shoulder, grip, radius), part("ellipsoid", radius * 1.2, grip, seat.paw))
    return [*_bicycle(frame), *torso, *legs, *arms]


NAVY_LEG = (0.14, 0.17, 0.36)


def _bicycle(tone: str) -> list[Part]:
    """Two ring wheels with spokes, and a frame of thick tubes; x is forward, the ground at z = 0."""
    parts = []
    for x in (-0.44, 0.44):
        axle, spin = (x, 0, 0.30), Joint((x, 0, 0.30), roll=True)
        parts.append(part("ring", (0.31, 0.31, 0.20), axle, "tyre", turn=turn(roll=90), joint=spin))
        spokes = [
            part("box", (0.25, 0.012, 0.014), axle, "metal", turn=turn(pitch=a), joint=spin) for a in (0, 60, 120)
        ]
        parts += [*spokes, part("ellipsoid", (0.05, 0.06, 0.05), axle, "metal")]
    crank, saddle, head = (0.0, 0, 0.28), (-0.18, 0, 0.62), (0.32, 0, 0.70)
    tubes = (
        (crank, saddle),
        (crank, head),
        (saddle, head),
        (saddle, (-0.44, 0, 0.30)),
        (crank, (-0.44, 0, 0.30)),
        (head, (0.44, 0, 0.30)),
    )
    parts += [between("capsule", a, b, 0.036, tone) for a, b in tubes]
    parts += [
        between("capsule", (0.32, 0, 0.70), (0.30, 0, 0.84), 0.03, tone),
        between("capsule", (0.30, -0.20, 0.84), (0.30, 0.20, 0.84), 0.032, "ink"),
    ]
    parts += [part("ellipsoid", (0.12, 0.07, 0.04), (-0.20, 0, 0.65), "ink")]
    pedals = Joint(crank, roll=True)
    return [*parts, part("box", (0.14, 0.10, 0.02), crank, "metal", turn=turn(pitch=50), joint=pedals)]


def talking(kind: str, parts: list[Part]) -> list[Part]:
    """The kind behind a table with a microphone, with headphones on; the table hides what is below the chest."""
    seat, stool, top = SEATS[kind], np.array((-0.12, 0, 0.30)), 0.50
    torso, shoulder = _seated(seat, parts)
    torso, shoulder = [moved(p, by=stool) for p in torso], shoulder + stool
    elbow, hand = (0.16, seat.hip[1] + 0.16, top + 0.08), (0.42, seat.hip[1] + 0.12, top + 0.05)
    wag = Joint(tuple(shoulder), (0, 1, 0), 0.16)
    arms = mirrored(
        between("capsule", shoulder, elbow, seat.radius, joint=wag),
        between("capsule", elbow, hand, seat.radius, joint=wag),
        part("ellipsoid", seat.radius * 1.25, hand, seat.paw, joint=wag),
    )
    table = [
        part("box", (0.26, 0.66, 0.03), (0.46, 0, top - 0.03), DESK_TOP),
        part("box", (0.03, 0.60, (top - 0.06) / 2), (0.60, 0, (top - 0.06) / 2), DESK),
        *mirrored(part("box", (0.20, 0.03, (top - 0.06) / 2), (0.44, 0.58, (top - 0.06) / 2), DESK)),
    ]
    head = _head(seat) + stool
    return [
        *torso,
        *arms,
        *[replace(p, prop=True) for p in (*table, *_microphone(top), *_headphones(head, seat.head_radius))],
    ]


def _microphone(top: float) -> list[Part]:
    """A large microphone on a bent arm, beside the face, so that both are seen."""
    foot, elbow, hold = (0.52, -0.52, top), (0.56, -0.52, top + 0.34), (0.50, -0.36, top + 0.30)
    return [
        part("cylinder", (0.10, 0.10, 0.015), foot, "ink"),
        between("capsule", foot, elbow, 0.022, "ink"),
        between("capsule", elbow, hold, 0.022, "ink"),
        between("capsule", (0.50, -0.34, top + 0.17), (0.50, -0.34, top + 0.28), 0.09, "ink"),
        between("capsule", (0.50, -0.34, top + 0.32), (0.50, -0.34, top + 0.42), 0.11, GRILLE),
    ]


def _headphones(head: np.ndarray, radius: float) -> list[Part]:
    x, _, z = head
    band = [(x, radius * 1.06 * np.cos(a), z + radius * 1.10 * np.sin(a)) for a in np.radians(np.linspace(0, 180, 7))]
    arcs = [between("capsule", a, b, 0.028, CUPS) for a, b in pairwise(band)]
    return [*arcs, *mirrored(part("ellipsoid", (0.085, 0.05, 0.10), (x, radius * 1.08, z), (0.85, 0.12, 0.12)))]


def warming(kind: str, parts: list[Part]) -> list[Part]:
    """The kind before a candle, its hands held out to the flame; who has four legs sits."""
    seat = SEATS[kind]
    if seat.rear:
        torso, shoulder = _seated(seat, parts)
        floor = np.array((0, 0, 0.24))
        haunch, foot = (-0.02, seat.hip[1] + 0.03, 0.15), (0.20, seat.hip[1] + 0.05, 0.05)
        lower = mirrored(
            part("ellipsoid", (0.19, seat.radius * 1.3, 0.15), haunch),
            part("ellipsoid", (0.14, seat.radius, 0.05), foot, seat.paw),
        )
    else:
        torso, shoulder = _seated(seat, parts)
        floor = np.array((0, 0, seat.hip[2]))
        lower = [moved(p, by=(-seat.hip[0], 0, 0)) for p in parts if p.limb == "leg"]
    torso, shoulder = [moved(p, by=floor) for p in torso], shoulder + floor
    reach = 0.56 + 0.35 * max(0.0, seat.head_radius - 0.2)
    hand = np.array((reach, 0.13, min(shoulder[2], 0.60)))
    elbow = (shoulder + hand) / 2 + np.array((0, 0.05, -0.05))
    rub = Joint(tuple(shoulder), (0, 0, 1), 0.10)
    arms = mirrored(
        between("capsule", shoulder, elbow, seat.radius, joint=rub),
        between("capsule", elbow, hand, seat.radius, joint=rub),
        part("ellipsoid", seat.radius * 1.3, hand, seat.paw, joint=rub),
    )
    x = reach + 0.26
    wax = [
        part("cylinder", (0.20, 0.20, 0.03), (x, 0, 0.03), "metal"),
        part("cylinder", (0.115, 0.115, 0.19), (x, 0, 0.24), (0.96, 0.93, 0.86)),
        between("cylinder", (x, 0, 0.42), (x, 0, 0.48), 0.015, "ink"),
    ]
    lit = [replace(p, prop=True) for p in (*wax, *flame((x, 0, 0.45), 1.0))]
    return [moved(p, by=(-0.25, 0, 0)) for p in (*torso, *lower, *arms, *lit)]


def _seated(seat: Seat, parts: list[Part], lean: float = 0.0) -> tuple[list[Part], np.ndarray]:
    """The trunk and the head of the kind sitting upright with its hips at the origin, and its left shoulder there."""
    hip = np.array((seat.hip[0], 0, seat.hip[2]))
    lift = turn(pitch=lean - seat.rear)
    drop = lift @ (np.asarray(seat.neck) - hip) + hip - seat.neck
    out = []
    for p in parts:
        if p.limb == "head" and seat.rear:
            out.append(moved(p, by=drop - hip))
        elif p.limb not in ("arm", "leg"):
            out.append(moved(p, lift, hip, by=-hip))
    return out, lift @ (np.asarray(seat.shoulder) - hip)


def _head(seat: Seat) -> np.ndarray:
    """Where the middle of the head is when the kind sits with its hips at the origin."""
    hip = np.array((seat.hip[0], 0, seat.hip[2]))
    return turn(pitch=-seat.rear) @ (np.asarray(seat.neck) - hip) + np.asarray(seat.head) - seat.neck


POSES = {"wave": waving, "bicycle": riding, "podcast": talking, "candle": warming}
