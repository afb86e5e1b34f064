"""The drawn look: flat pale colours, no shading, dark outlines.

Enters: the setting of a scene, and a frame with its depth. Leaves: the setting in colours of paper, and the frame with its
outlines, thick around the subjects.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpt_video.diorama.places import Light
from gpt_video.diorama.shapes import RGB
from gpt_video.diorama.wide_places import Setting

PAPER = np.array((1.0, 0.98, 0.92))
INK = np.array((28, 22, 40), np.float32)
SHARPEST = 0.015  # bend of 1 / distance, as a share of it, from which there is a line


def as_drawing(setting: Setting) -> Setting:
    """The setting in flat colours: what is behind the subjects is paler."""
    light = setting.light
    light = Light(_flat(light.zenith, 0.42), _flat(light.horizon, 0.42), light.place_tint, light.subject_tint)
    parts = [replace(p, tone=_flat(p.tone, 0.32 if p.emission < 0.3 else 0.1), emission=0.0) for p in setting.parts]
    return replace(setting, parts=parts, ground=_flat(setting.ground, 0.32), light=light)


def _flat(colour, paleness: float) -> RGB:
    mixed = (1 - paleness) * np.asarray(colour) + paleness * PAPER
    return tuple(float(c) for c in mixed)  # type: ignore[return-value]


def outlined(frame_HWC: np.ndarray, depth_HW: np.ndarray, mask_HW: np.ndarray) -> np.ndarray:
    """The frame (uint8) with lines where its depth jumps, and thicker ones around the subjects.

    depth: as the graphics card keeps it: 1 - depth goes as 1 / distance, so that no plane bends it. mask: > 0 on subjects,
    of the same size.
    """
    bend = np.zeros_like(depth_HW)
    for axis in (0, 1):
        near, far = np.roll(depth_HW, 1, axis), np.roll(depth_HW, -1, axis)
        bend = np.maximum(bend, np.abs(near + far - 2 * depth_HW))
    bend[:, [0, -1]] = bend[[0, -1]] = 0
    lines = bend > SHARPEST * (1 - depth_HW)
    around = _grown(mask_HW > 0, 2) & _grown(mask_HW == 0, 2)
    share = np.where(around, 1.0, np.where(_grown(lines, 1), 0.75, 0.0)).astype(np.float32)[..., None]
    return (frame_HWC * (1 - share) + INK * share).astype(np.uint8)


def _grown(mask_HW: np.ndarray, by: int) -> np.ndarray:
    """The mask with a border of `by` pixels along both axes."""
    out = mask_HW.copy()
    for step in range(1, by + 1):
        out[step:] |= mask_HW[:-step]
        out[:-step] |= mask_HW[step:]
    wide = out.copy()
    for step in range(1, by + 1):
        wide[:, step:] |= out[:, :-step]
        wide[:, :-step] |= out[:, step:]
    return wide
