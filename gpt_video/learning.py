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
from gpt_video.pairs import embedded, rows_of
from gpt_video.sequence import Vocabulary
from tokenizer.optimizer import Muon

TABLE_RATE = 3  # the embedding table learns faster than the matrices


class VideoLoss(nn.Module):
    """The GPT with its loss. Logits are computed where a video code is predicted, and over video codes, alone."""

    def __init__(self, gpt: Qwen3ForCausalLM, vocabulary: Vocabulary):
        super().__init__()
        self.gpt, self.vocabulary = gpt, vocabulary

    def forward(self, ids_BL: torch.Tensor, labels_BL: torch.Tensor) -> torch.Tensor:
        """losses_N in nats of the N labels that are not -100, in order; of a code of two parts their sum."""
        table_VD = self.gpt.lm_head.weight
        embeds_BLD = embedded(table_VD, ids_BL[:, :-1], self.vocabulary)
        hidden_BLD = self.gpt.model(inputs_embeds=embeds_BLD, use_cache=False).last_hidden_state
        target_M = labels_BL[:, 1:].flatten()
        index_N = (target_M != IGNORED).nonzero()[:, 0]
        hidden_ND = hidden_BLD.flatten(0, 1).index_select(0, index_N)
        first_N, second_N = rows_of(target_M[index_N], self.vocabulary)
        first, *others = self.vocabulary.part_slices
        losses_N = _surprise(hidden_ND, table_VD, first_N, first)
        for second in others:
            hidden_ND = self.gpt.get_submodule("second")(hidden_ND, F.embedding(first_N, table_VD))
            losses_N = losses_N + _surprise(hidden_ND, table_VD, second_N, second)
        return losses_N


def _surprise(hidden_ND: torch.Tensor, table_VD: torch.Tensor, rows_N: torch.Tensor, part: slice) -> torch.Tensor:
    logits_NK = F.linear(hidden_ND, table_VD[part])
    return F.cross_entropy(logits_NK.float(), rows_N - part.start, reduction="none")


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
