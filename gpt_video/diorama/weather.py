"""Weather of the wide world: what falls, what it leaves on the ground, and what it does to the light.

Enters: the setting of a scene in clear weather. Leaves: the setting under snow or rain, and the flakes or drops, whose place
is a function of the time since the film began, so that a continuation goes on with the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gpt_video.diorama.places import Light, spread
from gpt_video.diorama.scene import Scene
from gpt_video.diorama.shapes import RGB, Part, part, rotation, turn
from gpt_video.diorama.wide_places import WINDOW, Setting

Tint = tuple[float, float, float]


@dataclass(frozen=True)
class Fall:
    """How something falls. half: half extents; speed: in units a second; sway: how far it drifts to and fro."""

    count: int
    half: tuple[float, float, float]
    speed: float
    sway: float
    colour: RGB
    tilt: float
    tint: Tint  # of the place
    sky: Tint  # greys that the sky goes to by day


FALLS = {
    "snowing": Fall(
        105, (0.030, 0.030, 0.030), 0.55, 0.10, (1.0, 1.0, 1.0), 0.0, (0.80, 0.83, 0.90), (0.60, 0.66, 0.76)
    ),
    "raining": Fall(
        100, (0.0085, 0.0085, 0.13), 3.1, 0.0, (0.80, 0.90, 1.0), 9.0, (0.62, 0.67, 0.76), (0.40, 0.45, 0.53)
    ),
}
HEIGHT = 3.4  # of what is filled with flakes


def under_weather(setting: Setting, scene: Scene) -> Setting:
    """The setting as the weather makes it: a grey sky without a sun, a darker place, snow or puddles on the ground."""
    if scene.weather == "clear" or scene.place == "room":
        return setting
    fall = FALLS[scene.weather]
    tint: RGB = fall.tint if scene.time != "night" else _mixed(fall.tint, (1, 1, 1), 0.5)
    parts = [
        replace(p, tone=_times(p.tone, tint)) if p.emission < 0.3 else p for p in setting.parts if not _in_the_sky(p)
    ]
    dull = {"day": 0.85, "sunset": 0.55, "night": 0.25}[scene.time]
    light = setting.light
    zenith, horizon = (
        _mixed(c, _times(fall.sky, k), dull) for c, k in ((light.zenith, (0.8,) * 3), (light.horizon, (1.05,) * 3))
    )
    light = Light(zenith, horizon, _times(light.place_tint, tint), light.subject_tint)
    return replace(
        setting, parts=parts + _on_the_ground(scene, light), ground=_times(setting.ground, tint), light=light
    )


def _on_the_ground(scene: Scene, light: Light) -> list[Part]:
    """Patches of fresh snow, or puddles."""
    if scene.place == "ocean" or (scene.place, scene.weather) == ("snow", "snowing"):
        return []
    rng = np.random.default_rng([scene.layout_seed, 13])
    snows = scene.weather == "snowing"
    colour = _times((1.25, 1.28, 1.30) if snows else (0.78, 0.92, 1.12), light.place_tint)
    spots = [*spread(rng, 4, 1.4, -0.55, -0.2), *spread(rng, 4, 2.2, 0.7, 1.7)]
    half = (0.34, 0.13, 0.02) if snows else (0.36, 0.11, 0.004)
    return [part("ellipsoid", half, (x, y, 0.006), colour) for x, y in spots]


@dataclass(frozen=True)
class Falling:
    """The flakes or drops of a film: one part, and where each of them is at a time."""

    part: Part
    start_N3: np.ndarray
    phase_N: np.ndarray
    fall: Fall
    window: bool

    def at(self, clock: float, orbit: float) -> np.ndarray:
        """Where they are (N, 3) at `clock` seconds, for a camera that has gone round by `orbit` radians."""
        x_N, y_N, z_N = self.start_N3.T
        low, height = (WINDOW[2] - WINDOW[4], 2 * WINDOW[4]) if self.window else (0.0, HEIGHT)
        slow = 0.4 if self.window else 1.0
        gone = self.fall.speed * slow * clock * (0.8 + 0.4 * self.phase_N / (2 * np.pi))
        z_N = low + (z_N - low - gone) % height
        lean = np.tan(np.radians(self.fall.tilt)) * (z_N - low)
        x_N = x_N + slow * (lean + self.fall.sway * np.sin(1.7 * clock + self.phase_N))
        if self.window:
            x_N = WINDOW[0] + (x_N - WINDOW[0] + WINDOW[3]) % (2 * WINDOW[3]) - WINDOW[3]
            return np.stack([x_N, y_N, z_N], axis=1)
        return np.stack([x_N, y_N, z_N], axis=1) @ rotation((0, 0, 1), -orbit).T


def falling(scene: Scene, aspect: float) -> Falling | None:
    """What falls in the scene; in a room it falls behind the window. None in clear weather."""
    if scene.weather == "clear":
        return None
    fall, rng = FALLS[scene.weather], np.random.default_rng([scene.layout_seed, 17])
    inside = scene.place == "room"
    if inside:
        x, y, z, w, h = WINDOW
        n, half = fall.count // 4, tuple(0.62 * v for v in fall.half)
        start = np.stack([rng.uniform(x - w, x + w, n), np.full(n, y - 0.028), rng.uniform(z - h, z + h, n)], axis=1)
    else:
        n, half = fall.count, fall.half
        y_N = rng.uniform(-1.5, 3.0, n)
        x_N = rng.uniform(-1, 1, n) * (0.36 * (3.4 + y_N) * max(aspect, 0.8) + 0.2)
        start = np.stack([x_N, y_N, rng.uniform(0, HEIGHT, n)], axis=1)
    shape = "ellipsoid" if fall.sway else "box"
    one = part(shape, half, (0, 0, 0), fall.colour, turn=turn(pitch=fall.tilt), emission=0.7)
    return Falling(one, start, rng.uniform(0, 2 * np.pi, n), fall, inside)


def _in_the_sky(p: Part) -> bool:
    return p.pos[1] > 13.5 and p.emission > 0.3


def _mixed(a, b, share: float) -> RGB:
    return tuple(float((1 - share) * x + share * y) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def _times(a, b) -> RGB:
    return tuple(float(x * y) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]
