"""The GPT's forward pass in the form that sampling needs: one token a step, over a cache of fixed size.

Enters: a Qwen3 model of transformers, whose weights are copied. Leaves: hidden states of the last position, those of the stock
model to rounding (tests/test_engine.py compares them).

The step of a small model spends its time between operations and not in them, so there are as few as can be: what reads the same
input is one matrix, norms and rotations take queries and keys together, and the queries that share a key head are the rows of one
attention, which then needs neither a mask nor copies of the keys.
"""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import Qwen3ForCausalLM

from gpt_video.matrix import Matrix
from gpt_video.norm import Norm
from gpt_video.pairs import embedded
from gpt_video.sequence import Vocabulary


class Layer(NamedTuple):
    """Weights of a block: the norms before its two halves, and the matrices joined by what they read."""

    norm: Norm
    query_key_value: Matrix
    query_key_norm: Norm  # of every query head, then every key head
    out: Matrix
    mlp_norm: Norm
    gate_up: Matrix
    down: Matrix


def attention_kernels(device: torch.device) -> AbstractContextManager:
    """Within it, attention on a GPU does without cuDNN, which makes a plan for every length: a cache has another one each step.

    Measured on an H200, 1,536 rows: 40 ms a step with it, 4 without.
    """
    others = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel(others) if device.type == "cuda" else nullcontext()


def for_steps(module: nn.Module, eight_bit_rows: int) -> nn.Module:
    """A copy of a small network for sampling: its linear layers, which have no biases, and its norms in the forms used here."""
    module = copy.deepcopy(module)
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Matrix(child.weight, eight_bit_rows))
        elif isinstance(child, nn.RMSNorm):
            assert child.eps is not None
            setattr(module, name, Norm(child.weight, child.eps))
    return module


class Cache:
    """Keys and values of every layer, B heads S E, of which the first `length` places are filled."""

    def __init__(self, layers: int, batch: int, heads: int, size: int, width: int, like: Tensor, dtype: torch.dtype):
        shape = (layers, batch, heads, size, width)
        self.keys, self.values = (like.new_empty(shape, dtype=dtype).unbind(0) for _ in range(2))
        self.length = 0


class Decoder:
    """A GPT ready to sample: `new_cache`, then `read` the prompt, then `step` for each token."""

    def __init__(
        self,
        gpt: Qwen3ForCausalLM,
        vocabulary: Vocabulary,
        reading: torch.dtype | None = None,
        eight_bit_rows: int = 0,
    ):
        """Copies the weights of `gpt`, in their dtype. ValueError on a Qwen3 variant that this form does not cover.

        reading: what a prompt is read in, and keys and values are kept in, if not the dtype of the weights (`dtype.reading_dtype`).
        eight_bit_rows: up to how many rows a step multiplies by matrices of eight bits (matrix.py).
        """
        config = gpt.config
        if config.attention_bias or config.use_sliding_window or config.hidden_act != "silu":
            raise ValueError(
                "this GPT has attention biases, a sliding window or another activation: only plain Qwen3 is read"
            )
        self.heads, self.width = config.num_attention_heads, config.head_dim
        self.key_heads = config.num_key_value_heads or config.num_attention_heads
        self.table_VD, self.vocabulary = gpt.model.embed_tokens.weight.detach(), vocabulary
        self.dtype, self.reading = self.table_VD.dtype, reading or self.table_VD.dtype
        self.norm = Norm(gpt.model.norm.weight, config.rms_norm_eps)
        self.layers = [self._layer(block, eight_bit_rows) for block in gpt.model.layers]
        places = torch.arange(config.max_position_embeddings, device=self.table_VD.device)[None]
        cos_1SE, sin_1SE = gpt.model.rotary_emb(self.table_VD, places)
        # Rotary positions turn (x, y) into (x cos - y sin, y cos + x sin): with the signs in the sines that is one roll.
        signs_E = torch.ones_like(sin_1SE[0, 0])
        signs_E[: self.width // 2] = -1
        self.cos_S1E, self.sin_S1E = cos_1SE[0, :, None], (sin_1SE[0] * signs_E)[:, None]

    def new_cache(self, batch: int, size: int) -> Cache:
        """An empty cache for `batch` rows of at most `size` tokens."""
        # In the dtype of reading: a processor that multiplies slowly in bfloat16 attends slowly in it, too.
        return Cache(len(self.layers), batch, self.key_heads, size, self.width, self.table_VD, self.reading)

    def read(self, ids_BL: Tensor, cache: Cache) -> Tensor:
        """Fills an empty cache with a prompt; hidden_BD after its last token."""
        assert cache.length == 0, "a prompt is read into an empty cache"
        with attention_kernels(ids_BL.device):
            return self._forward(ids_BL, cache, self.reading)[:, -1].to(self.dtype)

    def step(self, ids_B: Tensor, cache: Cache) -> Tensor:
        """Adds one token a row; hidden_BD after it."""
        with attention_kernels(ids_B.device):
            return self._forward(ids_B[:, None], cache, self.dtype)[:, 0]

    def _forward(self, ids_BL: Tensor, cache: Cache, dtype: torch.dtype) -> Tensor:
        start, stop = cache.length, cache.length + ids_BL.shape[1]
        cos_L1E, sin_L1E = (table[start:stop].to(dtype) for table in (self.cos_S1E, self.sin_S1E))
        x_BLD = embedded(self.table_VD, ids_BL, self.vocabulary).to(dtype)
        for layer, keys_BKSE, values_BKSE in zip(self.layers, cache.keys, cache.values, strict=True):
            joined_BLHE = layer.query_key_value(layer.norm(x_BLD)).unflatten(-1, (-1, self.width))
            turned_BLHE = layer.query_key_norm(joined_BLHE[:, :, : -self.key_heads])
            turned_BLHE = torch.addcmul(turned_BLHE * cos_L1E, turned_BLHE.roll(self.width // 2, -1), sin_L1E)
            keys_BKSE[:, :, start:stop] = turned_BLHE[:, :, self.heads :].transpose(1, 2)
            values_BKSE[:, :, start:stop] = joined_BLHE[:, :, -self.key_heads :].transpose(1, 2)
            queries_BLHE = turned_BLHE[:, :, : self.heads].to(keys_BKSE.dtype)
            seen = self._attended(queries_BLHE, keys_BKSE[:, :, :stop], values_BKSE[:, :, :stop])
            x_BLD = x_BLD + layer.out(seen.to(dtype))
            gate, up = layer.gate_up(layer.mlp_norm(x_BLD)).chunk(2, -1)
            x_BLD = x_BLD + layer.down(F.silu(gate) * up)
        cache.length = stop
        return self.norm(x_BLD)

    def _attended(self, queries_BLHE: Tensor, keys_BKSE: Tensor, values_BKSE: Tensor) -> Tensor:
        if queries_BLHE.shape[1] == 1:  # views alone: a step notices einops
            grouped_BKGE = queries_BLHE[:, 0].unflatten(1, (self.key_heads, -1))
            return F.scaled_dot_product_attention(grouped_BKGE, keys_BKSE, values_BKSE).flatten(1)[:, None]
        queries_BHLE = queries_BLHE.transpose(1, 2)
        seen_BHLE = F.scaled_dot_product_attention(
            queries_BHLE, keys_BKSE, values_BKSE, is_causal=True, enable_gqa=True
        )
        return rearrange(seen_BHLE, "B H L E -> B L (H E)")

    def _layer(self, block, eight_bit_rows: int) -> Layer:
        attention, mlp, eps = block.self_attn, block.mlp, self.norm.eps
        norms = [attention.q_norm.weight] * self.heads + [attention.k_norm.weight] * self.key_heads
        return Layer(
            Norm(block.input_layernorm.weight, eps),
            Matrix(
                torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]), eight_bit_rows
            ),
            Norm(torch.stack(norms), eps),
            Matrix(attention.o_proj.weight, eight_bit_rows),
            Norm(block.post_attention_layernorm.weight, eps),
            Matrix(torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]), eight_bit_rows),
            Matrix(mlp.down_proj.weight, eight_bit_rows),
        )
