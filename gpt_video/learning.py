"""What every training of the GPT is made of: its loss, its optimizers, the check that it can go on, its silence."""

from __future__ import annotations

import logging
import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen3ForCausalLM
from transformers.utils import logging as transformers_logging

from gpt_video.dataset import IGNORED
from gpt_video.sequence import Vocabulary
from tokenizer.optimizer import Muon

TABLE_RATE = 3  # the embedding table learns faster than the matrices


class VideoLoss(nn.Module):
    """The GPT with its loss. Logits are computed where a video code is predicted, and over video codes, alone."""

    def __init__(self, gpt: Qwen3ForCausalLM, vocabulary: Vocabulary):
        super().__init__()
        self.gpt, self.video = gpt, vocabulary.video_slice

    def forward(self, ids_BL: torch.Tensor, labels_BL: torch.Tensor) -> torch.Tensor:
        """losses_N in nats of the N labels that are not -100, in order."""
        hidden_BLD = self.gpt.model(input_ids=ids_BL[:, :-1], use_cache=False).last_hidden_state
        target_M = labels_BL[:, 1:].flatten()
        index_N = (target_M != IGNORED).nonzero()[:, 0]
        hidden_ND = hidden_BLD.flatten(0, 1).index_select(0, index_N)
        logits_NK = F.linear(hidden_ND, self.gpt.lm_head.weight[self.video])
        return F.cross_entropy(logits_NK.float(), target_M[index_N] - self.video.start, reduction="none")


def make_optimizers(gpt: Qwen3ForCausalLM, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks; AdamW for the embedding table and the norms, at TABLE_RATE the rate."""
    matrices = [p for name, p in gpt.named_parameters() if p.ndim == 2 and "embed_tokens" not in name]
    rest = [p for name, p in gpt.named_parameters() if p.ndim != 2 or "embed_tokens" in name]
    muon = Muon(matrices, learning_rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(rest, TABLE_RATE * learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return [muon, adamw]


def check_finite(loss: float, step: int) -> None:
    """Stop a run that cannot be saved, and say why."""
    if not math.isfinite(loss):
        raise SystemExit(f"step {step}: the loss is {loss}, not finite; start again with a lower --learning-rate")


def quiet() -> None:
    """No progress bar and no warning about the tied embedding table for each save."""
    transformers_logging.disable_progress_bar()
    logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)
