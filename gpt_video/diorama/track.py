"""How things move, as records: the pose of a thing, and of the camera, at every frame."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from gpt_video.diorama.camera import Shot
from gpt_video.diorama.layout import Thing

FPS = 8
SPEED = {"slowly": 0.5, "normal": 1.0, "fast": 2.0}


@dataclass(frozen=True)
class Track:
    """The pose of one thing over T frames. Its origin is its centre, half its height above its feet."""

    centre_T3: np.ndarray
    turn_T33: np.ndarray
    squash_T3: np.ndarray
    swing_T: np.ndarray  # phase of limbs that swing, radians
    roll_T: np.ndarray  # phase of wheels, radians
    gait_T: np.ndarray  # 0 to 1: how far the limbs swing

    def since(self, first: int) -> Track:
        return Track(*(getattr(self, field.name)[first:] for field in fields(self)))


@dataclass(frozen=True)
class Film:
    """Everything that moves, and the camera."""

    things: list[Thing]
    tracks: list[Track]
    shot: Shot
    clock_T: np.ndarray  # seconds since the first scene began
