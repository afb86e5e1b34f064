"""Codes that draw a clip better than those which the encoder reads off it: for an image that someone brings and wants to see again.

The encoder answers in one pass; the decoder knows what every code draws. So the encoder's answer is only where the search begins:
its positions before they were rounded are moved down the gradient of what the drawing gets wrong. Codes and decoder stay as they
are, so a GPT that knows them can read what was found. For a GPT's training data it is too slow, and the codes that it finds are
harder to foretell (EXPERIMENTS.md).
"""

from operator import itemgetter

import torch
from torch import Tensor

from tokenizer.losses import attention, reconstruction
from tokenizer.model import VideoTokenizer

RATE = 0.1  # of Adam, falling to nothing
BETAS = (0.8, 0.95)
SQUARED = 10.0  # weight of the squared error beside the losses that the tokenizer was trained with
STEPS = 20


def search_codes(model: VideoTokenizer, clip_CTHW: Tensor, steps: int = STEPS) -> Tensor:
    """clip_CTHW float [-1,1] -> codes_thw int64 in [0, K) that draw it no worse than the encoder's. `model` in evaluation mode.

    A step costs about as much as decoding the clip three times.
    """
    with torch.inference_mode(False), torch.enable_grad():
        clip_BCTHW = clip_CTHW[None].clone()  # a tensor that was made in inference mode takes no part in gradients
        weights_B1THW = attention(clip_BCTHW, None)
        positions = model.positions(clip_BCTHW).detach().requires_grad_(True)
        adam = torch.optim.Adam([positions], lr=RATE, betas=BETAS)
        tried: list[tuple[float, Tensor]] = []
        for step in range(steps + 1):
            drawn_BCTHW, quantized = model.draw(positions)
            terms = reconstruction(drawn_BCTHW, clip_BCTHW, weights_B1THW)
            terms["squared"] = SQUARED * (weights_B1THW * (drawn_BCTHW - clip_BCTHW).square()).mean()
            error = torch.stack(list(terms.values())).sum()
            tried.append((float(error.detach()), quantized.codes))
            if step < steps:
                (positions.grad,) = torch.autograd.grad(error, positions)
                adam.param_groups[0]["lr"] = RATE * (1 - step / (steps + 1))
                adam.step()
    return min(tried, key=itemgetter(0))[1]
