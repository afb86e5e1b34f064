"""The optimizers of the tokenizer: Muon for convolutions, AdamW for all else.

Muon (Jordan et al. 2024, torch.optim.Muon) makes every update of a matrix orthogonal. At equal time it halved the loss that
AdamW reached in the first minutes (EXPERIMENTS.md). torch's takes matrices alone, so a convolution is shown to it as one:
output channels by everything else, through a view of the same memory.
"""

import torch
from torch import Tensor, nn

MUON_RATE = 12.0  # times the learning rate of AdamW


class ConvolutionMuon(torch.optim.Muon):
    """torch.optim.Muon over 4-dimensional weights. Make it when the model is on its device: it keeps views."""

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
    """[Muon, AdamW] over all parameters of the model; each group's own peak rate is kept in `group["peak"]`."""
    weights = [p for p in model.parameters() if p.ndim == 4]
    others = [p for p in model.parameters() if p.ndim != 4]
    optimizers: list[torch.optim.Optimizer] = [
        ConvolutionMuon(weights, lr=MUON_RATE * learning_rate),
        torch.optim.AdamW(others, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.01),
    ]
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["peak"] = group["lr"]
    return optimizers


def _matrix(weight_OIhw: Tensor) -> Tensor:
    """(out, everything else) of a channels-last convolution weight, without a copy where it can be avoided."""
    return weight_OIhw.permute(0, 2, 3, 1).reshape(len(weight_OIhw), -1)
