"""What each place looks like: a ground, a sky and a few large props that tell it at once, by day, sunset and night.

Enters: the layout's random generator. Leaves: `Part`s in world units (the camera looks along +y and sees 2 units of height at
y = 0), the colours of the sky, and the tints of the light. wide_places.py adds to them and makes a setting of them.
A new place is a function that returns its props, and a line in `PLACES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gpt_video.diorama.shapes import RGB, Part, between, part

LIT_WINDOW: RGB = (1.0, 0.80, 0.36)
WIDE = 30.0  # half extent of what should reach beyond every view


@dataclass(frozen=True)
class Light:
    """Sky colours (zenith, horizon), the tints that multiply the colours of the place and of its subjects."""

    zenith: RGB
    horizon: RGB
    place_tint: RGB
    subject_tint: RGB


LIGHTS = {
    "day": Light((0.36, 0.64, 0.95), (0.80, 0.92, 1.00), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    "sunset": Light((0.52, 0.25, 0.52), (1.00, 0.62, 0.24), (1.00, 0.80, 0.72), (1.0, 0.95, 0.90)),
    "night": Light((0.02, 0.04, 0.14), (0.10, 0.15, 0.36), (0.47, 0.52, 0.66), (0.90, 0.93, 1.00)),
}


@dataclass(frozen=True)
class Place:
    """`ground`: the colour of the floor, `props`: what stands on it, `floats`: whether the floor is water."""

    ground: RGB
    props: Callable[[np.random.Generator], list[Part]]
    floats: bool = False


def _strip(y0: float, y1: float, z: float, colour: RGB) -> Part:
    """A band of ground from depth y0 to y1; z is a hair's breadth that decides which band is on top."""
    return part("box", (WIDE, (y1 - y0) / 2, 0.001), (0, (y0 + y1) / 2, z), colour)


def _hill(x: float, y: float, width: float, height: float, colour: RGB) -> Part:
    return part("ellipsoid", (width, 2.0, height), (x, y, 0), colour)


def spread(rng: np.random.Generator, n: int, reach: float, near: float, far: float) -> list[tuple[float, float]]:
    """n points from left to right, jittered, out of the way of the subjects where they would stand before them."""
    xs = np.linspace(-reach, reach, n) + rng.uniform(-0.3, 0.3, n) * reach / n
    return [(float(x), float(rng.uniform(near, far))) for x in xs]


def meadow(rng: np.random.Generator) -> list[Part]:
    hills = [
        _hill(x, 11, w, h, c)
        for x, w, h, c in (
            (-6 + rng.uniform(-1, 1), 5.5, 1.9, (0.42, 0.62, 0.34)),
            (5 + rng.uniform(-1, 1), 6.5, 1.5, (0.50, 0.68, 0.36)),
            (0.5 + rng.uniform(-1, 1), 3.5, 1.2, (0.46, 0.66, 0.40)),
        )
    ]
    petals: tuple[RGB, ...] = ((1.0, 0.97, 0.9), (1.0, 0.85, 0.25), (0.95, 0.55, 0.65))
    flowers = []
    near = [(x, y) for x, y in spread(rng, 6, 1.9, -0.7, -0.3) if abs(x) > 0.45]  # not before the subject's feet
    for i, (x, y) in enumerate([*near, *spread(rng, 7, 3.2, 0.9, 2.8)]):
        flowers.append(part("ellipsoid", (0.055, 0.055, 0.05), (x, y, 0.10), petals[i % 3]))
        flowers.append(part("cylinder", (0.012, 0.012, 0.05), (x, y, 0.05), (0.25, 0.48, 0.20)))
    return [*hills, _strip(5.0, 12, 0.002, (0.52, 0.70, 0.38)), *flowers]


def _fir(x: float, y: float, size: float) -> list[Part]:
    green, snow = (0.16, 0.36, 0.30), (0.94, 0.96, 1.0)
    tiers = [
        part("cone", (r * size, r * size, h * size), (x, y, z * size), green)
        for r, h, z in ((0.42, 0.32, 0.52), (0.32, 0.28, 0.92))
    ]
    cap = part("cone", (0.2 * size, 0.2 * size, 0.20 * size), (x, y, 1.26 * size), snow)
    return [
        part("cylinder", (0.08 * size, 0.08 * size, 0.15 * size), (x, y, 0.12 * size), (0.36, 0.24, 0.16)),
        *tiers,
        cap,
    ]


def snow(rng: np.random.Generator) -> list[Part]:
    hills = [
        _hill(x + rng.uniform(-1, 1), 11, w, h, c)
        for x, w, h, c in ((-5, 6.0, 1.5, (0.78, 0.84, 0.95)), (6, 6.0, 1.9, (0.84, 0.89, 0.98)))
    ]
    firs = [f for x, y in (*spread(rng, 2, 2.3, 3.2, 3.8), *spread(rng, 4, 5.0, 5.2, 7.0)) for f in _fir(x, y, 1.2)]
    drifts = [
        part("ellipsoid", (0.7, 0.35, 0.06), (x, y, 0), (0.88, 0.92, 1.0)) for x, y in spread(rng, 4, 2.6, 1.2, 2.6)
    ]
    return [*hills, *firs, *drifts]


def _cactus(x: float, y: float, size: float) -> list[Part]:
    green = (0.24, 0.46, 0.26)
    at = np.array((x, y, 0))
    bars = [
        ((0, 0, 0), (0, 0, 1.1), 0.15),
        ((0.12, 0, 0.45), (0.42, 0, 0.5), 0.10),
        ((0.42, 0, 0.5), (0.42, 0, 0.85), 0.10),
        ((-0.12, 0, 0.6), (-0.38, 0, 0.62), 0.09),
        ((-0.38, 0, 0.62), (-0.38, 0, 0.95), 0.09),
    ]
    return [between("capsule", at + size * np.array(a), at + size * np.array(b), size * r, green) for a, b, r in bars]


def desert(rng: np.random.Generator) -> list[Part]:
    dunes = [
        _hill(x + rng.uniform(-1, 1), 10, w, h, c)
        for x, w, h, c in ((-5, 6.0, 1.3, (0.86, 0.66, 0.38)), (4.5, 5.0, 1.0, (0.90, 0.72, 0.44)))
    ]
    side = rng.choice((-1, 1))
    mesa = [
        part("box", (w, 0.6, h), (-side * x, 13, h), (0.74, 0.44, 0.32))
        for x, w, h in ((4.2, 1.7, 1.55), (5.0, 3.0, 1.0))
    ]
    cacti = [*_cactus(side * rng.uniform(1.5, 1.9), 3.0, 1.0), *_cactus(-side * rng.uniform(2.2, 3.0), 5.5, 1.0)]
    stones = [
        part("ellipsoid", (0.13, 0.1, 0.07), (x, y, 0.02), (0.70, 0.52, 0.36)) for x, y in spread(rng, 4, 2.4, 1.2, 2.5)
    ]
    ripples = [
        part("ellipsoid", (0.8, 0.07, 0.012), (x, y, 0), (0.84, 0.68, 0.42)) for x, y in spread(rng, 4, 1.8, -0.7, 1.0)
    ]
    return [*dunes, *mesa, *cacti, *stones, *ripples]


def ocean(rng: np.random.Generator) -> list[Part]:
    bands = [_strip(3.0, 8.0, 0.002, (0.15, 0.42, 0.60)), _strip(8.0, WIDE, 0.004, (0.11, 0.34, 0.54))]
    crest = (0.62, 0.84, 0.90)
    waves = []
    for n, reach, near, far, size in ((4, 1.5, -0.8, -0.3, 0.22), (5, 2.4, 0.6, 1.6, 0.28), (6, 4.5, 2.4, 5.0, 0.42)):
        waves += [part("ellipsoid", (size, 0.05, 0.03), (x, y, 0), crest) for x, y in spread(rng, n, reach, near, far)]
    side = rng.choice((-1, 1))
    island = [
        part("ellipsoid", (2.2, 1.0, 0.5), (side * 4.2, 12, 0), (0.86, 0.76, 0.52)),
        part("ellipsoid", (1.3, 0.8, 1.0), (side * 4.4, 12, 0.1), (0.32, 0.54, 0.34)),
    ]
    return [*bands, *waves, *island]


def city_street(rng: np.random.Generator) -> list[Part]:
    asphalt = [_strip(0.75, 2.5, 0.002, (0.36, 0.36, 0.40)), _strip(0.68, 0.75, 0.02, (0.86, 0.84, 0.80))]
    dashes = [part("box", (0.3, 0.04, 0.001), (x, 1.6, 0.006), (0.95, 0.94, 0.88)) for x in np.arange(-6, 6.1, 1.2)]
    slabs = [part("box", (0.012, 0.75, 0.001), (x, 0.0, 0.002), (0.62, 0.60, 0.58)) for x in np.arange(-4.5, 4.6, 0.9)]
    fronts: tuple[RGB, ...] = ((0.72, 0.42, 0.34), (0.86, 0.76, 0.58), (0.50, 0.60, 0.70), (0.80, 0.62, 0.48))
    houses, x, i = [], -8.0 + rng.uniform(0, 1), int(rng.integers(4))
    while x < 8:
        width, height = rng.uniform(0.85, 1.1), rng.uniform(1.3, 2.4)
        houses.append(part("box", (width, 0.5, height), (x + width, 4.0, height), fronts[i % 4]))
        houses.append(part("box", (0.24, 0.02, 0.42), (x + width, 3.49, 0.42), (0.32, 0.22, 0.20)))
        for dx in (-0.48, 0.48):
            for z in np.arange(0.75 if abs(dx) else 1.4, 2 * height - 0.4, 0.95):
                houses.append(part("box", (0.22, 0.02, 0.28), (x + width + dx * width, 3.49, z + 0.25), "window"))
        x, i = x + 2 * width + 0.06, i + 1
    return [_strip(2.5, 3.6, 0.01, (0.70, 0.68, 0.66)), *asphalt, *dashes, *slabs, *houses]


def road(rng: np.random.Generator) -> list[Part]:
    grass = (0.60, 0.70, 0.44)
    verge = [_strip(1.5, WIDE, 0.002, grass), _strip(-WIDE, -0.85, 0.002, grass)]
    lines = [_strip(1.30, 1.38, 0.004, (0.96, 0.95, 0.92)), _strip(-0.75, -0.68, 0.004, (0.96, 0.95, 0.92))]
    dashes = [part("box", (0.36, 0.05, 0.001), (x, 0.55, 0.004), (0.98, 0.92, 0.55)) for x in np.arange(-7.2, 7.3, 1.2)]
    hills = [_hill(x + rng.uniform(-1, 1), 12, 6.0, h, (0.46, 0.58, 0.42)) for x, h in ((-5, 1.1), (6, 1.4))]
    posts = []
    for x in np.arange(-9, 9.1, 1.5):
        posts.append(part("box", (0.05, 0.05, 0.22), (x, 1.9, 0.22), (0.95, 0.95, 0.95)))
        posts.append(part("box", (0.055, 0.055, 0.05), (x, 1.9, 0.36), (0.85, 0.15, 0.12)))
    return [*verge, *lines, *dashes, *hills, *posts]


PLACES = {
    "meadow": Place((0.60, 0.76, 0.42), meadow),
    "snow": Place((0.70, 0.79, 0.92), snow),
    "desert": Place((0.93, 0.82, 0.60), desert),
    "ocean": Place((0.20, 0.50, 0.66), ocean, floats=True),
    "city street": Place((0.70, 0.68, 0.66), city_street),
    "road": Place((0.44, 0.45, 0.48), road),
}


def lit(parts: list[Part], time: str, light: Light) -> list[Part]:
    """The parts with their colours under the light; windows shine when it is not day."""
    window = (0.70, 0.86, 0.95) if time == "day" else LIT_WINDOW
    out = []
    for p in parts:
        if p.tone == "window":
            out.append(replace(p, tone=window, emission=0.0 if time == "day" else 0.6))
        else:
            out.append(replace(p, tone=tinted(p.tone, light.place_tint)))
    return out


def sky_marks(time: str, rng: np.random.Generator) -> list[Part]:
    """Clouds by day, a low sun at sunset, the moon and stars at night."""
    side = rng.choice((-1, 1))
    if time == "day":
        white = (1.0, 1.0, 1.0)
        clouds = [(side * 2.6, 3.55, 0.95), (-side * 3.4, 4.1, 1.2)]
        return [
            part("ellipsoid", (s * w, 0.2, s * h), (x + s * dx, 14, z + s * dz), white, emission=0.5)
            for x, z, s in clouds
            for dx, dz, w, h in ((0, 0, 1.0, 0.26), (-0.3, 0.2, 0.5, 0.3), (0.35, 0.15, 0.45, 0.25))
        ]
    if time == "sunset":
        return [part("ellipsoid", (1.15, 0.1, 1.15), (side * 2.2, 16, 2.2), (1.0, 0.86, 0.35), emission=1.0)]
    moon = part("ellipsoid", (0.62, 0.1, 0.62), (side * 2.4, 15, 4.1), (0.98, 0.97, 0.86), emission=1.0)
    stars = [
        part("ellipsoid", 0.07, (x, 15, z), (1.0, 1.0, 0.95), emission=1.0)
        for x, z in zip(np.linspace(-6, 6, 9) + rng.uniform(-0.5, 0.5, 9), rng.uniform(3.2, 5.0, 9), strict=True)
    ]
    return [moon, *stars]


def tinted(colour, tint: RGB) -> RGB:
    """The colour under a tint."""
    return tuple(float(c * t) for c, t in zip(colour, tint, strict=True))  # type: ignore[return-value]
