"""Sampling video codes: prefill, decode one token at a time over a KV cache, guidance, noise.

Enters: prompts (ids_L, see sequence.py), a grid, how to sample, a seed for each row. Leaves: codes_Bhw of one latent
frame after another, each as soon as it is made.

Logits are taken over the video slice only. Special tokens stand at known places: they are fed, never sampled. The noise of
a token is a function of (seed, its place in its own turn), so a sample depends neither on what it is batched with nor on
the global random state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from transformers import Qwen3ForCausalLM

from gpt_video import sequence
from gpt_video.decoder import Decoder, for_steps
from gpt_video.dtype import reading_dtype
from gpt_video.matrix import Matrix
from gpt_video.sequence import Grid, Vocabulary

LIKELY = 128  # codes that nearly always hold top_p of the probability, so that the others need not be put in order


@dataclass(frozen=True)
class Sampling:
    """temperature > 0; top_k >= 0 (0 = off); 0 < top_p <= 1 (1 = off); guidance_scale >= 0 (1 = off)."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 0.95
    guidance_scale: float = 2.0

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and self.top_k >= 0 and 0 < self.top_p <= 1 and self.guidance_scale >= 0):
            raise ValueError(
                f"{self} is out of range: temperature > 0, top_k >= 0, 0 < top_p <= 1, guidance_scale >= 0 are possible"
            )


class Engine:
    """A GPT that is ready to sample: `generate`. Not thread-safe."""

    def __init__(
        self,
        gpt: Qwen3ForCausalLM,
        vocabulary: Vocabulary,
        dtype: torch.dtype | None = None,
        eight_bit_rows: int = 0,
    ):
        """Takes `gpt` over: it is set to evaluation and, if given, it is cast to `dtype`.

        eight_bit_rows: up to how many rows a step multiplies by weights of eight bits (`dtype.eight_bit_rows`).
        """
        rows = gpt.config.vocab_size
        if rows != vocabulary.size:
            raise ValueError(
                f"the GPT has {rows} tokens and the vocabulary {vocabulary.size}: they are not of one model"
            )
        self.gpt = gpt.to(dtype or gpt.dtype).eval()  # type: ignore[arg-type]  # transformers' wrapper hides the signature
        self.decoder = Decoder(self.gpt, vocabulary, reading_dtype(self.gpt.dtype, self.gpt.device), eight_bit_rows)
        self.vocabulary, self.eight_bit_rows = vocabulary, eight_bit_rows
        self.part_rows = [gpt.lm_head.weight[part].detach() for part in vocabulary.part_slices]
        self.heads = [Matrix(rows_KD, eight_bit_rows) for rows_KD in self.part_rows]
        if vocabulary.is_paired:
            self.second = for_steps(gpt.get_submodule("second"), eight_bit_rows)
        self.window = gpt.config.max_position_embeddings

    @property
    def precision(self) -> str:
        """What it computes in, as a person reads it."""
        dtype = str(self.gpt.dtype).removeprefix("torch.")
        return f"{dtype}, steps with weights of eight bits" if self.eight_bit_rows else dtype

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[np.ndarray],
        grid_thw: Grid,
        sampling: Sampling,
        seeds: Sequence[int],
        *,
        given: torch.Tensor | None = None,
        start_frame: int = 0,
        should_stop: Callable[[], bool] | None = None,
    ) -> Iterator[torch.Tensor]:
        """Yields codes_Bhw int64 of each new latent frame, in order.

        `prompts`: ids_L of equal length, each ending in the new turn's first <|frame|> (`sequence.prompt`).
        `given`: codes_Bthw of latent frames of this turn that are known already; they are prefilled, not yielded.
        `start_frame`: which latent frame of its turn the first new one is, for the noise (a rolled window starts late).
        `should_stop` is asked before each token; after it says True nothing more is yielded.
        Raises ValueError when the prompts differ in length or the turn does not fit the GPT's window.
        """
        ids_BL = self._prefill_ids(prompts, given, sampling.guidance_scale != 1)
        t, h, w = grid_thw
        n_new = t - (0 if given is None else given.shape[1])
        length = ids_BL.shape[1] - 1 + n_new * sequence.frame_stride(h, w)
        if length > self.window:
            raise ValueError(
                f"a sequence of {length} tokens exceeds the window of {self.window}: ask for a shorter video"
            )
        cache = self.decoder.new_cache(len(ids_BL), length)
        hidden_BD = self.decoder.read(ids_BL, cache)
        for frame in range(start_frame, start_frame + n_new):
            noise_BSK = torch.stack([self._noise(seed, frame, h * w) for seed in seeds]).to(ids_BL.device)
            codes: list[torch.Tensor] = []
            for noise_BK in noise_BSK.unbind(1):
                if should_stop is not None and should_stop():
                    return
                if codes:
                    hidden_BD = self.decoder.step(self._ids(codes[-1], len(ids_BL)), cache)
                codes.append(self._drawn(hidden_BD, noise_BK, sampling))
            yield rearrange(torch.stack(codes), "(h w) b -> b h w", h=h)
            if frame + 1 < start_frame + n_new:
                self.decoder.step(self._ids(codes[-1], len(ids_BL)), cache)
                hidden_BD = self.decoder.step(torch.full_like(ids_BL[:, 0], self.vocabulary.frame), cache)

    def _prefill_ids(self, prompts: Sequence[np.ndarray], given: torch.Tensor | None, guided: bool) -> torch.Tensor:
        """ids_BL of the prompts; guided, with the same rows without words below them."""
        if len({len(ids_L) for ids_L in prompts}) != 1:
            raise ValueError(
                f"prompts of lengths {sorted({len(p) for p in prompts})} cannot share a batch: give one length"
            )
        rows = list(prompts)
        if given is not None:
            known_Bthw = given.cpu().numpy()
            rows = [sequence.append_frames(r, k, self.vocabulary) for r, k in zip(rows, known_Bthw, strict=True)]
        if guided:
            rows += [sequence.without_words(row, self.vocabulary) for row in rows]
        return torch.from_numpy(np.stack(rows)).to(self.gpt.device)

    def _ids(self, codes_B: torch.Tensor, rows: int) -> torch.Tensor:
        """The token of each row."""
        return _for_rows(self.vocabulary.video_ids(codes_B), rows)

    def _drawn(self, hidden_RD: torch.Tensor, noise_BK: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        """codes_B that follow, from float32 logits of the codes, or of their first parts and then of the second ones."""
        first, *others = self.heads
        noises = noise_BK.split(self.vocabulary.part, -1)
        codes_B = sample(first(hidden_RD).float(), noises[0], sampling)
        for second in others:
            rows_RD = _for_rows(F.embedding(codes_B, self.part_rows[0]), len(hidden_RD))
            second_B = sample(second(self.second(hidden_RD, rows_RD)).float(), noises[1], sampling)
            codes_B = codes_B + self.vocabulary.part * second_B
        return codes_B

    def _noise(self, seed: int, frame: int, cells: int) -> torch.Tensor:
        """Gumbel noise_SK for the cells of one latent frame, a function of (seed, frame) alone. Always made on the CPU."""
        digest = hashlib.blake2b(f"{seed} {frame}".encode(), digest_size=8).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest) >> 1)
        width = self.vocabulary.part * self.vocabulary.parts
        exponential_SK = torch.empty(cells, width).exponential_(generator=generator)
        return -exponential_SK.log()


def _for_rows(x: torch.Tensor, rows: int) -> torch.Tensor:
    """What is known of each code, for each row: guidance has two rows for a code."""
    return torch.cat([x] * (rows // len(x)))


def sample(logits_RK: torch.Tensor, noise_BK: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """codes_B by the Gumbel-max trick. With guidance R = 2B: the conditional rows, then those without words."""
    if sampling.guidance_scale != 1:
        conditional_BK, free_BK = logits_RK.chunk(2)
        logits_RK = free_BK + sampling.guidance_scale * (conditional_BK - free_BK)
    logits_BK = restrict(logits_RK / sampling.temperature, sampling.top_k, sampling.top_p)
    return (logits_BK + noise_BK).argmax(-1)


def restrict(logits_BK: torch.Tensor, top_k: int, top_p: float) -> torch.Tensor:
    """-inf for codes outside the `top_k` likeliest, and outside the smallest set that holds `top_p` of the probability."""
    if 0 < top_k < logits_BK.shape[-1]:
        logits_BK = logits_BK.masked_fill(logits_BK < logits_BK.topk(top_k).values[:, -1:], -torch.inf)
    if top_p < 1:
        share_BK, n_codes = logits_BK.softmax(-1), logits_BK.shape[-1]
        for likely in (min(LIKELY, n_codes), n_codes):
            likely_BN, order_BN = share_BK.topk(likely)  # descending
            outside_BN = likely_BN.cumsum(-1) - likely_BN >= top_p  # the likeliest code is never outside
            if likely == n_codes or outside_BN[:, -1].all():
                break
        inside_BN = logits_BK.gather(-1, order_BN).masked_fill(outside_BN, -torch.inf)
        logits_BK = torch.full_like(logits_BK, -torch.inf).scatter(-1, order_BN, inside_BN)
    return logits_BK
