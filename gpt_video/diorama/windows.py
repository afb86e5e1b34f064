"""Rendered turns on a GPU as batches of windows for the tokenizer, with no file in between.

Enters: turns as stream.py hands them over. Leaves: tokenizer.data.Batch, as often as one is asked for.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch

from gpt_video.diorama.stream import Turn
from tokenizer.data import Batch

LEAST_OF_A_RUN = 256  # turns that are copied at once


class Windows:
    """Clips on the GPU in runs of one shape, more of them from time to time; batches of windows, half of them mirrored."""

    def __init__(self, frames: int, device: str) -> None:
        self.frames, self.device = frames, device
        self.waiting: dict[tuple, list[Turn]] = defaultdict(list)
        self.runs: list[tuple[torch.Tensor, ...]] = []

    def add(self, turns: list[Turn]) -> None:
        for turn in turns:
            if len(turn[2]) >= self.frames:
                self.waiting[turn[1].shape[1:3]].append(turn)
        for shape, waiting in self.waiting.items():
            if len(waiting) >= LEAST_OF_A_RUN or (waiting and not self.runs):
                self.runs.append(self._run(waiting))
                self.waiting[shape] = []
        self.shares = torch.tensor([float(len(starts)) for *_, starts, _ in self.runs])

    def _run(self, turns: list[Turn]) -> tuple[torch.Tensor, ...]:
        lengths = torch.tensor([len(frames) for _, frames, _ in turns])
        pixels, masks = (torch.from_numpy(np.concatenate([turn[i] for turn in turns])) for i in (1, 2))
        return tuple(part.to(self.device) for part in (pixels, masks, lengths.cumsum(0) - lengths, lengths))

    def batch(self, clips: int) -> Batch:
        pixels, masks, starts, lengths = self.runs[int(torch.multinomial(self.shares, 1))]
        chosen = torch.randint(len(starts), (clips,), device=self.device)
        spare = (lengths[chosen] - self.frames + 1) * torch.rand(clips, device=self.device)
        frames_BT = (starts[chosen] + spare.long())[:, None] + torch.arange(self.frames, device=self.device)
        clip_BCTHW = (pixels[frames_BT].float() / 127.5 - 1).movedim(-1, 1)
        masks_BTHW = masks[frames_BT]
        turn_B = torch.rand(clips, device=self.device) < 0.5
        clip_BCTHW[turn_B], masks_BTHW[turn_B] = clip_BCTHW[turn_B].flip(-1), masks_BTHW[turn_B].flip(-1)
        return Batch(clip_BCTHW.contiguous(), masks_BTHW)
