"""The judge's network: find each kind of thing, then look at it. Small enough for two CPU cores.

Enters: a clip as clip_BTCHW float in [-1, 1], every second frame of 8 a second. Leaves: logits of every attribute, those of
things once for each kind K of the diorama.

    frame -> features at 1/8 -> which kind is in each cell (learnt from the renderer's masks)
          -> features at 1/16, mixed over time                                  -> place, time, camera (weather, style)
    kind by kind: features under its cells, and where along x and y those are, frame by frame
          -> mixed over time -> count, colour, size, action, direction, speed (activity); pairs of kinds -> relation

Looking only where a kind was found is why few clips are enough, and why a purple ball is read right by a judge that never
saw one: the colour head is shared by all kinds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from torch import Tensor, nn

from eval.attributes import values_of
from eval.store import Net
from gpt_video.diorama.world import CORE

# What has a head of its own, in every world that has it: of each kind of thing, and of the scene as a whole.
OF_KIND = ("count", "colour", "size", "action", "direction", "speed", "activity")
OF_SCENE = ("place", "time", "camera", "weather", "style")
PAIRS = ("left of", "right of", "behind", "in front of")  # how the first kind stands to the second
BINS = 16  # of a profile along x or y
CELL, COARSE = 8, 16  # pixels a side of a cell of the finer and the coarser features

Logits = dict[str, Tensor]


@dataclass(frozen=True)
class JudgeConfig:
    """Channels at a quarter, an eighth and a sixteenth of the frame's side, and of what is kept of each kind in each frame.

    world: whose kinds and values the heads stand for.
    """

    quarter: int = 32
    eighth: int = 64
    sixteenth: int = 96
    slot: int = 96
    hidden: int = 128
    world: str = CORE.name

    def heads(self, names: tuple[str, ...]) -> dict[str, int]:
        """{name: how many values it has} of those of the names that the world has."""
        values = values_of(self.world)
        return {name: len(values[name]) for name in names if name in values}

    @property
    def kinds(self) -> int:
        return len(values_of(self.world)["kind"])


class JudgeNet(nn.Module):
    """The whole network; about a million parameters at the default width."""

    def __init__(self, config: JudgeConfig | None = None):
        super().__init__()
        self.config = c = config or JudgeConfig()
        self.fold = nn.PixelUnshuffle(4)
        self.trunk = nn.Sequential(
            nn.Conv2d(48, c.quarter, 3, padding=1),
            *(Residual(c.quarter) for _ in range(2)),
            nn.Conv2d(c.quarter, c.eighth, 3, stride=2, padding=1),
            *(Residual(c.eighth) for _ in range(3)),
        )
        self.finds = nn.Sequential(Norm(c.eighth), nn.Conv2d(c.eighth, 1 + c.kinds, 1))
        self.coarser = nn.Conv2d(c.eighth, c.sixteenth, 3, stride=2, padding=1)
        self.over_time = nn.ModuleList(SpaceTime(c.sixteenth) for _ in range(2))
        self.slots = Slots(c)
        wide = c.eighth + 4 * c.sixteenth
        self.of_scene = nn.ModuleDict({name: mlp(wide, c.hidden, n) for name, n in c.heads(OF_SCENE).items()})

    def forward(self, clip_BTCHW: Tensor, told_BTKhw: Tensor | None = None) -> Logits:
        """Logits: "cells" BTKhw (K = background and kinds); those of OF_KIND B(kind)(value); relation B(kind)(kind)(pair);
        those of OF_SCENE B(value).

        H and W: multiples of 16. T >= 1. The answer about a clip does not depend on others of the batch.
        told: in training, shares of each cell that kinds have, to be looked at instead of those found; -1 where they are not told.
        """
        batch, frames = clip_BTCHW.shape[:2]
        folded = self.fold(rearrange(clip_BTCHW, "B T C H W -> (B T) C H W")).contiguous(
            memory_format=torch.channels_last
        )
        fine_NChw = self.trunk(folded)
        cells_NKhw = self.finds(fine_NChw).float()
        coarse_NChw = self.coarser(fine_NChw)
        for mix in self.over_time:
            coarse_NChw = mix(coarse_NChw, frames)
        shares_NKhw = cells_NKhw.softmax(dim=1)[:, 1:]
        if told_BTKhw is not None:
            told_NKhw = rearrange(told_BTKhw, "B T K h w -> (B T) K h w")
            shares_NKhw = torch.where(told_NKhw >= 0, told_NKhw, shares_NKhw)
        found = self.slots(fine_NChw, coarse_NChw, shares_NKhw, frames)
        pooled_BTD = reduce(coarse_NChw, "(B T) D h w -> B T D", "mean", T=frames)
        look_BD = reduce(fine_NChw, "(B T) D h w -> B D", "mean", T=frames)
        scene_BD = torch.cat([look_BD, *over_frames(pooled_BTD, dim=1)], dim=-1)
        scene = {name: head(scene_BD).float() for name, head in self.of_scene.items()}
        return {"cells": rearrange(cells_NKhw, "(B T) K h w -> B T K h w", B=batch), **found, **scene}


class Slots(nn.Module):
    """What is seen of each kind, from the cells in which it was found."""

    def __init__(self, c: JudgeConfig):
        super().__init__()
        self.look = nn.Linear(c.eighth + c.sixteenth + 3 * BINS + 2, c.slot)
        self.kind = nn.Parameter(torch.zeros(c.kinds, c.slot))
        self.mixes = nn.ModuleList(OverTime(c.slot) for _ in range(2))
        self.heads = nn.ModuleDict({name: mlp(4 * c.slot, c.hidden, n) for name, n in c.heads(OF_KIND).items()})
        self.first, self.second = nn.Linear(c.slot, c.hidden), nn.Linear(c.slot, c.hidden)
        self.relation = nn.Linear(c.hidden, len(PAIRS))

    def forward(self, fine_NChw: Tensor, coarse_NChw: Tensor, shares_NKhw: Tensor, frames: int) -> Logits:
        kinds, height, width = shares_NKhw.shape[1:]
        area_NK1 = shares_NKhw.sum(dim=(2, 3))[..., None]
        along_x = F.adaptive_avg_pool2d(shares_NKhw, (1, BINS))[:, :, 0] * height
        along_y = F.adaptive_avg_pool2d(shares_NKhw, (BINS, 1))[..., 0] * width
        parts = [
            under(fine_NChw, shares_NKhw),
            under(coarse_NChw, F.avg_pool2d(shares_NKhw, COARSE // CELL)),
            along_x,
            along_y,
            repeat(along_x.sum(dim=1), "N X -> N K X", K=kinds),  # what else is there
            area_NK1 * 0.05,
            torch.full_like(area_NK1, height / width),
        ]
        slots_NKD = self.look(torch.cat([part.to(fine_NChw.dtype) for part in parts], dim=-1)) + self.kind
        first_BKD = rearrange(slots_NKD, "(B T) K D -> B T K D", T=frames)[:, 0]
        mixed = rearrange(slots_NKD, "(B T) K D -> (B K) D T", T=frames)
        for mix in self.mixes:
            mixed = mix(mixed)
        seen = torch.cat(over_frames(mixed, dim=2), dim=-1)
        logits = {name: rearrange(head(seen).float(), "(B K) V -> B K V", K=kinds) for name, head in self.heads.items()}
        pairs_BKKD = F.gelu(self.first(first_BKD)[:, :, None] + self.second(first_BKD)[:, None])
        return {**logits, "relation": self.relation(pairs_BKKD).float()}


class Residual(nn.Module):
    """Two 3x3 convolutions that add to what they get."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = Norm(channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_NChw: Tensor) -> Tensor:
        return x_NChw + self.second(F.relu(self.first(self.norm(x_NChw))))


class SpaceTime(nn.Module):
    """A 3x3 convolution in space, then one over three frames, that add to what they get; frames at the ends are repeated."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = Norm(channels)
        self.space = nn.Conv2d(channels, channels, 3, padding=1)
        self.time = nn.Conv2d(channels, channels, (3, 1))

    def forward(self, x_NChw: Tensor, frames: int) -> Tensor:
        height = x_NChw.shape[2]
        inner = F.relu(self.space(self.norm(x_NChw)))
        inner = rearrange(inner, "(B T) C h w -> B C T (h w)", T=frames)
        inner = self.time(torch.cat([inner[:, :, :1], inner, inner[:, :, -1:]], dim=2))
        return x_NChw + rearrange(inner, "B C T (h w) -> (B T) C h w", h=height)


class OverTime(nn.Module):
    """A convolution over five frames that adds to what it gets."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 5)

    def forward(self, x_NDT: Tensor) -> Tensor:
        return x_NDT + self.conv(F.pad(F.gelu(x_NDT), (2, 2), mode="replicate"))


class Norm(nn.Module):
    """Each position scaled to unit mean square over its channels: no statistics of the batch or of the frame's size."""

    def __init__(self, channels: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x_NChw: Tensor) -> Tensor:
        size = x_NChw.float().square().mean(dim=1, keepdim=True).add(1e-5).rsqrt()
        return x_NChw * (size * self.scale[:, None, None]).to(x_NChw.dtype)


def under(features_NDhw: Tensor, shares_NKhw: Tensor) -> Tensor:
    """NKD: the mean features of the cells in which each kind was found."""
    weights = shares_NKhw / shares_NKhw.sum(dim=(2, 3), keepdim=True).add(1e-3)
    return torch.einsum("NDhw,NKhw->NKD", features_NDhw.float(), weights)


def over_frames(x: Tensor, dim: int) -> list[Tensor]:
    """Mean and greatest value over frames, and the first and last frame: defined for any number of frames."""
    return [x.mean(dim), x.amax(dim), x.select(dim, 0), x.select(dim, -1)]


def channels_last(net: Net) -> Net:
    """The network with its convolutions laid out as they are fast on a CPU."""
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this form


def mlp(width: int, hidden: int, values: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, values))
