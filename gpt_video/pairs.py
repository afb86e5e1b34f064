"""Codes of two parts: a codebook too large for one table is a product of two equal ones (`Vocabulary.part`).

A code is first + part * second, one token of the sequence. It is read as the sum of a row for each part, and predicted first part
first: the second is drawn knowing it, by a small network on top of the same hidden state (after Lee et al. 2022, arXiv 2203.01941).

Enters: a Qwen3 GPT. Leaves: `PairGPT`, which is that GPT and the small network; a GPT of single codes stays transformers' own.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from gpt_video.sequence import Vocabulary


class SecondPart(nn.Module):
    """hidden_ND and the rows_ND of the first parts -> hidden_ND that the second parts' rows are multiplied with."""

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.hidden_norm, self.row_norm = nn.RMSNorm(width, eps), nn.RMSNorm(width, eps)
        self.gate_up = nn.Linear(2 * width, 2 * width, bias=False)
        self.down = nn.Linear(width, width, bias=False)

    def forward(self, hidden_ND: Tensor, rows_ND: Tensor) -> Tensor:
        both = torch.cat([self.hidden_norm(hidden_ND), self.row_norm(rows_ND)], -1)
        gate, up = self.gate_up(both).chunk(2, -1)
        return hidden_ND + self.down(F.silu(gate) * up)


class PairGPT(Qwen3ForCausalLM):
    """A Qwen3 causal LM that predicts codes of two parts. Its `generate` knows first parts alone: `engine.Engine` knows both."""

    def __init__(self, config: Qwen3Config):
        super().__init__(config)
        self.second = SecondPart(config.hidden_size, config.rms_norm_eps)
        self.post_init()


def kind_of(config: Qwen3Config) -> type[Qwen3ForCausalLM]:
    """The class of a GPT with this configuration."""
    return PairGPT if getattr(config, "code_parts", 1) == 2 else Qwen3ForCausalLM


def read_gpt(folder: str | Path, dtype: torch.dtype = torch.float32) -> Qwen3ForCausalLM:
    """The GPT that `save_pretrained` wrote. OSError where there is none."""
    config = Qwen3Config.from_pretrained(folder, local_files_only=True)
    return kind_of(config).from_pretrained(folder, dtype=dtype, use_safetensors=True, local_files_only=True)


def embedded(table_VD: Tensor, ids: Tensor, vocabulary: Vocabulary) -> Tensor:
    """What the GPT reads for each id: its row of the table, or the sum of those of its parts."""
    if not vocabulary.is_paired:
        return F.embedding(ids, table_VD)
    first, second = rows_of(ids, vocabulary)
    second_rows = F.embedding(second, table_VD) * (ids >= vocabulary.video_slice.start)[..., None]
    return F.embedding(first, table_VD) + second_rows


def rows_of(ids: Tensor, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """The table's rows of the first and second parts of video ids; of other ids their own and a meaningless one."""
    start, part = vocabulary.video_slice.start, vocabulary.part
    codes = (ids - start).clamp(min=0)
    return torch.where(ids < start, ids, start + codes % part), start + part + codes // part
