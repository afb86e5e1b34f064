"""The GPT's forward pass in the form that sampling needs: one token a step, over a cache of fixed size.

Enters: a Qwen3 model of transformers, whose weights are copied. Leaves: hidden states of the last position, those of the stock
model to rounding (tests/test_engine.py compares them).

The step of a small model spends its time between operations and not in them, so there are as few as can be: what reads the same
input is one matrix, norms and rotations take queries and keys together, and the queries that share a key head are the rows of one
attention, which then needs neither a mask nor copies of the keys.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import Qwen3ForCausalLM

from gpt_video.matrix import Matrix
from gpt_video.pairs import embedded
from gpt_video.sequence import Vocabulary


class Layer(NamedTuple):
    """Weights of a block: the norms before its two halves, and the matrices joined by what they read."""

    norm_D: Tensor
    query_key_value: Matrix
    query_key_norm_HE: Tensor  # of every query head, then every key head
    out: Matrix
    mlp_norm_D: Tensor
    gate_up: Matrix
    down: Matrix

    def with_norms_in(self, dtype: torch.dtype) -> Layer:
        """The same for inputs of another dtype, which a `Matrix` follows by itself."""
        norms = [norm.to(dtype) for norm in (self.norm_D, self.query_key_norm_HE, self.mlp_norm_D)]
        return self._replace(norm_D=norms[0], query_key_norm_HE=norms[1], mlp_norm_D=norms[2])


def attention_kernels(device: torch.device) -> AbstractContextManager:
    """Within it, attention on a GPU does without cuDNN, which makes a plan for every length: a cache has another one each step.

    Measured on an H200, 1,536 rows: 40 ms a step with it, 4 without.
    """
    others = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel(others) if device.type == "cuda" else nullcontext()


class Cache:
    """Keys and values of every layer, B heads S E, of which the first `length` places are filled."""

    def __init__(self, layers: int, batch: int, heads: int, size: int, width: int, like: Tensor):
        shape = (layers, batch, heads, size, width)
        self.keys, self.values = like.new_empty(shape).unbind(0), like.new_empty(shape).unbind(0)
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

        reading: what a prompt is read in, if not in the dtype of the weights (`dtype.reading_dtype`).
        eight_bit_rows: up to how many rows a step multiplies by matrices of eight bits (matrix.py).
        """
        config = gpt.config
        if config.attention_bias or config.use_sliding_window or config.hidden_act != "silu":
            raise ValueError(
                "this GPT has attention biases, a sliding window or another activation: only plain Qwen3 is read"
            )
        self.heads, self.width = config.num_attention_heads, config.head_dim
        self.key_heads = config.num_key_value_heads or config.num_attention_heads
        self.eps = config.rms_norm_eps
        self.table_VD, self.vocabulary = gpt.model.embed_tokens.weight.detach(), vocabulary
        self.dtype, self.reading = self.table_VD.dtype, reading or self.table_VD.dtype
        self.norm_D = gpt.model.norm.weight.detach()
        self.layers = [self._layer(block, eight_bit_rows) for block in gpt.model.layers]
        places = torch.arange(config.max_position_embeddings, device=self.table_VD.device)[None]
        cos_1SE, sin_1SE = gpt.model.rotary_emb(self.table_VD, places)
        # Rotary positions turn (x, y) into (x cos - y sin, y cos + x sin): with the signs in the sines that is one roll.
        signs_E = torch.ones_like(sin_1SE[0, 0])
        signs_E[: self.width // 2] = -1
        self.cos_S1E, self.sin_S1E = cos_1SE[0, :, None], (sin_1SE[0] * signs_E)[:, None]

    def new_cache(self, batch: int, size: int) -> Cache:
        """An empty cache for `batch` rows of at most `size` tokens."""
        return Cache(len(self.layers), batch, self.key_heads, size, self.width, self.table_VD)

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
            if dtype != self.dtype:
                layer = layer.with_norms_in(dtype)
            joined_BLHE = layer.query_key_value(self._normed(x_BLD, layer.norm_D)).unflatten(-1, (-1, self.width))
            turned_BLHE = self._normed(joined_BLHE[:, :, : -self.key_heads]) * layer.query_key_norm_HE
            turned_BLHE = torch.addcmul(turned_BLHE * cos_L1E, turned_BLHE.roll(self.width // 2, -1), sin_L1E)
            keys_BKSE[:, :, start:stop] = turned_BLHE[:, :, self.heads :].transpose(1, 2)
            values_BKSE[:, :, start:stop] = joined_BLHE[:, :, -self.key_heads :].transpose(1, 2)
            stored = (part_BKSE[:, :, :stop].to(dtype) for part_BKSE in (keys_BKSE, values_BKSE))
            seen = self._attended(turned_BLHE[:, :, : self.heads], *stored)
            x_BLD = x_BLD + layer.out(seen)
            gate, up = layer.gate_up(self._normed(x_BLD, layer.mlp_norm_D)).chunk(2, -1)
            x_BLD = x_BLD + layer.down(F.silu(gate) * up)
        cache.length = stop
        return self._normed(x_BLD, self.norm_D.to(dtype))

    def _attended(self, queries_BLHE: Tensor, keys_BKSE: Tensor, values_BKSE: Tensor) -> Tensor:
        grouped_BKGLE = rearrange(queries_BLHE, "B L (K G) E -> B K G L E", K=self.key_heads)
        length = queries_BLHE.shape[1]
        if length == 1:
            seen_BKGE = F.scaled_dot_product_attention(grouped_BKGLE[..., 0, :], keys_BKSE, values_BKSE)
            return rearrange(seen_BKGE, "B K G E -> B 1 (K G E)")
        queries_BHLE = rearrange(grouped_BKGLE, "B K G L E -> B (K G) L E")
        seen_BHLE = F.scaled_dot_product_attention(
            queries_BHLE, keys_BKSE, values_BKSE, is_causal=True, enable_gqa=True
        )
        return rearrange(seen_BHLE, "B H L E -> B L (H E)")

    def _normed(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], weight, self.eps)

    def _layer(self, block, eight_bit_rows: int) -> Layer:
        attention, mlp = block.self_attn, block.mlp
        norms = [attention.q_norm.weight] * self.heads + [attention.k_norm.weight] * self.key_heads
        return Layer(
            block.input_layernorm.weight.detach(),
            Matrix(
                torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]), eight_bit_rows
            ),
            torch.stack(norms).detach(),
            Matrix(attention.o_proj.weight, eight_bit_rows),
            block.post_attention_layernorm.weight.detach(),
            Matrix(torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]), eight_bit_rows),
            Matrix(mlp.down_proj.weight, eight_bit_rows),
        )
