"""What the kinds of the wide world look like: those that it adds, and those of the core that it draws more clearly.

Leaves: `WIDE_BUILDERS` (the core's, replaced where there is a better one), and the wide world's tables of how things stand and
go about. Each is made to be told from the others at 128 x 128 and through a blur: one bold outline, one contrasting mark.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gpt_video.diorama.kinds import BUILDERS, REST_YAW, TOYS, eyes_at, mammoth, snowman
from gpt_video.diorama.kinds import tones as core_tones
from gpt_video.diorama.shapes import RGB, Joint, Part, between, limb, mirrored, part, turn

DARK, CREAM, SLATE, TILE = (0.10, 0.09, 0.11), (0.97, 0.92, 0.78), (0.26, 0.29, 0.36), (0.66, 0.25, 0.18)
BEAK, NAVY, VISOR, ROSE, FLAME = (
    (1.0, 0.62, 0.08),
    (0.14, 0.17, 0.36),
    (0.20, 0.95, 1.0),
    (0.95, 0.5, 0.55),
    (1.0, 0.62, 0.1),
)


def wide_tones(colour: RGB) -> dict[str, RGB]:
    """The tones of the core, "contrast" (dark on what is bright, cream on what is dark) and "roof", which no wall has."""
    main = np.asarray(colour)
    is_warm = main[0] > 0.4 and main[0] > main[2] + 0.25 and main[1] < 0.6
    contrast = DARK if main @ (0.3, 0.6, 0.1) > 0.38 else CREAM
    return {**core_tones(colour), "contrast": contrast, "roof": SLATE if is_warm else TILE}


def _legs(xs, y: float, top: float, radius: float, swing: float, foot: str | RGB, width: float = 1.5) -> list[Part]:
    """Four legs (or two, for one x) that swing in turn, with feet."""
    parts = []
    for x, offset in zip(xs, (0.0, np.pi), strict=False):
        hip = Joint((x, y, top), amplitude=swing, offset=offset)
        parts += mirrored(between("capsule", (x, y, top), (x, y, radius), radius, joint=hip))
        r = radius * width
        parts += mirrored(
            part("ellipsoid", (r, radius * 1.15, radius * 0.75), (x + 0.02, y, radius * 0.7), foot, joint=hip)
        )
    return limb("leg", parts)


def _arm(shoulder, elbow, hand, radius: float, hand_tone: str | RGB, amplitude: float = 0.5) -> list[Part]:
    joint = Joint(tuple(shoulder), amplitude=amplitude, offset=np.pi)
    parts = [
        between("capsule", shoulder, elbow, radius, joint=joint),
        between("capsule", elbow, hand, radius * 0.9, joint=joint),
        part("ellipsoid", radius * 1.25, hand, hand_tone, joint=joint),
    ]
    return limb("arm", mirrored(*parts))


def cat() -> list[Part]:
    body = between("capsule", (-0.24, 0, 0.42), (0.14, 0, 0.44), 0.155)
    stripes = [
        part("cylinder", (0.162, 0.162, 0.028), (x, 0, 0.43), "shade", turn=turn(pitch=90))
        for x in (-0.26, -0.12, 0.02)
    ]
    neck = between("capsule", (0.13, 0, 0.48), (0.24, 0, 0.62), 0.11)
    head = part("ellipsoid", (0.20, 0.225, 0.20), (0.30, 0, 0.74))
    ears = mirrored(
        part("cone", (0.06, 0.10, 0.15), (0.28, 0.145, 0.98), turn=turn(roll=-14)),
        part("cone", (0.03, 0.055, 0.09), (0.335, 0.14, 0.96), ROSE, turn=turn(roll=-14)),
    )
    muzzle = part("ellipsoid", (0.08, 0.11, 0.075), (0.455, 0, 0.67), "accent")
    nose = part("ellipsoid", (0.03, 0.04, 0.03), (0.53, 0, 0.695), ROSE)
    whiskers = mirrored(*[
        between("cylinder", (0.48, 0.05, 0.68), (0.46, 0.33, 0.68 + dz), 0.011, "contrast") for dz in (0.05, -0.03)
    ])  # fmt: skip
    points = [(-0.36, 0, 0.46), (-0.52, 0, 0.62), (-0.56, 0, 0.84), (-0.46, 0, 1.04)]
    sway = Joint(points[0], (1, 0, 0), 0.3)
    tail = [
        between("capsule", a, b, 0.052, t, joint=sway)
        for (a, b), t in zip(pairwise(points), ("main", "main", "shade"), strict=True)
    ]
    face = limb("head", [head, *ears, muzzle, nose, *whiskers, *eyes_at(0.46, 0.095, 0.79, 0.055)])
    return [body, *stripes, neck, *tail, *face, *_legs((-0.27, 0.18), 0.095, 0.38, 0.062, 0.55, "accent")]


def horse() -> list[Part]:
    body = between("capsule", (-0.26, 0, 0.66), (0.20, 0, 0.67), 0.20)
    neck = between("capsule", (0.22, 0, 0.74), (0.42, 0, 1.10), 0.12)
    mane = [
        part(
            "ellipsoid",
            (0.09, 0.05, 0.12),
            (0.30 - 0.16 + 0.05 * i + 0.02, 0, 0.86 + 0.095 * i),
            "contrast",
            turn=turn(pitch=30),
        )
        for i in range(5)
    ]
    head = between("capsule", (0.44, 0, 1.16), (0.70, 0, 0.98), 0.105)
    blaze = between("capsule", (0.50, 0, 1.235), (0.70, 0, 1.09), 0.03, "accent")
    muzzle = part("ellipsoid", (0.10, 0.10, 0.09), (0.745, 0, 0.95), "contrast")
    ears = mirrored(part("cone", (0.045, 0.045, 0.10), (0.40, 0.08, 1.32), turn=turn(roll=-8)))
    tuft = part("ellipsoid", (0.08, 0.06, 0.09), (0.46, 0, 1.27), "contrast")
    sway = Joint((-0.44, 0, 0.76), (1, 0, 0), 0.35)
    tail = [
        between("capsule", (-0.44, 0, 0.78), (-0.60, 0, 0.66), 0.07, "contrast", joint=sway),
        between("capsule", (-0.60, 0, 0.66), (-0.66, 0, 0.34), 0.085, "contrast", joint=sway),
    ]
    face = limb("head", [head, blaze, muzzle, *ears, tuft, *eyes_at(0.52, 0.085, 1.15, 0.04)])
    return [body, neck, *mane, *tail, *face, *_legs((-0.33, 0.27), 0.12, 0.58, 0.062, 0.5, "contrast", 1.35)]


def bird() -> list[Part]:
    body = part("ellipsoid", (0.34, 0.24, 0.27), (-0.02, 0, 0.50), turn=turn(pitch=-18))
    belly = part("ellipsoid", (0.22, 0.19, 0.20), (0.10, 0, 0.46), "accent")
    head = part("ellipsoid", 0.20, (0.25, 0, 0.84))
    beak = part("cone", (0.085, 0.085, 0.16), (0.56, 0, 0.82), BEAK, turn=turn(pitch=95))
    crest = [
        part("cone", (0.04, 0.03, 0.10), (0.18 - 0.07 * i, 0, 1.06 - 0.03 * i), "shade", turn=turn(pitch=-22 - 18 * i))
        for i in range(3)
    ]
    tail = [
        part("box", (0.20, 0.06, 0.02), (-0.46, y, 0.52), "shade", turn=turn(pitch=18, yaw=a))
        for y, a in ((0.09, -20), (0, 0), (-0.09, 20))
    ]
    beat = Joint((0, 0.18, 0.58), (1, 0, 0), 0.6)
    wings = mirrored(
        part("ellipsoid", (0.20, 0.24, 0.04), (-0.02, 0.36, 0.66), turn=turn(roll=28), joint=beat),
        part("ellipsoid", (0.15, 0.17, 0.035), (-0.06, 0.60, 0.79), "shade", turn=turn(roll=28), joint=beat),
    )
    legs = mirrored(
        between("cylinder", (0.0, 0.09, 0.30), (0.0, 0.09, 0.02), 0.03, BEAK),
        part("box", (0.09, 0.05, 0.02), (0.05, 0.09, 0.02), BEAK),
    )
    return [
        body,
        belly,
        head,
        beak,
        *crest,
        *tail,
        *eyes_at(0.385, 0.10, 0.91, 0.055),
        *limb("arm", wings),
        *limb("leg", legs),
    ]


def monster() -> list[Part]:
    """A ball of fluff with two big eyes, small horns and a grin."""
    centre, reach = np.array((0, 0, 0.50)), np.array((0.36, 0.37, 0.38))
    tufts, n, drop = [], 76, np.array((0, 0, 0.35))  # fur hangs
    for i in range(n):
        z, a = 1 - 2 * (i + 0.5) / n, i * np.pi * (3 - np.sqrt(5))
        way = np.array((np.sqrt(1 - z * z) * np.cos(a), np.sqrt(1 - z * z) * np.sin(a), z))
        if way[0] < 0.55:  # the face is bare
            tufts.append(
                part(
                    "cone",
                    (0.085, 0.085, 0.12),
                    centre + reach * way,
                    ("main", "soft", "shade")[i % 3],
                    turn=_along(way - drop),
                )
            )
    hair = [
        part("cone", (0.06, 0.06, 0.15), (0.02 + 0.05 * i, y, 0.98), turn=turn(roll=-110 * y))
        for i, y in enumerate((-0.16, 0, 0.16))
    ]
    eyes = mirrored(
        part("ellipsoid", (0.09, 0.135, 0.145), (0.29, 0.15, 0.66), "ivory"),
        part("ellipsoid", (0.05, 0.065, 0.07), (0.375, 0.14, 0.66), "ink"),
    )
    mouth = part("ellipsoid", (0.06, 0.20, 0.075), (0.325, 0, 0.40), (0.35, 0.03, 0.08))
    teeth = mirrored(part("box", (0.015, 0.035, 0.035), (0.385, 0.075, 0.44), "ivory"))
    horns = mirrored(part("cone", (0.065, 0.065, 0.14), (0.05, 0.25, 0.93), "contrast", turn=turn(roll=-28)))
    arms = _arm((0.06, 0.36, 0.55), (0.10, 0.48, 0.44), (0.18, 0.52, 0.32), 0.08, "shade")
    feet = mirrored(
        part(
            "ellipsoid",
            (0.17, 0.12, 0.075),
            (0.10, 0.17, 0.07),
            "contrast",
            joint=Joint((0, 0.17, 0.3), amplitude=0.35),
        )
    )
    body = part("ellipsoid", tuple(reach), centre)
    return [body, *tufts, *hair, *eyes, mouth, *teeth, *horns, *arms, *limb("leg", feet)]


def _along(way: np.ndarray) -> np.ndarray:
    """A turn that brings the z axis to the vector."""
    way = way / np.linalg.norm(way)
    return turn(yaw=float(np.degrees(np.arctan2(way[1], way[0])))) @ turn(pitch=float(np.degrees(np.arccos(way[2]))))


def man() -> list[Part]:
    torso = [
        part("ellipsoid", (0.14, 0.19, 0.22), (0, 0, 0.60)),
        between("capsule", (0, -0.15, 0.72), (0, 0.15, 0.72), 0.095),
    ]
    shirt = part("box", (0.02, 0.05, 0.11), (0.125, 0, 0.66), "accent", turn=turn(pitch=-8))
    trousers = part("ellipsoid", (0.13, 0.165, 0.10), (0, 0, 0.43), NAVY)
    hip = Joint((0, 0.085, 0.42), amplitude=0.55, offset=np.pi)
    legs = mirrored(
        between("capsule", (0, 0.085, 0.42), (0, 0.085, 0.08), 0.075, NAVY, joint=hip),
        part("ellipsoid", (0.11, 0.065, 0.045), (0.04, 0.085, 0.045), "ink", joint=hip),
    )
    neck = between("cylinder", (0, 0, 0.78), (0, 0, 0.86), 0.06, "skin")
    head = part("ellipsoid", (0.145, 0.14, 0.16), (0, 0, 0.97), "skin")
    beard = part("ellipsoid", (0.11, 0.125, 0.085), (0.05, 0, 0.875), "hair")
    hat = [
        part("cylinder", (0.24, 0.24, 0.02), (0, 0, 1.08), "hat"),
        part("cylinder", (0.15, 0.15, 0.085), (0, 0, 1.17), "hat"),
        part("cylinder", (0.157, 0.157, 0.028), (0, 0, 1.12), "main"),
    ]
    eyes = mirrored(part("ellipsoid", 0.026, (0.13, 0.055, 0.995), "ink"))
    arms = _arm((0, 0.21, 0.73), (0.01, 0.27, 0.56), (0.05, 0.29, 0.40), 0.062, "skin")
    return [*torso, shirt, trousers, neck, head, beard, *hat, *eyes, *arms, *limb("leg", legs)]


def racer() -> list[Part]:
    """Who sits on the bicycle of a cyclist: a man with a helmet, and no hat."""
    body = [p for p in man() if p.tone not in ("hat", "hair") and not (p.tone == "main" and p.pos[2] > 1)]
    helmet = [
        part("ellipsoid", (0.20, 0.16, 0.13), (-0.01, 0, 1.07)),
        part("box", (0.18, 0.035, 0.03), (-0.01, 0, 1.185), "accent"),
    ]
    return [*body, *helmet, part("box", (0.02, 0.11, 0.03), (0.135, 0, 1.0), "ink")]


def house() -> list[Part]:
    walls = part("box", (0.40, 0.36, 0.27), (0, 0, 0.27))
    gable = part("gable", (0.40, 0.36, 0.20), (0, 0, 0.74))
    slopes = mirrored(part("box", (0.47, 0.245, 0.035), (0, 0.205, 0.755), "roof", turn=turn(roll=-29)))
    chimney = [
        part("box", (0.07, 0.07, 0.20), (-0.18, 0.16, 0.86), "shade"),
        part("box", (0.085, 0.085, 0.03), (-0.18, 0.16, 1.06), "contrast"),
    ]
    door = [
        part("box", (0.015, 0.10, 0.18), (0.40, 0.0, 0.18), "wood"),
        part("ellipsoid", 0.02, (0.42, 0.06, 0.18), "lamp"),
    ]
    panes = [part("box", (0.012, 0.075, 0.085), (0.405, y, 0.33), "lamp", emission=0.4) for y in (-0.24, 0.24)]
    frames = [part("box", (0.010, 0.095, 0.105), (0.40, y, 0.33), "ivory") for y in (-0.24, 0.24)]
    side = mirrored(*[
        q for x in (-0.2, 0.2) for q in (
            part("box", (0.095, 0.010, 0.105), (x, 0.36, 0.30), "ivory"),
            part("box", (0.075, 0.014, 0.085), (x, 0.362, 0.30), "lamp", emission=0.4))
    ])  # fmt: skip
    attic = part("cylinder", (0.075, 0.075, 0.012), (0.40, 0, 0.68), "lamp", turn=turn(pitch=90), emission=0.4)
    return [walls, gable, *slopes, *chimney, *door, *frames, *panes, *side, attic]


def candle() -> list[Part]:
    dish = [
        part("cylinder", (0.31, 0.31, 0.03), (0, 0, 0.03), "metal"),
        part("ring", (0.11, 0.11, 0.11), (-0.38, 0, 0.06), "metal"),
    ]
    body = part("cylinder", (0.18, 0.18, 0.29), (0, 0, 0.34))
    rim = part("cylinder", (0.185, 0.185, 0.03), (0, 0, 0.63), "soft")
    drips = [
        part("ellipsoid", (0.05, 0.05, h), turn(yaw=a) @ (0.165, 0, 0.62 - h), "soft")
        for a, h in ((15, 0.14), (-75, 0.09), (120, 0.12))
    ]
    wick = between("cylinder", (0, 0, 0.62), (0, 0, 0.74), 0.02, "ink")
    return [*dish, body, rim, *drips, wick, *flame((0, 0, 0.70), 1.0)]


def flame(foot, size: float) -> list[Part]:
    """A flame that flickers, `size` times 0.4 high, on the point `foot`."""
    x, y, z = foot
    flicker = Joint((x, y, z), (1, 0, 0), 0.22)
    return [
        part(
            "ellipsoid",
            (0.125 * size, 0.125 * size, 0.14 * size),
            (x, y, z + 0.13 * size),
            FLAME,
            joint=flicker,
            emission=1.0,
        ),
        part(
            "cone", (0.10 * size, 0.10 * size, 0.14 * size), (x, y, z + 0.31 * size), FLAME, joint=flicker, emission=1.0
        ),
        part(
            "ellipsoid",
            (0.127 * size, 0.08 * size, 0.09 * size),
            (x, y, z + 0.11 * size),
            (1.0, 0.96, 0.6),
            joint=flicker,
            emission=1.0,
        ),
    ]


def bear() -> list[Part]:
    """A bear on its hind legs: round ears, a pale muzzle and a pale belly."""
    body = part("ellipsoid", (0.25, 0.29, 0.33), (0, 0, 0.46))
    belly = part("ellipsoid", (0.10, 0.19, 0.22), (0.175, 0, 0.44), "accent")
    head = part("ellipsoid", (0.215, 0.24, 0.21), (0.03, 0, 0.92))
    ears = mirrored(
        part("ellipsoid", (0.05, 0.095, 0.095), (0.0, 0.19, 1.09)),
        part("ellipsoid", (0.03, 0.055, 0.055), (0.04, 0.19, 1.09), "accent"),
    )
    muzzle = part("ellipsoid", (0.14, 0.12, 0.095), (0.21, 0, 0.86), "accent")
    nose = part("ellipsoid", (0.05, 0.065, 0.045), (0.335, 0, 0.90), "ink")
    eyes = eyes_at(0.205, 0.095, 0.985, 0.042)
    arms = _arm((0.02, 0.25, 0.68), (0.07, 0.38, 0.54), (0.13, 0.40, 0.38), 0.095, "shade")
    hip = Joint((0, 0.15, 0.25), amplitude=0.5)
    legs = mirrored(
        between("capsule", (0, 0.15, 0.26), (0, 0.15, 0.09), 0.115, joint=hip),
        part("ellipsoid", (0.17, 0.11, 0.075), (0.07, 0.15, 0.07), "shade", joint=hip),
    )
    return [body, belly, head, *ears, muzzle, nose, *eyes, *arms, *limb("leg", legs)]


# ------------------------------------------------------------------- kinds of the core that the wide world draws more clearly


def clear_robot() -> list[Part]:
    """A large head with a glowing visor and an antenna, pale joints, a lit chest."""
    body = part("box", (0.17, 0.24, 0.19), (0, 0, 0.45))
    head = part("box", (0.19, 0.26, 0.17), (0, 0, 0.88))
    visor = [part("box", (0.02, 0.225, 0.085), (0.185, 0, 0.91), "ink")]
    visor += mirrored(part("box", (0.02, 0.075, 0.055), (0.20, 0.105, 0.91), VISOR, emission=0.9))
    mouth = part("box", (0.02, 0.12, 0.025), (0.185, 0, 0.77), "accent")
    neck = between("cylinder", (0, 0, 0.62), (0, 0, 0.74), 0.09, "metal")
    mast = [
        between("cylinder", (0, 0, 1.04), (0, 0, 1.22), 0.03, "metal"),
        part("ellipsoid", 0.075, (0, 0, 1.26), (1.0, 0.15, 0.1), emission=0.6),
    ]
    ears = mirrored(between("cylinder", (0, 0.25, 0.88), (0, 0.32, 0.88), 0.09, "metal"))
    chest = [part("box", (0.015, 0.16, 0.12), (0.17, 0, 0.47), "accent")]
    chest += [
        part("ellipsoid", 0.04, (0.185, y, 0.48), c, emission=0.5)
        for y, c in ((-0.09, (0.9, 0.1, 0.1)), (0.0, VISOR), (0.09, (0.1, 0.8, 0.2)))
    ]
    shoulder, hip = Joint((0, 0.31, 0.60), amplitude=0.6), Joint((0, 0.13, 0.28), amplitude=0.55, offset=np.pi)
    arms = mirrored(
        part("ellipsoid", 0.09, (0, 0.31, 0.60), "metal", joint=shoulder),
        part("box", (0.06, 0.06, 0.13), (0, 0.345, 0.45), joint=shoulder),
        part("ellipsoid", 0.09, (0.02, 0.345, 0.29), "metal", joint=shoulder),
    )
    legs = mirrored(
        part("box", (0.07, 0.075, 0.11), (0, 0.13, 0.18), "metal", joint=hip),
        part("box", (0.14, 0.105, 0.05), (0.03, 0.13, 0.05), joint=hip),
    )
    return [body, head, *visor, mouth, neck, *mast, *ears, *chest, *limb("arm", arms), *limb("leg", legs)]


def clear_mammoth() -> list[Part]:
    """The core's, with larger tusks, a shaggy coat of two tones and a domed head."""
    kept = [p for p in mammoth() if p.tone != "ivory" or p.limb == "leg" or p.shape == "ellipsoid"]
    tusk = [(0.46, 0.19, 0.58), (0.68, 0.27, 0.36), (0.94, 0.25, 0.36), (1.10, 0.17, 0.62)]
    tusks = limb("head", mirrored(*[between("capsule", a, b, 0.062, "ivory") for a, b in pairwise(tusk)]))
    coat = mirrored(
        *[
            part("cone", (0.12, 0.06, 0.19), (x, 0.27, 0.40), "shade", turn=turn(roll=180))
            for x in (-0.42, -0.26, -0.10, 0.06)
        ]
    )
    dome = limb("head", [part("ellipsoid", (0.16, 0.17, 0.15), (0.33, 0, 1.03), "shade")])
    return [*kept, *tusks, *coat, *dome]


def clear_snowman() -> list[Part]:
    """The core's with arms that move, a longer carrot and a broad red scarf that hangs down."""
    kept = [p for p in snowman() if p.tone not in ("wood", "carrot", "accent")]
    nose = part("cone", (0.06, 0.06, 0.17), (0.30, 0, 1.02), "carrot", turn=turn(pitch=90))
    red = (0.88, 0.12, 0.12)
    scarf = [
        part("cylinder", (0.20, 0.20, 0.05), (0, 0, 0.88), "scarf"),
        part("box", (0.03, 0.055, 0.15), (0.22, 0.09, 0.74), "scarf", turn=turn(pitch=-12)),
    ]
    shoulder = Joint((0, 0.20, 0.76), amplitude=0.25)
    arms = mirrored(
        between("capsule", (0, 0.20, 0.76), (0.05, 0.52, 0.95), 0.04, "wood", joint=shoulder),
        between("capsule", (0.035, 0.42, 0.89), (0.06, 0.54, 0.82), 0.028, "wood", joint=shoulder),
    )
    return [
        *kept,
        nose,
        *[p if p.tone != "scarf" else part(p.shape, p.size, p.pos, red, turn=p.mat) for p in scarf],
        *limb("arm", arms),
    ]


def clear_cone() -> list[Part]:
    """A traffic cone: two pale bands around it, and a square foot that tells it from above."""
    bands = []
    for low, high in ((0.30, 0.46), (0.60, 0.72)):
        middle, half = (low + high) / 2, (high - low) / 2
        bands.append(part("drum", (0.40 * (1 - middle) + 0.035,) * 2 + (half,), (0, 0, middle), "accent"))
    return [
        part("cone", (0.38, 0.38, 0.50), (0, 0, 0.55)),
        part("box", (0.46, 0.46, 0.045), (0, 0, 0.045), "shade"),
        *bands,
    ]


def clear_tree() -> list[Part]:
    """A tall trunk and three tiers of leaves, lighter towards the top, so that it is no ball from above."""
    trunk = between("cylinder", (0, 0, 0), (0, 0, 0.65), 0.10, "wood")
    crowns: list[tuple[tuple[float, float, float], float, str]] = [
        ((0, 0, 0.68), 0.33, "shade"), ((0.20, 0.08, 0.76), 0.22, "main"), ((-0.16, 0.17, 0.77), 0.21, "main"),
        ((0.0, -0.20, 0.78), 0.22, "main"), ((0, 0, 0.97), 0.26, "main"), ((0.05, -0.03, 1.17), 0.15, "soft"),
    ]  # fmt: skip
    return [trunk, *[part("ellipsoid", (r, r, 0.82 * r), pos, tone) for pos, r, tone in crowns]]


WIDE_BUILDERS = {**BUILDERS, **{f.__name__: f for f in (cat, horse, bird, monster, man, house, candle, bear)}}
WIDE_BUILDERS |= {
    f.__name__.removeprefix("clear_"): f for f in (clear_robot, clear_mammoth, clear_snowman, clear_cone, clear_tree)
}
WIDE_REST_YAW = REST_YAW | {
    "cat": 50,
    "horse": 62,
    "bird": 48,
    "monster": 18,
    "man": 20,
    "cyclist": 60,
    "house": 34,
    "candle": 20,
}
WIDE_REST_YAW |= {"bear": 26, "mammoth": 60}
WIDE_TOYS = TOYS | {"candle"}
FLIES = frozenset({"bird"})
