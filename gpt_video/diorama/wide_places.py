"""The places of the wide world: a mountain top, a room, neon signs, and what stands to the sides for cameras that go round.

Enters: a scene. Leaves: its `Setting`: lit parts, the colour of the ground, the light. Of the core world it is what places.py
says; weather.py and drawn.py change it further.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gpt_video.diorama.places import LIGHTS, LIT_WINDOW, PLACES, Light, Place, between, lit, sky_marks, spread, tinted
from gpt_video.diorama.scene import Scene
from gpt_video.diorama.shapes import RGB, Part, moved, part, turn
from gpt_video.diorama.world import CORE

# A brighter night: what is black, or small, must be told from it.
NIGHT = Light((0.05, 0.09, 0.27), (0.20, 0.28, 0.56), (0.56, 0.62, 0.80), (0.95, 0.97, 1.00))
WIDE_LIGHTS = {**LIGHTS, "night": NIGHT}
ROUND = ("orbit", "drone", "cut")  # cameras that see what lies to the sides
PANES: dict[str, RGB] = {"day": (0.42, 0.68, 0.96), "sunset": (0.96, 0.52, 0.22), "night": (0.08, 0.12, 0.38)}
BAD_WEATHER_PANES: dict[str, RGB] = {
    "day": (0.40, 0.46, 0.56),
    "sunset": (0.56, 0.40, 0.42),
    "night": (0.07, 0.09, 0.22),
}
NEON: tuple[RGB, ...] = ((1.0, 0.15, 0.65), (0.10, 0.95, 1.0), (0.45, 1.0, 0.20), (1.0, 0.80, 0.10), (0.75, 0.30, 1.0))


@dataclass(frozen=True)
class Setting:
    """What stands still in a scene, under its light. ground: the colour of the floor as it is drawn."""

    parts: list[Part]
    ground: RGB
    light: Light
    floats: bool = False


def place_of(scene: Scene) -> Place:
    """The place of the scene: its ground, its props, and whether it is water."""
    return PLACES[scene.place] if scene.place in PLACES else WIDE_PLACES[scene.place]


def setting_of(scene: Scene) -> Setting:
    """The setting of the scene in clear weather, with all its colours lit."""
    place, rng = place_of(scene), np.random.default_rng([scene.layout_seed, 7])
    light = (LIGHTS if scene.world == CORE.name else WIDE_LIGHTS)[scene.time]
    props = [part("box", (60, 60, 0.5), (0, 0, -0.5), place.ground), *place.props(rng)]
    if scene.place in WIDE_PLACES:
        props = props[1:]  # they lay their own ground
    if scene.camera in ROUND and scene.place != "room":
        props += _to_the_sides(props)
    parts = lit(props, scene.time, light)
    if scene.place == "room":
        parts += _window(scene.time, scene.weather == "clear")
    else:
        parts += sky_marks(scene.time, rng)
    if scene.world != CORE.name and (scene.place, scene.time) == ("city street", "night"):
        # The windows stay dimmer than the signs.
        parts = [replace(p, tone=(0.50, 0.42, 0.30), emission=0.1) if p.tone == LIT_WINDOW else p for p in parts]
        parts += _neon_signs(np.random.default_rng([scene.layout_seed, 11]), around=scene.camera in ROUND)
    return Setting(parts, tinted(place.ground, light.place_tint), light, place.floats)


def _to_the_sides(parts: list[Part]) -> list[Part]:
    """Copies of what stands far behind, turned to the left and to the right of the picture."""
    far = [p for p in parts if p.pos[1] > 2.6 and max(p.size) < 8]
    return [moved(p, turn(yaw=a)) for a in (-78, 78) for p in far if a < 0 or p.pos[1] > 2.9]


def mountain_top(rng: np.random.Generator) -> list[Part]:
    """A round summit of rock above a sea of clouds, other peaks with snow on them all around."""
    rock, pale, cloud = (0.56, 0.53, 0.53), (0.68, 0.65, 0.64), (0.90, 0.94, 1.0)
    summit = [
        part("drum", (2.45, 2.45, 1.5), (0, 0, -1.5), rock),
        part("frustum", (4.2, 4.2, 2.0), (0, 0, -2.6), (0.46, 0.44, 0.46)),
    ]
    sea = [part("box", (60, 60, 0.1), (0, 0, -2.2), cloud)]
    puffs = [
        part("ellipsoid", (1.9, 0.8, 0.42), (x, y, -1.9 + 0.12 * (i % 3)), (0.97, 0.98, 1.0))
        for i, (x, y) in enumerate((*spread(rng, 4, 4.5, 4.5, 6.0), *spread(rng, 6, 9.0, 8.0, 12.0)))
    ]
    peaks = []
    for x, y, w, h in (
        (-4.6, 10, 2.8, 2.5),
        (3.4, 9, 2.4, 2.1),
        (-1.0, 13, 3.0, 2.9),
        (7.6, 12, 3.2, 2.6),
        (-9.0, 13, 3.0, 2.2),
    ):
        x += rng.uniform(-0.6, 0.6)
        peaks.append(part("cone", (w, w, h), (x, y, h - 2.2), (0.44, 0.46, 0.56)))
        peaks.append(part("cone", (w * 0.46, w * 0.46, h * 0.46), (x, y, 2 * h - 2.16 - h * 0.46), (0.97, 0.98, 1.0)))
    side = rng.choice((-1, 1))
    cairn = [
        part("ellipsoid", (r, r * 0.85, 0.11), (side * 1.25, 1.75, z), pale)
        for r, z in ((0.30, 0.09), (0.23, 0.26), (0.16, 0.42), (0.10, 0.55))
    ]
    stones = [
        part("ellipsoid", (0.26, 0.2, 0.12), (2.2 * np.sin(a), 2.2 * np.cos(a), 0.03), pale)
        for a in rng.uniform(-1.6, 1.6, 7)
    ]
    patches = [
        part("ellipsoid", (0.42, 0.2, 0.018), (x, y, 0), (0.95, 0.97, 1.0)) for x, y in spread(rng, 4, 1.5, 0.6, 1.6)
    ]
    return [*sea, *summit, *puffs, *peaks, *cairn, *stones, *patches]


def room(rng: np.random.Generator) -> list[Part]:
    """A wooden floor with a rug, three walls, a sofa, a lamp and a picture; the window is drawn by the hour."""
    wall, plank, white = (0.62, 0.74, 0.72), (0.70, 0.54, 0.38), (0.95, 0.95, 0.93)
    walls = [part("box", (4.2, 0.1, 2.2), (0, 3.1, 2.2), wall)]
    walls += [part("box", (0.1, 5.0, 2.2), (x, -1.8, 2.2), (0.56, 0.68, 0.67)) for x in (-4.1, 4.1)]
    trim = [part("box", (4.1, 0.03, 0.09), (0, 2.98, 0.09), white)]
    trim += [part("box", (0.03, 5.0, 0.09), (x, -1.8, 0.09), white) for x in (-3.98, 3.98)]
    floor = [part("box", (6, 6, 0.5), (0, 0, -0.5), (0.80, 0.64, 0.46))]
    floor += [part("box", (0.012, 6, 0.001), (x, 0, 0.001), plank) for x in np.arange(-3.9, 4.0, 0.6)]
    rug = [
        part("drum", (1.45, 1.1, 0.008), (0, 0.25, 0.004), (0.86, 0.83, 0.78)),
        part("drum", (1.2, 0.88, 0.009), (0, 0.25, 0.006), (0.66, 0.68, 0.78)),
    ]
    side = int(rng.choice((-1, 1)))
    x, cloth = side * 1.75, (0.36, 0.44, 0.56)
    sofa = [
        part("box", (0.75, 0.32, 0.24), (x, 2.5, 0.26), cloth),
        part("box", (0.75, 0.11, 0.40), (x, 2.82, 0.55), (0.30, 0.37, 0.48)),
    ]
    sofa += [part("box", (0.12, 0.36, 0.36), (x + dx, 2.5, 0.36), (0.30, 0.37, 0.48)) for dx in (-0.78, 0.78)]
    x = -side * 2.1
    lamp = [
        between("cylinder", (x, 2.6, 0), (x, 2.6, 1.35), 0.03, (0.25, 0.22, 0.2)),
        part("cylinder", (0.2, 0.2, 0.02), (x, 2.6, 0.02), (0.25, 0.22, 0.2)),
    ]
    lamp += [part("frustum", (0.34, 0.34, 0.2), (x, 2.6, 1.5), "window")]
    frame = [
        part("box", (0.40, 0.02, 0.30), (side * 2.05, 2.97, 1.9), (0.45, 0.30, 0.18)),
        part("box", (0.34, 0.02, 0.24), (side * 2.05, 2.95, 1.9), (0.92, 0.86, 0.70)),
    ]
    frame += [part("ellipsoid", (0.12, 0.015, 0.1), (side * 2.05, 2.93, 1.88), (0.80, 0.40, 0.30))]
    return [*floor, *walls, *trim, *rug, *sofa, *lamp, *frame]


WINDOW = (0.0, 2.96, 1.72, 0.78, 0.52)  # x, y, z of its middle, half width, half height


def _window(time: str, is_clear: bool) -> list[Part]:
    """The window of the room, which shows the hour: blue, orange, or dark with a moon; greyer in bad weather."""
    x, y, z, w, h = WINDOW
    white, curtain = (tinted(c, WIDE_LIGHTS[time].place_tint) for c in ((0.96, 0.96, 0.94), (0.86, 0.62, 0.50)))
    glass = [part("box", (w, 0.02, h), (x, y, z), (PANES if is_clear else BAD_WEATHER_PANES)[time], emission=0.3)]
    bars = [part("box", (w + 0.07, 0.04, 0.05), (x, y, z + s * (h + 0.03)), white) for s in (-1, 1)]
    bars += [part("box", (0.05, 0.04, h + 0.05), (x + s * (w + 0.03), y, z), white) for s in (-1, 1)]
    bars += [
        part("box", (0.022, 0.035, h), (x, y - 0.01, z), white),
        part("box", (w, 0.035, 0.022), (x, y - 0.01, z), white),
    ]
    drapes = [part("box", (0.17, 0.06, h + 0.22), (x + s * (w + 0.2), y - 0.03, z), curtain) for s in (-1, 1)]
    marks = {
        "day": [part("ellipsoid", (0.24, 0.01, 0.08), (x + 0.36, y - 0.025, z + 0.22), (1.0, 1.0, 1.0), emission=0.6)],
        "sunset": [part("ellipsoid", (0.2, 0.01, 0.2), (x - 0.35, y - 0.025, z - 0.22), (1.0, 0.9, 0.4), emission=1.0)],
        "night": [
            part("ellipsoid", (0.13, 0.01, 0.13), (x + 0.38, y - 0.025, z + 0.24), (0.98, 0.97, 0.86), emission=1.0)
        ],
    }
    return [*glass, *(marks[time] if is_clear else ()), *bars, *drapes]


def _neon_signs(rng: np.random.Generator, *, around: bool) -> list[Part]:
    """Signs of coloured light on dark boards along the house fronts, and what they throw on the wet street."""
    parts: list[Part] = []
    for i, x in enumerate(np.linspace(-5.0, 5.0, 9) + rng.uniform(-0.2, 0.2, 9)):
        colour, other = NEON[(i * 2) % 5], NEON[(i * 2 + 1) % 5]
        z = float(rng.uniform(1.05, 1.75))
        parts += _sign(i % 4, float(x), z, colour, other)
        for y, length in ((2.0, 0.42), (0.35, 0.30)):
            dim = tinted(colour, (0.62, 0.62, 0.70))
            parts.append(part("ellipsoid", (0.13, length, 0.004), (float(x), y, 0.014), dim, emission=0.5))
    if around:
        boards = [p for p in parts if p.pos[1] > 2.6]
        parts += [moved(p, turn(yaw=a)) for a in (-78, 78) for p in boards]
    return parts


def _sign(shape: int, x: float, z: float, colour: RGB, other: RGB) -> list[Part]:
    """One sign: bars like letters, a ring, an arrow or a zigzag, framed by a tube of another colour."""
    glow, y = {"emission": 1.0}, 3.36
    tall = shape in (0, 3)
    w, h = (0.25, 0.55) if tall else (0.48, 0.29)
    board = [part("box", (w, 0.03, h), (x, y, z), (0.06, 0.05, 0.12))]
    tube = [part("box", (w, 0.035, 0.035), (x, y - 0.02, z + s * h), colour, **glow) for s in (-1, 1)]
    tube += [part("box", (0.035, 0.035, h), (x + s * w, y - 0.02, z), colour, **glow) for s in (-1, 1)]
    if shape == 0:
        marks = [
            part("box", (0.12, 0.03, 0.045), (x, y - 0.03, z + dz), other, **glow) for dz in (-0.30, -0.10, 0.10, 0.30)
        ]
    elif shape == 1:
        marks = [
            part("box", (0.045, 0.03, 0.15), (x + dx, y - 0.03, z), other, **glow) for dx in (-0.28, -0.10, 0.10, 0.28)
        ]
    elif shape == 2:
        marks = [part("box", (0.24, 0.03, 0.05), (x - 0.06, y - 0.03, z), other, **glow)]
        marks += [
            part("box", (0.12, 0.03, 0.05), (x + 0.20, y - 0.03, z + s * 0.07), other, turn=turn(pitch=s * 45), **glow)
            for s in (-1, 1)
        ]
    else:
        marks = [part("ring", (0.15, 0.15, 0.2), (x, y - 0.03, z + 0.2), other, turn=turn(roll=90), **glow)]
        marks += [part("box", (0.045, 0.03, 0.2), (x, y - 0.03, z - 0.2), other, **glow)]
    return [*board, *tube, *marks]


WIDE_PLACES = {"mountain top": Place((0.56, 0.53, 0.53), mountain_top), "room": Place((0.80, 0.64, 0.46), room)}
