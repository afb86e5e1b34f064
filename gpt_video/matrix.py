"""A matrix as a step of sampling multiplies by it: in the dtype of the model, or in eight bits with a scale for each row.

Enters: weight_OI. Leaves: a `Matrix`, which is called as a linear layer is. A step of a small model waits for its weights: eight
bits halve what must arrive, and for a few rows torch's kernel for them is four times as fast as its product in bfloat16
(EXPERIMENTS.md).
"""

from __future__ import annotations

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LANES = 32  # weights that torch's kernel takes at once; it does not look where a row ends
FEW_ROWS = 8  # four guided videos: from twice as many on, a processor with instructions for bfloat16 is as fast in it
ANY_ROWS = sys.maxsize  # for one without
_product = getattr(torch, "_weight_int8pack_mm", None)  # not a documented function, so it may be gone one day


class Matrix(nn.Module):
    """x_NI -> x_NO = x_NI @ weight_OI.T, for any dimensions before the last."""

    def __init__(self, weight_OI: Tensor, eight_bit_rows: int = 0):
        """eight_bit_rows: up to how many rows of x are multiplied by weights of eight bits.

        If any are, the weights are rounded to 255 steps a row, where a row is a whole number of LANES. ValueError where this
        torch has no product with such weights.
        """
        super().__init__()
        self.weight_OI, self.steps_OI, self.most = weight_OI.detach(), None, eight_bit_rows
        if eight_bit_rows and weight_OI.shape[1] % LANES == 0:
            if _product is None:
                lack = f"torch {torch.__version__} has no product with weights of eight bits"
                raise ValueError(f"{lack}: choose GPT_VIDEO_DTYPE=bfloat16 or float32")
            self.steps_OI, self.step_O = in_steps(self.weight_OI)
            self.weight_OI = self.steps_OI * self.step_O[:, None]  # more rows are multiplied by the same weights

    def forward(self, x: Tensor) -> Tensor:
        rows = x.numel() // x.shape[-1]
        if self.steps_OI is None or rows > self.most or x.dtype != self.weight_OI.dtype:
            return F.linear(x, self.weight_OI.to(x.dtype))
        assert _product is not None
        return _product(x.reshape(rows, -1).contiguous(), self.steps_OI, self.step_O).view(*x.shape[:-1], -1)


def in_steps(weight_OI: Tensor) -> tuple[Tensor, Tensor]:
    """(steps_OI int8, step_O in the dtype of the weights): weight_OI is nearly steps_OI * step_O, row by row."""
    rows_OI = weight_OI.float()
    step_O = (rows_OI.abs().amax(1) / 127).clamp(min=1e-8).to(weight_OI.dtype)
    return (rows_OI / step_O.float()[:, None]).round().clamp(-127, 127).to(torch.int8), step_O


def has_eight_bits() -> bool:
    """Whether this torch can multiply by weights of eight bits."""
    return _product is not None
