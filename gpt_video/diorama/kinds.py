"""What each kind of the core world looks like: a function per kind that returns its parts, standing on z = 0.

Leaves: `BUILDERS`, `REST_YAW`, and how a kind goes about (`ROLLS`, `TOYS`). looks.py makes them one unit high. Tones:
"main" is the named colour, "shade" and "accent" go with it, anything else is in `FIXED`. Limbs are marked for poses.py.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from gpt_video.diorama.shapes import RGB, Joint, Part, between, limb, mirrored, part, turn

FIXED: dict[str, RGB] = {
    "ink": (0.05, 0.05, 0.07),
    "ivory": (0.98, 0.96, 0.90),
    "skin": (0.96, 0.76, 0.60),
    "hair": (0.24, 0.13, 0.07),
    "wood": (0.42, 0.25, 0.12),
    "tyre": (0.13, 0.13, 0.15),
    "metal": (0.72, 0.74, 0.78),
    "glass": (0.66, 0.86, 0.96),
    "carrot": (1.00, 0.45, 0.05),
    "lamp": (1.00, 0.93, 0.45),
    "hat": (0.16, 0.16, 0.20),
}


def tones(colour: RGB) -> dict[str, RGB]:
    """The rgb of every tone for a subject of that colour: a shade for details, an accent that contrasts."""
    main = np.asarray(colour)
    bright = main.mean() > 0.85
    dark = main.max() < 0.25
    shade = main + 0.16 if dark else main * (0.80 if bright else 0.68)
    soft = main + 0.07 if dark else main * 0.86
    accent = np.array((0.50, 0.56, 0.66)) if bright else np.array((0.97, 0.96, 0.93))
    return {**FIXED, "main": tuple(main), "shade": tuple(shade), "soft": tuple(soft), "accent": tuple(accent)}


def ball() -> list[Part]:
    belt = part("cylinder", (0.508, 0.508, 0.07), (0, 0, 0.5), "accent", turn=turn(roll=90))
    caps = mirrored(part("ellipsoid", (0.23, 0.05, 0.23), (0, 0.465, 0.5), "accent"))
    stripe = part("cylinder", (0.506, 0.506, 0.045), (0, 0, 0.5), "accent")
    return [part("ellipsoid", 0.5, (0, 0, 0.5)), belt, stripe, *caps]


def cube() -> list[Part]:
    panels = []
    for axis in range(3):
        size, offset = [0.33] * 3, np.zeros(3)
        size[axis], offset[axis] = 0.012, 0.5
        panels += [part("box", size, (0, 0, 0.5) + sign * offset, "soft") for sign in (-1, 1)]
    return [part("box", 0.5, (0, 0, 0.5)), *panels]


def cylinder() -> list[Part]:
    rings = [part("cylinder", (0.432, 0.432, 0.05), (0, 0, z), "accent") for z in (0.2, 0.8)]
    stripes = [part("box", (0.433, 0.05, 0.26), (0, 0, 0.5), "accent", turn=turn(yaw=a)) for a in (0, 60, 120)]
    cross = [part("box", (0.36, 0.055, 0.506), (0, 0, 0.5), "shade", turn=turn(yaw=a)) for a in (0, 90)]
    return [part("cylinder", (0.42, 0.42, 0.5), (0, 0, 0.5)), *rings, *stripes, *cross]


def cone() -> list[Part]:
    patches = [
        part("ellipsoid", (0.03, 0.07, 0.10), turn(yaw=a) @ (0.235, 0, 0.46), "accent", turn=turn(yaw=a, pitch=-23))
        for a in (0, 120, 240)
    ]
    base = part("cylinder", (0.45, 0.45, 0.035), (0, 0, 0.035), "shade")
    return [part("cone", (0.43, 0.43, 0.5), (0, 0, 0.5)), base, *patches]


def car() -> list[Part]:
    body = part("box", (0.50, 0.27, 0.15), (0, 0, 0.33))
    nose = [part("cylinder", (0.15, 0.15, 0.27), (x, 0, 0.33), turn=turn(roll=90)) for x in (-0.48, 0.48)]
    cabin = part("box", (0.27, 0.235, 0.17), (-0.06, 0, 0.62))
    roof = part("box", (0.30, 0.25, 0.035), (-0.06, 0, 0.80))
    side_glass = [part("box", (0.10, 0.243, 0.10), (x, 0, 0.64), "glass") for x in (-0.19, 0.07)]
    glass = [part("box", (0.275, 0.195, 0.10), (-0.06, 0, 0.64), "glass"), *side_glass]
    lamps = mirrored(part("ellipsoid", (0.05, 0.075, 0.075), (0.61, 0.16, 0.36), "lamp", emission=0.6))
    tails = mirrored(part("box", (0.03, 0.06, 0.04), (-0.62, 0.17, 0.38), (0.8, 0.05, 0.05)))
    wheels = []
    for x in (-0.32, 0.32):
        spin = Joint((x, 0.25, 0.17), roll=True)
        rim = [
            part("box", (0.12, 0.072, 0.028), (x, 0.25, 0.17), "metal", turn=turn(pitch=a), joint=spin) for a in (0, 90)
        ]
        wheels += mirrored(
            part("cylinder", (0.17, 0.17, 0.065), (x, 0.25, 0.17), "tyre", turn=turn(roll=90), joint=spin), *rim
        )
    return [body, *nose, cabin, roof, *glass, *lamps, *tails, *wheels]


def boat() -> list[Part]:
    hull = part("hull", (0.52, 0.23, 0.15), (0, 0, 0.15))
    rim = part("hull", (0.54, 0.245, 0.025), (0, 0, 0.30), "accent")
    mast = between("cylinder", (0.02, 0, 0.25), (0.02, 0, 1.12), 0.025, "wood")
    main_sail = part("sail", (0.21, 0.02, 0.34), (-0.22, 0, 0.76), turn=turn(yaw=180))
    jib = part("sail", (0.17, 0.02, 0.28), (0.23, 0, 0.68), "accent")
    pennant = part("box", (0.07, 0.012, 0.035), (-0.05, 0, 1.10), "shade")
    return [hull, rim, mast, main_sail, jib, pennant]


def dog() -> list[Part]:
    body = between("capsule", (-0.20, 0, 0.46), (0.16, 0, 0.48), 0.195)
    neck = between("capsule", (0.15, 0, 0.52), (0.30, 0, 0.70), 0.13)
    head = part("ellipsoid", (0.22, 0.21, 0.20), (0.32, 0, 0.78))
    snout = part("ellipsoid", (0.15, 0.10, 0.085), (0.53, 0, 0.71))
    nose = part("ellipsoid", (0.05, 0.055, 0.045), (0.665, 0, 0.74), "ink")
    collar = part("cylinder", (0.155, 0.155, 0.03), (0.235, 0, 0.62), "accent", turn=turn(pitch=40))
    tail = between("capsule", (-0.36, 0, 0.56), (-0.50, 0, 0.84), 0.05, joint=Joint((-0.36, 0, 0.56), (1, 0, 0), 0.45))
    ears = mirrored(part("ellipsoid", (0.085, 0.045, 0.17), (0.25, 0.215, 0.76), "shade", turn=turn(roll=12)))
    legs = []
    for x, offset in ((-0.25, 0.0), (0.20, np.pi)):
        hip = Joint((x, 0.11, 0.38), amplitude=0.6, offset=offset)
        legs += mirrored(between("capsule", (x, 0.11, 0.38), (x, 0.11, 0.08), 0.075, joint=hip))
        legs += mirrored(part("ellipsoid", (0.105, 0.075, 0.055), (x + 0.03, 0.11, 0.055), "shade", joint=hip))
    face = limb("head", [head, snout, nose, *ears, *eyes_at(0.485, 0.095, 0.86, 0.05)])
    return [body, neck, *face[:3], collar, tail, *face[3:], *limb("leg", legs)]


def mammoth() -> list[Part]:
    body = part("ellipsoid", (0.43, 0.32, 0.36), (-0.12, 0, 0.58))
    hump = part("ellipsoid", (0.26, 0.25, 0.22), (0.02, 0, 0.78))
    head = part("ellipsoid", (0.23, 0.22, 0.25), (0.36, 0, 0.76))
    tuft = part("ellipsoid", (0.13, 0.14, 0.11), (0.32, 0, 1.00), "shade")
    sway = Joint((0.52, 0, 0.68), (0, 1, 0), 0.18)
    points = [(0.50, 0, 0.70), (0.63, 0, 0.50), (0.66, 0, 0.28), (0.76, 0, 0.13), (0.87, 0, 0.17)]
    radii = (0.105, 0.085, 0.07, 0.06)
    trunk = [between("capsule", a, b, r, joint=sway) for (a, b), r in zip(pairwise(points), radii, strict=True)]
    tusk = [(0.46, 0.17, 0.60), (0.66, 0.22, 0.42), (0.86, 0.20, 0.44), (0.97, 0.15, 0.62)]
    tusks = mirrored(*[between("capsule", a, b, 0.045, "ivory") for a, b in pairwise(tusk)])
    ears = mirrored(part("ellipsoid", (0.12, 0.04, 0.17), (0.24, 0.25, 0.76), "shade", turn=turn(yaw=35)))
    fringe = mirrored(
        *[
            part("cone", (0.10, 0.07, 0.13), (x, 0.25, 0.34), "shade", turn=turn(roll=180))
            for x in (-0.36, -0.18, 0.0, 0.16)
        ]
    )
    tail = between(
        "capsule", (-0.53, 0, 0.62), (-0.60, 0, 0.36), 0.035, "shade", joint=Joint((-0.53, 0, 0.62), (1, 0, 0))
    )
    legs = []
    for x, offset in ((-0.34, 0.0), (0.16, np.pi)):
        hip = Joint((x, 0.17, 0.40), amplitude=0.45, offset=offset)
        legs += mirrored(between("cylinder", (x, 0.17, 0.42), (x, 0.17, 0.0), 0.115, joint=hip))
        legs += mirrored(part("ellipsoid", (0.05, 0.09, 0.04), (x + 0.09, 0.17, 0.04), "ivory", joint=hip))
    face = limb("head", [head, tuft, *trunk, *tusks, *ears])
    eyes = limb("head", eyes_at(0.53, 0.13, 0.84, 0.045))
    return [body, hump, *face, *fringe, tail, *eyes, *limb("leg", legs)]


def robot() -> list[Part]:
    body = part("box", (0.19, 0.25, 0.21), (0, 0, 0.49))
    head = part("box", (0.17, 0.21, 0.15), (0, 0, 0.89))
    neck = between("cylinder", (0, 0, 0.68), (0, 0, 0.76), 0.08, "metal")
    mast = between("cylinder", (0, 0, 1.03), (0, 0, 1.15), 0.025, "metal")
    bulb = part("ellipsoid", 0.06, (0, 0, 1.18), "lamp", emission=0.5)
    eyes = mirrored(
        part("cylinder", (0.065, 0.065, 0.02), (0.17, 0.095, 0.92), "lamp", turn=turn(pitch=90), emission=0.5),
        part("ellipsoid", (0.02, 0.03, 0.03), (0.19, 0.095, 0.92), "ink"),
    )
    mouth = part("box", (0.01, 0.11, 0.022), (0.17, 0, 0.80), "ink")
    panel = part("box", (0.01, 0.15, 0.12), (0.19, 0, 0.52), "metal")
    dials = [
        part("ellipsoid", 0.032, (0.20, y, 0.55), c) for y, c in ((-0.07, (0.9, 0.1, 0.1)), (0.07, (0.1, 0.7, 0.9)))
    ]
    bolts = mirrored(between("cylinder", (0, 0.21, 0.89), (0, 0.26, 0.89), 0.05, "metal"))
    shoulder, hip = Joint((0, 0.32, 0.64), amplitude=0.6), Joint((0, 0.13, 0.30), amplitude=0.55, offset=np.pi)
    arms = mirrored(
        part("box", (0.065, 0.065, 0.16), (0, 0.325, 0.51), joint=shoulder),
        part("ellipsoid", 0.085, (0, 0.325, 0.32), "metal", joint=shoulder),
    )
    legs = mirrored(
        part("box", (0.08, 0.085, 0.13), (0, 0.13, 0.18), "shade", joint=hip),
        part("box", (0.13, 0.10, 0.045), (0.03, 0.13, 0.045), joint=hip),
    )
    return [body, head, neck, mast, bulb, *eyes, mouth, panel, *dials, *bolts, *limb("arm", arms), *limb("leg", legs)]


def snowman() -> list[Part]:
    balls = [part("ellipsoid", r, (0, 0, z)) for r, z in ((0.31, 0.29), (0.235, 0.71), (0.175, 1.03))]
    nose = part("cone", (0.045, 0.045, 0.13), (0.27, 0, 1.02), "carrot", turn=turn(pitch=90))
    hat = [
        part("cylinder", (0.21, 0.21, 0.02), (0, 0, 1.17), "hat"),
        part("cylinder", (0.13, 0.13, 0.10), (0, 0, 1.28), "hat"),
        part("cylinder", (0.135, 0.135, 0.03), (0, 0, 1.22), (0.85, 0.1, 0.1)),
    ]
    scarf = part("cylinder", (0.185, 0.185, 0.04), (0, 0, 0.88), "accent")
    buttons = [part("ellipsoid", 0.035, (x, 0, z), "ink") for x, z in ((0.235, 0.72), (0.215, 0.82), (0.30, 0.38))]
    arms = mirrored(between("capsule", (0, 0.20, 0.76), (0.05, 0.48, 0.92), 0.03, "wood"))
    return [*balls, nose, *hat, scarf, *buttons, *arms, *eyes_at(0.145, 0.07, 1.08, 0.035)]


def woman() -> list[Part]:
    dress = part("frustum", (0.27, 0.27, 0.24), (0, 0, 0.40))
    torso = part("ellipsoid", (0.12, 0.155, 0.17), (0, 0, 0.66))
    belt = part("cylinder", (0.135, 0.135, 0.02), (0, 0, 0.60), "accent")
    neck = between("cylinder", (0, 0, 0.78), (0, 0, 0.88), 0.05, "skin")
    head = part("ellipsoid", (0.14, 0.135, 0.155), (0, 0, 0.98), "skin")
    hair = [
        part("ellipsoid", (0.155, 0.16, 0.155), (-0.035, 0, 1.025), "hair"),
        part("ellipsoid", (0.08, 0.165, 0.20), (-0.09, 0, 0.88), "hair"),
    ]
    eyes = mirrored(part("ellipsoid", 0.024, (0.127, 0.055, 0.985), "ink"))
    mouth = part("ellipsoid", (0.01, 0.035, 0.014), (0.128, 0, 0.91), (0.8, 0.15, 0.2))
    shoulder, hip = Joint((0, 0.16, 0.76), amplitude=0.6), Joint((0, 0.075, 0.34), amplitude=0.5, offset=np.pi)
    arms = mirrored(
        between("capsule", (0, 0.16, 0.75), (0, 0.22, 0.64), 0.055, joint=shoulder),
        between("capsule", (0, 0.22, 0.64), (0.04, 0.27, 0.44), 0.042, "skin", joint=shoulder),
    )
    legs = mirrored(
        between("capsule", (0, 0.085, 0.34), (0, 0.085, 0.06), 0.05, "skin", joint=hip),
        part("ellipsoid", (0.085, 0.05, 0.04), (0.03, 0.085, 0.04), "shade", joint=hip),
    )
    return [dress, torso, belt, neck, head, *hair, *eyes, mouth, *limb("arm", arms), *limb("leg", legs)]


def tree() -> list[Part]:
    trunk = between("cylinder", (0, 0, 0), (0, 0, 0.52), 0.085, "wood")
    branch = between("cylinder", (0, 0, 0.34), (0.02, 0.18, 0.52), 0.04, "wood")
    crowns = (
        ((0, 0, 0.82), 0.27),
        ((0.16, 0.12, 0.62), 0.22),
        ((-0.15, 0.14, 0.64), 0.21),
        ((0.02, -0.20, 0.63), 0.22),
    )
    leaves = [part("ellipsoid", (r, r, 0.9 * r), pos) for pos, r in crowns]
    spots = [
        part("ellipsoid", 0.05, pos, "shade")
        for pos in (
            (0.30, 0.20, 0.74),
            (-0.30, 0.20, 0.72),
            (0.12, -0.37, 0.72),
            (0.21, -0.08, 0.90),
            (-0.2, -0.1, 0.92),
        )
    ]
    return [trunk, branch, *leaves, *spots]


def eyes_at(x: float, y: float, z: float, radius: float) -> list[Part]:
    pupil = part("ellipsoid", radius * 0.62, (x + radius * 0.62, y * 1.1, z), "ink")
    return mirrored(part("ellipsoid", radius, (x, y, z), "ivory"), pupil)


BUILDERS: dict[str, Callable[[], list[Part]]] = {
    f.__name__: f for f in (ball, cube, cylinder, cone, car, boat, dog, mammoth, robot, snowman, woman, tree)
}
# Degrees between "facing the viewer" and how the kind shows itself best when it does not travel.
REST_YAW = {"ball": 20, "cube": 32, "cylinder": 20, "cone": 20, "car": 58, "boat": 68, "dog": 55, "mammoth": 55}
REST_YAW |= {"robot": 24, "snowman": 24, "woman": 20, "tree": 20}
ROLLS = frozenset({"ball", "cylinder"})
# What gives way when something runs into it.
TOYS = frozenset({"ball", "cube", "cylinder", "cone"})
