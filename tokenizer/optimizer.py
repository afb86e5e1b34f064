"""The optimizers of the tokenizer: Muon for convolutions, AdamW for all else. Muon is that of the GPT too.

Muon (Jordan et al. 2024, torch.optim.Muon) makes every update of a matrix orthogonal. At equal time it halved the loss that
AdamW reached in the first minutes (EXPERIMENTS.md). torch's takes matrices alone, so a convolution is shown to it as one:
output channels by everything else, through a view of the same memory.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tokenizer.precision import mixed_precision

MUON_RATE = 12.0  # times the learning rate of AdamW


class Muon(torch.optim.Muon):
    """torch.optim.Muon, which multiplies its matrices in bfloat16; in float32 where training keeps to that.

    A processor without instructions for bfloat16 spends most of a step of training on these products otherwise.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        if mixed_precision() == "bf16":
            return super().step(closure)
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for parameter in (p for p in group["params"] if p.grad is not None):
                momentum, rate = group["momentum"], float(group["lr"])
                state = self.state[parameter]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(parameter.grad)
                buffer = state["momentum_buffer"].lerp_(parameter.grad, 1 - momentum)
                update = parameter.grad.lerp(buffer, momentum) if group["nesterov"] else buffer
                parameter.mul_(1 - rate * group["weight_decay"])
                parameter.add_(orthogonal(update, group), alpha=-rate * _scale(group["adjust_lr_fn"], *parameter.shape))
        return loss


def orthogonal(matrix: Tensor, group: dict[str, Any]) -> Tensor:
    """The Newton-Schulz iteration of Muon, by the settings of a group of torch.optim.Muon, in the precision of the matrix."""
    a, b, c = group["ns_coefficients"]
    is_tall = matrix.size(0) > matrix.size(1)
    x = matrix.T if is_tall else matrix
    x = x / x.norm().clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if is_tall else x


def _scale(rule: str | None, rows: int, columns: int) -> float:
    """Of the rate, by the shape of a matrix, as torch.optim.Muon has it."""
    if rule == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))


class ConvolutionMuon(Muon):
    """Muon over 4-dimensional weights. Make it when the model is on its device: it keeps views."""

    def __init__(self, weights: list[nn.Parameter], lr: float):
        self.weights = weights
        self.matrices = [nn.Parameter(_matrix(weight.data)) for weight in weights]
        pairs = zip(self.weights, self.matrices, strict=True)
        assert all(weight.data_ptr() == matrix.data_ptr() for weight, matrix in pairs), (
            "a matrix is a copy: not trained"
        )
        super().__init__(self.matrices, lr=lr, weight_decay=0.01)

    @torch.no_grad()
    def step(self, closure=None):
        for weight, matrix in zip(self.weights, self.matrices, strict=True):
            matrix.grad = None if weight.grad is None else _matrix(weight.grad)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for weight in self.weights:
            weight.grad = None
        super().zero_grad(set_to_none)


def make_optimizers(model: nn.Module, learning_rate: float) -> list[torch.optim.Optimizer]:
    """[Muon, AdamW] over all parameters of the model."""
    weights = [p for p in model.parameters() if p.ndim == 4]
    others = [p for p in model.parameters() if p.ndim != 4]
    return [
        ConvolutionMuon(weights, lr=MUON_RATE * learning_rate),
        torch.optim.AdamW(others, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.01),
    ]


def _matrix(weight_OIhw: Tensor) -> Tensor:
    """(out, everything else) of a channels-last convolution weight, without a copy where it can be avoided."""
    return weight_OIhw.permute(0, 2, 3, 1).reshape(len(weight_OIhw), -1)
