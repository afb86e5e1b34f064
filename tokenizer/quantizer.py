"""The codebook: features_NChw -> quantised features_NChw, codes_Nhw and a training penalty.

One face over vector-quantize-pytorch. FSQ (arXiv 2309.15505) is the default; VQ with a moving-average codebook is the second
kind, with the explicit settings under which it does not lose its codes.
"""

from typing import Literal, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from vector_quantize_pytorch import FSQ, VectorQuantize

Kind = Literal["fsq", "vq"]
VQ_DIMENSIONS = 8


class Quantized(NamedTuple):
    """What the quantizer gives: features_NChw float32, codes_Nhw int64 in [0, K), penalty: a scalar to add to the loss."""

    features: Tensor
    codes: Tensor
    penalty: Tensor


class Quantizer(nn.Module):
    """`levels` are FSQ's levels a dimension; for VQ their product is the codebook's size."""

    def __init__(self, kind: Kind, channels_in: int, channels_out: int, levels: tuple[int, ...]):
        super().__init__()
        self.kind, self.levels = kind, levels
        dimensions = len(levels) if kind == "fsq" else VQ_DIMENSIONS
        self.into = nn.Linear(channels_in, dimensions)
        # Straight after a convolution FSQ collapsed to a single code at a learning rate of 1e-3: unit variance prevents it.
        self.norm = nn.BatchNorm1d(dimensions, affine=False, momentum=0.05)
        self.out = nn.Linear(dimensions, channels_out)
        self.codebook = _fsq(levels) if kind == "fsq" else _vq(levels)
        self.codebook_size = int(torch.tensor(levels).prod())

    def forward(self, features_NChw: Tensor) -> Quantized:
        """Quantise."""
        return self.nearest(self.positions(features_NChw))

    def positions(self, features_NChw: Tensor) -> Tensor:
        """positions_NhwD float32: where each cell lies in the space that the codebook divides."""
        with torch.autocast(features_NChw.device.type, enabled=False):
            cells = rearrange(features_NChw.float(), "N C h w -> (N h w) C")
            flat = self.norm(self.into(cells))
        return rearrange(flat, "(N h w) D -> N h w D", N=len(features_NChw), h=features_NChw.shape[-2])

    def nearest(self, positions_NhwD: Tensor) -> Quantized:
        """The codes nearest to these positions. Always in float32: in bf16 neighbouring levels are confused."""
        n, height, _, _ = positions_NhwD.shape
        with torch.autocast(positions_NhwD.device.type, enabled=False):
            flat = rearrange(positions_NhwD, "N h w D -> 1 (N h w) D")
            if self.kind == "fsq":
                quantized, codes = self.codebook(flat)
                penalty = flat.new_zeros(())
            else:
                quantized, codes, penalty = self.codebook(flat)
                if not self.training:  # the library lets the gradient through in training alone
                    quantized = flat + (quantized - flat).detach()
            features = self._back(self.out(quantized[0]), n, height)
        return Quantized(features, rearrange(codes[0].long(), "(N h w) -> N h w", N=n, h=height), penalty.sum())

    def features(self, codes_Nhw: Tensor) -> Tensor:
        """codes_Nhw -> features_NChw: what `forward` gave for these codes."""
        n, height, _ = codes_Nhw.shape
        flat = codes_Nhw.reshape(1, -1)
        look_up = self.codebook.indices_to_codes if self.kind == "fsq" else self.codebook.get_output_from_indices
        return self._back(self.out(look_up(flat)[0].float()), n, height)

    @staticmethod
    def _back(cells: Tensor, n: int, height: int) -> Tensor:
        features = rearrange(cells, "(N h w) C -> N C h w", N=n, h=height)
        return features.contiguous(memory_format=torch.channels_last)


def usage(codes: Tensor, codebook_size: int) -> tuple[float, float]:
    """Share of the codebook that occurs in `codes`, and the perplexity of their distribution (1 .. codebook_size)."""
    counts = torch.bincount(codes.flatten(), minlength=codebook_size).float()
    p = counts / counts.sum()
    entropy = -(p * p.clamp(min=1e-12).log()).sum()
    return float((counts > 0).float().mean()), float(entropy.exp())


def _fsq(levels: tuple[int, ...]) -> FSQ:
    if min(levels) < 5:
        raise ValueError(f"FSQ levels {levels}: every level must be at least 5, smaller ones train badly")
    # Told at once that codes are wanted, the library makes a table of all of them, which nobody reads: 600 MB for a pair.
    fsq = FSQ(list(levels), return_indices=False)
    fsq.return_indices = True
    return fsq


def _vq(levels: tuple[int, ...]) -> VectorQuantize:
    # The library's defaults (decay 0.8, no revival of dead codes, no k-means start) lose most of the codebook.
    return VectorQuantize(
        dim=VQ_DIMENSIONS,
        codebook_size=int(torch.tensor(levels).prod()),
        decay=0.99,
        kmeans_init=True,
        use_cosine_sim=True,
        threshold_ema_dead_code=2,
        commitment_weight=0.25,
        rotation_trick=True,
    )
