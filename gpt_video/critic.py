"""The critic: which of several first frames shows what was said? A GPT starts a video several times and goes on with the best.

Enters: the words of a conversation, its last turn included; codes_Nhw of N first latent frames that could follow; of an edit, the
codes_hw of the first latent frame that it changes. Leaves: a score for each, 0 .. 1, or 0 .. 2 of an edit.

Two small readers fill in the same form: what is there, how many of it, in which colour, where, at what time of day:

    words -> Words  -> form with "not said"  -+
    codes -> Picture -> form                  +-> how probable, in the picture, is what was said
    codes of the source -> Picture -> form   -+   and, in an edit, of what nobody spoke of, how probable is what was there before

Choosing among samples by a second network is how DALL-E was sampled (Ramesh et al. 2021, arXiv 2102.12092: best of 512 by CLIP).
The form stands for one world, so a critic belongs to the model of that world; a model without one makes each video once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

COUNT = "count"  # of each kind of thing; its first value is none
LONGEST_TEXT = 256  # tokens of a conversation: of longer ones the end is read
MOST_CELLS = 32  # of a side of the grid, as in sequence.py
PADDING = -1

Logits = dict[str, Tensor]


@dataclass(frozen=True)
class Form:
    """What can be filled in. things: kinds of things; of_thing, of_scene: {attribute: its values}; of_thing holds "count"."""

    things: tuple[str, ...]
    of_thing: Mapping[str, tuple[str, ...]]
    of_scene: Mapping[str, tuple[str, ...]]

    @property
    def sizes(self) -> dict[str, int]:
        """{attribute: number of its values}."""
        return {name: len(values) for name, values in (*self.of_thing.items(), *self.of_scene.items())}


@dataclass(frozen=True)
class CriticConfig:
    """codebook_size, text_size: of the model that it belongs to. width: channels of both readers."""

    form: Form
    codebook_size: int
    text_size: int
    width: int = 72
    heads: int = 4
    convolutions: int = 4
    picture_layers: int = 2
    words_layers: int = 3


class Critic(nn.Module):
    """Both readers. `critic(texts, codes_Nhw, source_hw)` -> scores_N."""

    def __init__(self, config: CriticConfig):
        super().__init__()
        self.config = config
        self.picture, self.words = Picture(config), Words(config)

    @torch.inference_mode()
    def forward(self, texts: Sequence[Sequence[int]], codes_Nhw: Tensor, source_hw: Tensor | None = None) -> Tensor:
        """scores_N, float32, of first latent frames codes_Nhw; `texts`: the ids of every turn's words, the oldest first."""
        ids_BL = padded([joined(texts, self.config.text_size)]).to(codes_Nhw.device)
        said = {name: logits[0].softmax(-1) for name, logits in self.words(ids_BL).items()}
        rows = [codes_Nhw] if source_hw is None else [codes_Nhw, source_hw[None]]
        seen = {name: logits.softmax(-1) for name, logits in self.picture(torch.cat(rows))[0].items()}
        shown = {name: shares[: len(codes_Nhw)] for name, shares in seen.items()}
        scores_N = _agreement(shown, {name: shares[..., :-1] for name, shares in said.items()})
        if source_hw is None:
            return scores_N
        before = {name: shares[-1] for name, shares in seen.items()}
        there_K1 = 1 - before[COUNT][:, :1]
        free = {name: shares[..., -1:] for name, shares in said.items()}
        kept = {
            name: shares * free[name] * (there_K1 if name in self.config.form.of_thing else 1)
            for name, shares in before.items()
        }
        return scores_N + _agreement(shown, kept)

    def save(self, folder: str | Path) -> None:
        """Writes config.json and model.safetensors (float16) into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: tensor.to(torch.float16).contiguous() for name, tensor in self.state_dict().items()}
        save_file(state, folder / "model.safetensors")
        (folder / "config.json").write_text(
            json.dumps(asdict(self.config), indent=1, ensure_ascii=False) + "\n", "utf-8"
        )

    @classmethod
    def load(cls, folder: str | Path) -> Critic:
        """What `save` wrote, in evaluation mode and float32. ValueError where a file is absent or does not fit."""
        folder = Path(folder)
        try:
            fields = json.loads((folder / "config.json").read_text("utf-8"))
            critic = cls(CriticConfig(**{**fields, "form": _form(fields["form"])}))
            critic.load_state_dict(load_file(folder / "model.safetensors"))
        except (OSError, KeyError, TypeError, RuntimeError, json.JSONDecodeError, SafetensorError) as error:
            raise ValueError(f"{folder} holds no critic that this version can read: {error}") from error
        return critic.eval()


def _form(record: Mapping[str, Any]) -> Form:
    of_thing, of_scene = (
        {name: tuple(values) for name, values in record[part].items()} for part in ("of_thing", "of_scene")
    )
    return Form(tuple(record["things"]), of_thing, of_scene)


def _agreement(shown: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:
    """The mean probability in N pictures of what is wanted, by how much of it is: 0 .. 1, and near 0 where hardly anything is."""
    found_N = sum((shares * wanted[name]).flatten(1).sum(1) for name, shares in shown.items())
    asked = sum(float(shares.sum()) for shares in wanted.values())
    return torch.as_tensor(found_N) / max(asked, 0.5)


# ------------------------------------------------------------------------------------------------ readers


class Picture(nn.Module):
    """codes_Nhw of first latent frames -> the form: logits NKV of each kind of thing K, NV of the scene; and logits N(1 + K)hw of
    what is in each cell, nothing or one of the things, which training asks for: what is not found cannot be looked at.

    Convolutions mix the cells; then each kind of thing, and the scene, looks for what concerns it.
    """

    def __init__(self, c: CriticConfig):
        super().__init__()
        self.table = nn.Embedding(c.codebook_size, c.width)
        self.row = nn.Parameter(0.02 * torch.randn(MOST_CELLS, c.width))
        self.column = nn.Parameter(0.02 * torch.randn(MOST_CELLS, c.width))
        self.mixes = nn.ModuleList(Residual(c.width) for _ in range(c.convolutions))
        self.finds = nn.Conv2d(c.width, 1 + len(c.form.things), 1)
        self.asks = nn.Parameter(0.02 * torch.randn(len(c.form.things) + 1, c.width))
        self.looks = nn.ModuleList(Look(c.width, c.heads) for _ in range(c.picture_layers))
        self.heads = Heads(c.form, c.width)
        nn.init.normal_(self.table.weight, std=0.5)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, codes_Nhw: Tensor) -> tuple[Logits, Tensor]:
        h, w = codes_Nhw.shape[1:]
        cells = rearrange(self.table(codes_Nhw) + self.row[:h, None] + self.column[:w], "N h w D -> N D h w")
        for mix in self.mixes:
            cells = mix(cells)
        cells_NSD = rearrange(cells, "N D h w -> N (h w) D")
        asks_NQD = self.asks.expand(len(codes_Nhw), -1, -1)
        for look in self.looks:
            asks_NQD = look(asks_NQD, cells_NSD)
        return self.heads(asks_NQD), self.finds(cells).float()


class Words(nn.Module):
    """ids_BL of a conversation's words, padded in front with -1 -> the form, each of its logits with "not said" behind them."""

    def __init__(self, c: CriticConfig):
        super().__init__()
        self.table = nn.Embedding(c.text_size + 1, c.width)  # the last one starts a turn
        self.place = nn.Parameter(0.02 * torch.randn(LONGEST_TEXT, c.width))
        self.asks = nn.Parameter(0.02 * torch.randn(len(c.form.things) + 1, c.width))
        self.looks = nn.ModuleList(Look(c.width, c.heads) for _ in range(c.words_layers))
        self.heads = Heads(c.form, c.width, extra=1)
        nn.init.normal_(self.table.weight, std=0.5)

    def forward(self, ids_BL: Tensor) -> Logits:
        batch, length = ids_BL.shape
        # Places are counted from the end: what was said last stands where it always stands.
        words_BLD = self.table(ids_BL.clamp_min(0)) + self.place[-length:]
        asks_BQD = self.asks.expand(batch, -1, -1)
        x_BSD = torch.cat([asks_BQD, words_BLD], dim=1)
        is_there_BS = torch.cat([ids_BL.new_ones(batch, asks_BQD.shape[1]), ids_BL != PADDING], dim=1).bool()
        for look in self.looks:
            x_BSD = look(x_BSD, seen_BS=is_there_BS)
        return self.heads(x_BSD[:, : asks_BQD.shape[1]])


class Heads(nn.Module):
    """What was gathered for each thing and, last, for the scene -> logits of every attribute."""

    def __init__(self, form: Form, width: int, extra: int = 0):
        super().__init__()
        self.of_thing = tuple(form.of_thing)
        self.norm = nn.RMSNorm(width)
        self.heads = nn.ModuleDict({name: nn.Linear(width, size + extra) for name, size in form.sizes.items()})

    def forward(self, asks_NQD: Tensor) -> Logits:
        x_NQD = self.norm(asks_NQD)
        things_NKD, scene_ND = x_NQD[:, :-1], x_NQD[:, -1]
        return {
            name: head(things_NKD if name in self.of_thing else scene_ND).float() for name, head in self.heads.items()
        }


class Look(nn.Module):
    """Attention of x to itself and to `others`, then a small network, both added to x.

    Written out: on a CPU the backward pass of the fused attention took most of a training step (EXPERIMENTS.md).
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.count = heads
        self.norm, self.others_norm, self.mlp_norm = nn.RMSNorm(width), nn.RMSNorm(width), nn.RMSNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x_BQD: Tensor, others_BSD: Tensor | None = None, seen_BS: Tensor | None = None) -> Tensor:
        own_BQD = self.norm(x_BQD)
        seen_BSD = own_BQD if others_BSD is None else torch.cat([own_BQD, self.others_norm(others_BSD)], dim=1)
        query, key, value = (
            rearrange(part, "B S (H E) -> B H S E", H=self.count)
            for part in (self.query(own_BQD), self.key(seen_BSD), self.value(seen_BSD))
        )
        weights_BHQS = (query @ key.transpose(-1, -2)).float() / query.shape[-1] ** 0.5
        if seen_BS is not None:
            weights_BHQS = weights_BHQS.masked_fill(~seen_BS[:, None, None], -1e9)
        found = weights_BHQS.softmax(-1).to(value.dtype) @ value
        x_BQD = x_BQD + self.out(rearrange(found, "B H Q E -> B Q (H E)"))
        return x_BQD + self.down(F.gelu(self.up(self.mlp_norm(x_BQD))))


class Residual(nn.Module):
    """Two 3x3 convolutions that add to what they get."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x_NDhw: Tensor) -> Tensor:
        return x_NDhw + self.second(F.gelu(self.first(self.norm(x_NDhw))))


# ------------------------------------------------------------------------------------------------ words as input


def joined(texts: Sequence[Sequence[int]], text_size: int) -> list[int]:
    """The ids of every turn, each after the token that starts one; of a long conversation the end."""
    return [token for text in texts for token in (text_size, *text)][-LONGEST_TEXT:]


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """ids_BL, -1 in front of what is shorter."""
    length = max(map(len, rows))
    return torch.from_numpy(np.array([[PADDING] * (length - len(row)) + list(row) for row in rows], dtype=np.int64))
