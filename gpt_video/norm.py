"""A root mean square norm as a step of sampling takes it: x / sqrt(mean(x ** 2) + eps) * weight, over the last dimension.

Enters: a weight and eps. Leaves: a `Norm`, called as torch's RMSNorm is (Zhang & Sennrich 2019, arXiv 1910.07467). That one is a
chain of a dozen operations on a processor, which a step of a small model notices: the length of a vector is one operation, and the
hypotenuse of it and the square root of eps another.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Norm(nn.Module):
    """x_ND -> x_ND, for any dimensions before the last, in the dtype of x."""

    def __init__(self, weight: Tensor, eps: float):
        """weight: of shape D, or more dimensions that broadcast to those of x."""
        super().__init__()
        self.weight, self.eps, self.width = weight.detach(), eps, weight.shape[-1]
        # The mean's division by the width is in these.
        self.long_weight = self.weight * self.width**0.5
        self.least = self.weight.new_tensor((self.width * eps) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or x.dtype != self.weight.dtype:
            return F.rms_norm(x, (self.width,), None, self.eps) * self.weight.to(x.dtype)
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return (x * self.long_weight).div_(torch.hypot(length, self.least))
