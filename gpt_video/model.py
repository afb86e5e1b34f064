"""The GPT: a stock transformers causal LM (Qwen3-shaped) and its presets.

Enters: the name of a preset, the size of the vocabulary, the longest window. Leaves: a `Qwen3ForCausalLM` that
transformers saves, loads and runs by itself (RMSNorm, QK-norm, SwiGLU, rotary positions, grouped queries, tied
embeddings). There is no attention code of our own. Where a code is a pair, it is a `PairGPT` (pairs.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from gpt_video.pairs import kind_of

HEAD_DIM = 64
ROPE_THETA = 10_000.0  # windows stay below 4,096 tokens: the slowest wave still turns by a visible angle in a frame

# Differences from the "15m" shape. The numbers in the names count parameters without the embedding table.
# Wide and shallow: a decode step costs about as much per layer as per matrix, and so does an element-wise op on a CPU.
BASE: dict[str, int] = {"hidden_size": 512, "num_hidden_layers": 6, "intermediate_size": 1280, "num_key_value_heads": 2}
PRESETS: dict[str, dict[str, int]] = {
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128, "num_key_value_heads": 1},
    "5m": {"hidden_size": 256, "intermediate_size": 768},
    "10m": {"hidden_size": 384, "intermediate_size": 1024},
    "15m": {},
    "40m": {"hidden_size": 640, "num_hidden_layers": 9, "intermediate_size": 1792},
    "120m": {"hidden_size": 1024, "num_hidden_layers": 11, "intermediate_size": 2816, "num_key_value_heads": 4},
}


def gpt_config(preset: str, vocab_size: int, window: int, code_parts: int = 1) -> Qwen3Config:
    """The configuration of a preset.

    `vocab_size`: rows of the embedding table (text + special + video); `window`: the longest sequence in tokens; `code_parts`: 2
    where a code is a pair (pairs.py). Raises ValueError on an unknown preset.
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown GPT preset {preset!r}: choose one of {', '.join(PRESETS)}")
    shape: dict[str, Any] = BASE | PRESETS[preset]
    if code_parts > 1:
        shape["code_parts"] = code_parts
    return Qwen3Config(
        **shape,
        vocab_size=vocab_size,
        head_dim=HEAD_DIM,
        num_attention_heads=shape["hidden_size"] // HEAD_DIM,
        max_position_embeddings=window,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        tie_word_embeddings=True,
    )


def build_gpt(preset: str, vocab_size: int, window: int, code_parts: int = 1) -> Qwen3ForCausalLM:
    """A freshly initialised GPT on the CPU in float32 (see `gpt_config`); the global seed decides the weights."""
    config = gpt_config(preset, vocab_size, window, code_parts)
    gpt = kind_of(config)._from_config(config, attn_implementation="sdpa")
    initialise_(gpt)
    return gpt


@torch.no_grad()
def initialise_(gpt: Qwen3ForCausalLM) -> None:
    """Normal(0.02) as in transformers, but every block starts as the identity: its two output matrices are zero."""
    for layer in gpt.model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()


@torch.no_grad()
def deepened(gpt: Qwen3ForCausalLM, layers: int) -> Qwen3ForCausalLM:
    """The same function with so many layers more, spread evenly: each a copy of the one before it that adds nothing yet.

    For training on (Chen et al. 2016, arXiv 1511.05641). Raises ValueError for more layers than there are, or fewer than none.
    """
    n = gpt.config.num_hidden_layers
    if not 0 <= layers <= n:
        raise ValueError(f"{layers} more layers for a GPT of {n}: give a number from 0 to {n}")
    copied = {index * n // layers for index in range(layers)}
    sources = [index for index in range(n) for _ in range(1 + (index in copied))]
    config = Qwen3Config.from_dict(gpt.config.to_dict() | {"num_hidden_layers": len(sources), "layer_types": None})
    deep = kind_of(config)._from_config(config, attn_implementation="sdpa")
    around = {name: weight for name, weight in gpt.state_dict().items() if not name.startswith("model.layers.")}
    deep.load_state_dict(around, strict=False)
    for index, (layer, source) in enumerate(zip(deep.model.layers, sources, strict=True)):
        layer.load_state_dict(gpt.model.layers[source].state_dict())
        if index and sources[index - 1] == source:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    return deep


@torch.no_grad()
def initialise_video_embeddings_(gpt: Qwen3ForCausalLM, video_slice: slice, fsq_levels: Sequence[int]) -> None:
    """Embeds each video code as the sum of one vector per FSQ digit, so that neighbouring codes start near each other.

    `fsq_levels`: levels of each digit, the first digit changes fastest. A digit's vector is a random direction times
    its level in [-1, 1] plus a random vector of its own. Of pairs a slice is one part, with its digits alone.
    Raises ValueError if the levels do not span `video_slice`.
    """
    table = gpt.model.embed_tokens.weight
    n_codes = video_slice.stop - video_slice.start
    if math.prod(fsq_levels) != n_codes:
        raise ValueError(f"FSQ levels {tuple(fsq_levels)} make {math.prod(fsq_levels)} codes, expected {n_codes}")
    code_K, rows_KD = torch.arange(n_codes), torch.zeros(n_codes, table.shape[1])
    for levels in fsq_levels:
        level_K = code_K % levels
        direction_D, own_LD = torch.randn(table.shape[1]), torch.randn(levels, table.shape[1])
        rows_KD += (2 * level_K / max(levels - 1, 1) - 1)[:, None] * direction_D + 0.5 * own_LD[level_K]
        code_K = code_K // levels
    table[video_slice] = (rows_KD * gpt.config.initializer_range / rows_KD.std()).to(table)


def count_parameters(gpt: torch.nn.Module) -> int:
    """Parameters without the (tied) embedding table."""
    return sum(p.numel() for name, p in gpt.named_parameters() if "embed_tokens" not in name)
