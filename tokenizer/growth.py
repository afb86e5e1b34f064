"""A larger tokenizer that begins as a smaller one: what training on from smaller weights starts with.

After Net2Net (Chen et al. 2016, arXiv 1511.05641). An encoder may be twice as wide at some of its grids, and a code may have more
digits: the first ones then say what they said, and the new ones are not heard yet.
"""

import torch
from torch import Tensor

from tokenizer.model import VideoTokenizer, VideoTokenizerConfig


@torch.no_grad()
def grown(old: VideoTokenizer, config: VideoTokenizerConfig) -> VideoTokenizer:
    """A tokenizer of `config` with the weights of `old` wherever they fit, widened or not; the rest is new (global seed)."""
    new = VideoTokenizer(config)
    state = new.state_dict()
    for name, value in old.state_dict().items():
        if name in state and (fitted := _fitted(name, value, state[name])) is not None:
            state[name] = fitted
    new.load_state_dict(state)
    return new


def _fitted(name: str, old: Tensor, new: Tensor) -> Tensor | None:
    """`old` in the shape of `new`, or None where it cannot be."""
    if old.shape == new.shape:
        return old
    if old.ndim != new.ndim or name.startswith("quantizer.codebook"):
        return None
    if name.startswith("quantizer."):
        return _extended(old, new, silent=name.startswith("quantizer.out"))
    return _widened(old, new) if name.startswith("encoder.") else None


def _extended(old: Tensor, new: Tensor, silent: bool) -> Tensor | None:
    """More digits: `old` is the first of them. silent: what reads the new ones begins with nothing."""
    if any(a > b for a, b in zip(old.shape, new.shape, strict=True)):
        return None
    joined = torch.zeros_like(new) if silent else new.clone()
    joined[tuple(slice(size) for size in old.shape)] = old
    return joined


def _widened(old: Tensor, new: Tensor) -> Tensor | None:
    """Every channel twice, side by side (so that groups keep their means); who reads a pair divides its weight at random."""
    ratios = [b / a for a, b in zip(old.shape, new.shape, strict=True)]
    if any(ratio not in (1, 2) for ratio in ratios) or any(ratio != 1 for ratio in ratios[2:]):
        return None
    wide = old.repeat_interleave(2, 0) if ratios[0] == 2 else old
    if len(ratios) > 1 and ratios[1] == 2:
        share = torch.empty_like(wide).uniform_(0.3, 0.7)
        wide = torch.stack([wide * share, wide * (1 - share)], 2).flatten(1, 2)
    return wide
