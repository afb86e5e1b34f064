"""The parts of the tokenizer's networks: they take and give features_NChw, with N = B * t latent frames.

Only `CausalTimeMix` looks along time. Its padding law, for a kernel of three latent frames (`.` is a copy of frame 0):

    output 0   sees  . . 0
    output 1   sees  . 0 1
    output 2   sees  0 1 2          so nothing sees its own future, and frame 0 alone is an image

`Memory` holds the last two inputs of every such layer: with it, frames may come one at a time and give the same output.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

KERNEL_TIME = 3
GROUPS = 8

Memory = dict[nn.Module, Tensor]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions inside each latent frame, around a skip."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(GROUPS, channels), nn.GroupNorm(GROUPS, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)  # the block starts as the identity

    def forward(self, x_NChw: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x_NChw)))
        return x_NChw + self.conv2(F.silu(self.norm2(hidden)))


class CausalTimeMix(nn.Module):
    """Each cell reads itself and its two predecessors in time: a causal convolution, as one 1x1 product over three."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.mix = nn.Conv2d(KERNEL_TIME * channels, channels, 1)
        nn.init.zeros_(self.mix.weight)

    def forward(self, x_NChw: Tensor, t: int, memory: Memory | None = None) -> Tensor:
        """`t` latent frames a clip; `memory`, when given, is read and then updated in place."""
        x_BtChw = rearrange(F.silu(self.norm(x_NChw)), "(B t) C h w -> B t C h w", t=t)
        past = memory.get(self) if memory is not None else None
        if past is None:
            past = x_BtChw[:, :1].expand(-1, KERNEL_TIME - 1, -1, -1, -1)
        padded = torch.cat([past, x_BtChw], dim=1)
        if memory is not None:
            memory[self] = padded[:, 1 - KERNEL_TIME :]
        stacked = torch.cat([padded[:, i : i + t] for i in range(KERNEL_TIME)], dim=2)
        # A cat along channels loses the channels-last layout, which the CPU's convolutions need to be fast.
        stacked = rearrange(stacked, "B t C h w -> (B t) C h w").contiguous(memory_format=torch.channels_last)
        return x_NChw + self.mix(stacked)


class Stage(nn.Module):
    """`blocks` residual blocks at one resolution, each followed by a look along time where `in_time`."""

    def __init__(self, channels: int, blocks: int, in_time: bool):
        super().__init__()
        self.blocks = nn.ModuleList([ResidualBlock(channels) for _ in range(blocks)])
        self.mixes = nn.ModuleList([CausalTimeMix(channels) for _ in range(blocks if in_time else 0)])

    def forward(self, x_NChw: Tensor, t: int, memory: Memory | None = None) -> Tensor:
        for i, block in enumerate(self.blocks):
            x_NChw = block(x_NChw)
            if self.mixes:
                x_NChw = self.mixes[i](x_NChw, t, memory)
        return x_NChw


class HalveSpace(nn.Module):
    """2x2 cells folded into channels, then a product down to `channels_out`: half the height and width."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.project = nn.Conv2d(channels_in, channels_out, 2, stride=2)

    def forward(self, x_NChw: Tensor) -> Tensor:
        return self.project(x_NChw)


class DoubleSpace(nn.Module):
    """The way back: a product up to four times `channels_out`, unfolded into 2x2 cells."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.project = nn.Conv2d(channels_in, 4 * channels_out, 1)

    def forward(self, x_NChw: Tensor) -> Tensor:
        return F.pixel_shuffle(self.project(x_NChw), 2)
