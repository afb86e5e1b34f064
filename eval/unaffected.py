"""Which pixels an edit leaves alone, and how alike they are: asked of edits of rendered clips, where the truth can be drawn.

Enters: an `Edit` of a scene and a size. Leaves: the region in which the renders before and after are the same, away from the masks
of what was changed; and the PSNR of two videos inside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from gpt_video.diorama.edits import Edit
from gpt_video.diorama.render import Renderer
from gpt_video.diorama.scene import Scene

SAME = 6  # levels of 255 by which two renders of one place may differ
BORDER = 6  # pixels around what changes that are not compared: a token covers 16, so it cannot end at an edge
LEAST = 0.1  # share of the frame under which there is nothing to compare
HIGHEST = 50.0  # dB, for regions without any difference


def rendered(scene: Scene, size: tuple[int, int]) -> np.ndarray:
    """frames_THWC of the scene. Raises RendererUnavailable."""
    return Renderer(*size).render(scene, with_masks=False).frames_THWC


@dataclass(frozen=True, eq=False)
class UnaffectedRegion:
    """kept_THW: where nothing should change; after_THWC: the render after the edit."""

    kept_THW: np.ndarray
    after_THWC: np.ndarray

    @classmethod
    def of(cls, edit: Edit, size: tuple[int, int]) -> UnaffectedRegion:
        """Draws both scenes. Raises RendererUnavailable."""
        renderer = Renderer(*size)
        before, after = renderer.render(edit.scene_before), renderer.render(edit.scene_after)
        changed_THW = np.abs(before.frames_THWC.astype(int) - after.frames_THWC).max(axis=-1) > SAME
        if edit.attribute != "add":
            changed_THW |= before.masks_THW == edit.index + 1
        if edit.attribute != "remove":
            changed_THW |= after.masks_THW == edit.index + 1
        return cls(~_grown(changed_THW, BORDER), after.frames_THWC)

    @property
    def share(self) -> float:
        """Of all pixels of all frames."""
        return float(self.kept_THW.mean())

    def psnr(self, a_THWC: np.ndarray, b_THWC: np.ndarray) -> float | None:
        """PSNR in dB inside the region, at most 50; None where the region is too small or the videos differ in shape."""
        if self.share < LEAST or a_THWC.shape != b_THWC.shape or a_THWC.shape[:3] != self.kept_THW.shape:
            return None
        error = np.square(a_THWC.astype(float) - b_THWC)[self.kept_THW].mean()
        return float(min(HIGHEST, 10 * np.log10(255**2 / max(error, 1e-9))))


def _grown(mask_THW: np.ndarray, by: int) -> np.ndarray:
    wide = F.max_pool2d(torch.from_numpy(mask_THW[:, None].astype(np.float32)), 2 * by + 1, stride=1, padding=by)
    return wide[:, 0].numpy() > 0
