"""The critic of the decoder: a small network that says what it sees in every cell of a frame, or that the decoder drew it.

After Sushko et al. 2021 (OASIS, arXiv:2012.04781): one class more than there are things, and that one means "drawn". The decoder
gains by being taken for what it should show, and not only for something real. All of it is about single frames, each beside its
change from the frame before, so that blurred motion is seen too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from tokenizer.data import UNNAMED

CELL = 4  # pixels a side of what is named
GROUPS = 8
SLOPE = 0.2  # of the leaky ReLU


class CriticBlock(nn.Module):
    """Two 3x3 convolutions around a skip."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_NChw: Tensor) -> Tensor:
        hidden = self.conv1(F.leaky_relu(self.norm(x_NChw), SLOPE))
        return x_NChw + self.conv2(F.leaky_relu(hidden, SLOPE))


class Critic(nn.Module):
    """seen_NCHW of `seen` -> logits_NKhw of background, `classes` things and "drawn", a cell of 4x4 pixels each; and its features.

    Down to cells of 16x16 pixels and back up again, with skips. `classes` may be 0: then it only tells real from drawn.
    """

    def __init__(self, classes: int, widths: tuple[int, int, int] = (96, 128, 160)):
        super().__init__()
        fine, middle, coarse = widths
        self.drawn = 1 + classes
        self.fold = nn.PixelUnshuffle(CELL)
        self.stem = nn.Conv2d(2 * 3 * CELL**2, fine, 3, padding=1)
        self.fine = nn.Sequential(CriticBlock(fine), CriticBlock(fine))
        self.down = nn.Conv2d(fine, middle, 3, stride=2, padding=1)
        self.middle = nn.Sequential(CriticBlock(middle), CriticBlock(middle))
        self.down_again = nn.Conv2d(middle, coarse, 3, stride=2, padding=1)
        self.coarse = nn.Sequential(CriticBlock(coarse), CriticBlock(coarse))
        self.up = nn.Conv2d(coarse, 4 * middle, 1)
        self.middle_again = CriticBlock(middle)
        self.up_again = nn.Conv2d(middle, 4 * fine, 1)
        self.fine_again = CriticBlock(fine)
        self.head = nn.Conv2d(fine, self.drawn + 1, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, seen_NCHW: Tensor) -> tuple[Tensor, list[Tensor]]:
        folded = self.fold(seen_NCHW).contiguous(memory_format=torch.channels_last)
        fine = self.fine(self.stem(folded))
        middle = self.middle(self.down(fine))
        coarse = self.coarse(self.down_again(middle))
        middle_again = self.middle_again(middle + _doubled(self.up(coarse), middle))
        fine_again = self.fine_again(fine + _doubled(self.up_again(middle_again), fine))
        logits = self.head(F.leaky_relu(fine_again, SLOPE)).float()
        return logits, [fine, middle, coarse, middle_again, fine_again]


def _doubled(x_NChw: Tensor, like: Tensor) -> Tensor:
    return F.pixel_shuffle(x_NChw, 2)[
        ..., : like.shape[-2], : like.shape[-1]
    ]  # odd sides were rounded up on the way down


def seen(clip_BCTHW: Tensor, times_Bn: Tensor) -> Tensor:
    """The frames at these times, each with its change from the one before (none for frame 0): N = B n, C = 6."""
    frames_BTCHW = clip_BCTHW.movedim(2, 1)
    rows = torch.arange(len(clip_BCTHW), device=clip_BCTHW.device)[:, None]
    now, before = frames_BTCHW[rows, times_Bn], frames_BTCHW[rows, (times_Bn - 1).clamp(min=0)]
    return rearrange(torch.cat([now, now - before], dim=2), "B n C H W -> (B n) C H W")


def shown(masks_BTHW: Tensor | None, times_Bn: Tensor, height: int, width: int) -> Tensor:
    """classes_Nhw: what is in (the middle of) each cell of those frames, as in `Batch`; all background where there are no masks."""
    if masks_BTHW is None:
        size = (times_Bn.numel(), height // CELL, width // CELL)
        return torch.zeros(size, dtype=torch.long, device=times_Bn.device)
    rows = torch.arange(len(masks_BTHW), device=masks_BTHW.device)[:, None]
    cells = masks_BTHW[rows, times_Bn]
    return rearrange(cells[..., CELL // 2 :: CELL, CELL // 2 :: CELL].long(), "B n h w -> (B n) h w")


def surprise(logits_NKhw: Tensor, wanted_Nhw: Tensor, shown_Nhw: Tensor, subject: float = 4.0) -> Tensor:
    """Mean cross entropy, in nats, of what each cell should be called. Cells that show a thing weigh 1 + `subject`; of an unknown
    class (UNNAMED), nothing."""
    named = shown_Nhw != UNNAMED
    weights = (1 + subject * (shown_Nhw > 0)) * named
    nats = F.cross_entropy(logits_NKhw, torch.where(named, wanted_Nhw, 0), reduction="none")
    return (weights * nats).sum() / weights.sum().clamp(min=1)
