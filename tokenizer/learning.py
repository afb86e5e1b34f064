"""What every training of the tokenizer is made of: the tokenizer with a head that names what its codes show, and a step."""

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from tokenizer.loop import descend
from tokenizer.losses import attention, class_surprise, psnr, reconstruction
from tokenizer.model import VideoTokenizer
from tokenizer.quantizer import Quantized, usage

LOSS_WEIGHTS = {"l1": 1.0, "gradient": 1.0, "coarse": 1.0, "classes": 0.1}


class Learner(nn.Module):
    """The tokenizer with a head that names, from the codes alone, the class of what is in each cell: kept only while training.

    So that what a thing is survives in the codes, and not only how its pixels look on average. Without classes there is no head.
    """

    def __init__(self, model: VideoTokenizer, classes: int):
        super().__init__()
        self.tokenizer = model
        self.codebook_size, self.temporal_stride = model.codebook_size, model.config.temporal_stride
        width = model.config.decoder_widths[-1]
        self.names = (
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, 1 + classes, 1))
            if classes
            else None
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, clip_BCTHW: Tensor) -> tuple[Tensor, Quantized, Tensor | None]:
        """The reconstruction, the codebook's part, and logits_NKhw of background and classes."""
        rebuilt, quantized = self.tokenizer(clip_BCTHW)
        return rebuilt, quantized, self.names(quantized.features) if self.names else None


def train_step(model, optimizers, accelerator: Accelerator, batch) -> dict[str, float]:
    """One step; the named losses, PSNR and codebook numbers of the batch."""
    clip = batch.clip_BCTHW.to(accelerator.device)
    masks = None if batch.masks_BTHW is None else batch.masks_BTHW.to(accelerator.device)
    with accelerator.autocast():
        rebuilt, quantized, class_logits = model(clip)
    terms = reconstruction(rebuilt, clip, attention(clip, masks))
    if masks is not None and class_logits is not None:
        terms["classes"] = class_surprise(class_logits, masks, accelerator.unwrap_model(model).temporal_stride)
    loss = sum(LOSS_WEIGHTS[name] * term for name, term in terms.items()) + quantized.penalty
    descend(loss, model, optimizers, accelerator)
    with torch.no_grad():
        scaled = [(x * 127.5 + 127.5).movedim(1, -1) for x in (rebuilt.clamp(-1, 1), clip)]
        decibel = psnr(*scaled).mean()
    used, perplexity = usage(quantized.codes, accelerator.unwrap_model(model).codebook_size)
    named = {name: round(float(term.detach()), 5) for name, term in terms.items()}
    return {"loss": float(loss.detach()), **named, "psnr": float(decibel), "usage": used, "perplexity": perplexity}
