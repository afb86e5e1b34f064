"""How the camera moves: over time as angles and distances, and at a frame as eye, forward and up.

Enters: the name of a camera and the film before, if the scene continues one. Leaves: a `Shot`, and the view at a frame of it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from gpt_video.diorama.layout import ABOVE_AIM, ABOVE_ELEVATION, AIM, DISTANCE, ELEVATION, VIEW

LATENT = 4  # frames of a latent frame after the first; a cut falls on its border
SHORT = 33  # frames of four seconds: a longer clip is cut where such a one is, and in it things turn round (motion.py)
ORBIT, SECOND_ANGLE = 52.0, 58.0  # degrees: half of the way round in 4 seconds, and where a cut goes to
DRONE = ((-34.0, 34.0, 1.06), (30.0, 9.0, 0.94))  # (degrees round, degrees up, distance) of its start and its end


@dataclass(frozen=True)
class Shot:
    """The camera over T frames: pan (-1 to 1), dolly (1 is the rest distance), above (0 to 1), and in the wide world
    orbit (radians round the scene) and lift (degrees up)."""

    pan_T: np.ndarray
    dolly_T: np.ndarray
    above_T: np.ndarray
    orbit_T: np.ndarray
    lift_T: np.ndarray

    def since(self, first: int) -> Shot:
        return Shot(*(getattr(self, field.name)[first:] for field in fields(self)))


def shot_of(camera: str, t_T: np.ndarray, before: Shot | None, side: int = 1) -> Shot:
    """The shot at the times t: from where the one before left the camera, or from the start of the move.

    side: 1 or -1, which way the camera goes round, so that it comes to see the face of the topic.
    """
    u_T = t_T / 4.0
    pan, dolly, above, orbit, lift = (
        (0.0, 1.0, 0.0, 0.0, 0.0)
        if before is None
        else (float(getattr(before, field.name)[-1]) for field in fields(before))
    )
    if before is None:
        pan = {"pan left": 1.0, "pan right": -1.0}.get(camera, pan)
        dolly = 0.76 if camera == "zoom out" else dolly
        above = 1.0 if camera == "from above" else above
    pan_T, dolly_T, above_T, orbit_T, lift_T = (np.full(len(t_T), float(v)) for v in (pan, dolly, above, orbit, lift))
    if camera in ("pan left", "pan right"):
        pan_T = soft_clip(pan_T + (2 if camera == "pan right" else -2) * u_T, 1.25)
    elif camera in ("zoom in", "zoom out"):
        dolly_T = np.clip(dolly_T + (-0.24 if camera == "zoom in" else 0.24) * u_T, 0.70, 1.22)
    elif camera == "from above":
        v_T = np.clip(t_T / 1.5, 0, 1)
        above_T = above_T + (1 - above_T) * v_T * v_T * (3 - 2 * v_T)
    elif camera == "orbit":
        start = -ORBIT if before is None else side * np.degrees(orbit)
        orbit_T = side * np.radians(np.clip(start + 2 * ORBIT * u_T, -80, 80))
    elif camera == "drone":
        from_, to = DRONE if before is None else ((side * np.degrees(orbit), lift, dolly), DRONE[1])
        v_T = np.clip(u_T, 0, 1)
        round_T, lift_T, dolly_T = (a + (b - a) * v_T for a, b in zip(from_, to, strict=True))
        orbit_T = side * np.radians(round_T)
    elif camera == "cut":
        # A continuation has one time more at its start: the last frame of what was.
        first = 0 if before is None else 1
        late_T = np.arange(len(t_T)) - first >= _border(len(t_T) - first, begins=before is None)
        away = side if abs(orbit) < 0.2 else -np.sign(orbit)
        orbit_T = np.where(late_T, orbit + away * np.radians(SECOND_ANGLE), orbit)
        dolly_T, lift_T = np.where(late_T, 0.90, dolly), np.where(late_T, 6.0, lift)
    return Shot(pan_T, dolly_T, above_T, orbit_T, lift_T)


def _border(frames: int, *, begins: bool) -> int:
    """The first frame after the cut: the middle border between latent frames, the first of which is one frame if it begins.

    A long clip is cut where one of four seconds is.
    """
    latents = min(frames, SHORT) // LATENT
    return (1 if begins else 0) + LATENT * (latents // 2)


def view(shot: Shot, k: int, aspect: float, world: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eye, forward and up of the camera at frame k.

    A pan turns the camera and carries it round a little: the scenery passes behind the subject, which stays in view.
    """
    above, pan, lift = shot.above_T[k], shot.pan_T[k], shot.lift_T[k]
    aim = np.array((0, 0, AIM + above * (ABOVE_AIM - AIM) + lift / 34 * (ABOVE_AIM - AIM)))
    elevation = np.radians(ELEVATION + above * (ABOVE_ELEVATION[world] - ELEVATION) + lift)
    turn = np.arctan(0.26 * aspect * VIEW / 2 / DISTANCE) * pan
    orbit = np.radians(8.0) * pan + shot.orbit_T[k]
    eye = aim - DISTANCE * shot.dolly_T[k] * _direction(orbit, elevation)
    forward = _direction(orbit + turn, elevation)
    return eye, forward, _direction(orbit + turn, elevation - np.pi / 2)


def _direction(right: float, down: float) -> np.ndarray:
    """The unit vector that looks along +y, turned to the right and down by these angles in radians."""
    return np.array((np.sin(right) * np.cos(down), np.cos(right) * np.cos(down), -np.sin(down)))


def soft_clip(x: np.ndarray, reach: float) -> np.ndarray:
    """x where it is well within +-reach, easing towards +-reach beyond."""
    u = np.abs(x) / reach
    return np.sign(x) * reach * np.where(u < 0.8, u, 0.8 + 0.2 * np.tanh((u - 0.8) / 0.2))
