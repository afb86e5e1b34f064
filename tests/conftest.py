"""Small stand-ins that several test files share."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from itertools import count

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors: more threads only wait for each other

import numpy as np
import pytest
import torch
from einops import rearrange, reduce, repeat
from hypothesis import settings

from tokenizer.video import write_video

# The same examples in every run, and nothing written beside the code.
settings.register_profile("quiet", deadline=None, derandomize=True, database=None)
settings.load_profile("quiet")


def log_of(folder, key):
    """What a training run logged under a name, in order."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line[key] for line in lines if key in line]


@pytest.fixture
def cut_at(monkeypatch):
    """`with cut_at(module, name, n):` ends what runs inside, as Ctrl-C does, at the n-th call of a function of the module."""

    @contextmanager
    def cut_at(module, name, n):
        real, calls = getattr(module, name), count(1)

        def power_cut(*args):
            if next(calls) == n:
                raise KeyboardInterrupt
            return real(*args)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(module, name, power_cut)
            yield

    return cut_at


@pytest.fixture(scope="session")
def square_clips(tmp_path_factory):
    """Six clips of a coloured square on grey, in two shapes, with masks; in all but the first it is named."""
    root = tmp_path_factory.mktemp("clips")
    (root / "masks").mkdir()
    rows = []
    for i in range(6):
        frames = np.full((9, 64, 96 if i % 2 else 64, 3), 120, np.uint8)
        masks = np.zeros(frames.shape[:3], np.uint8)
        for t in range(9):
            masks[t, 16:48, 8 + 2 * t : 40 + 2 * t] = 1
        frames[masks > 0] = [(220, 40, 40), (40, 200, 60), (50, 60, 220)][i % 3]
        write_video(root / f"{i}.mp4", frames, 8.0)
        np.savez_compressed(root / "masks" / f"{i}.npz", masks=masks)
        rows.append({"file_name": f"{i}.mp4", "text": "a square", "mask": f"masks/{i}.npz"})
        rows[-1] |= {"mask_classes": [("red", "green", "blue")[i % 3]]} if i else {}
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


class FakeVideoTokenizer(torch.nn.Module):
    """A video tokenizer that needs no training: a code is the mean colour of a cell, two bits a channel (64 codes).

    It has the real one's face (grid, clip_shape, encode, decode, stream_decode), strides (16 in space, 4 in time) and
    causality: a code depends on no later frame. Uniform cells of the 64 colours survive encode and decode exactly.
    """

    codebook_size = 64
    stride, time_stride = 16, 4

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("levels", torch.linspace(-1, 1, 4))  # so that there is a state to hash

    def grid(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        if frames < 1 or (frames - 1) % self.time_stride or height % self.stride or width % self.stride:
            raise ValueError(f"a clip of {frames} frames of {height}x{width} has no grid")
        return 1 + (frames - 1) // self.time_stride, height // self.stride, width // self.stride

    def clip_shape(self, t: int, h: int, w: int) -> tuple[int, int, int]:
        return 1 + (t - 1) * self.time_stride, h * self.stride, w * self.stride

    def encode(self, clip_BCTHW: torch.Tensor) -> torch.Tensor:
        self.grid(*clip_BCTHW.shape[2:])
        first, rest = clip_BCTHW[:, :, :1], clip_BCTHW[:, :, 1:]
        rest = reduce(rest, "b c (t k) h w -> b c t h w", "mean", k=self.time_stride)
        cells = torch.cat([first, rest], dim=2)
        cells = reduce(cells, "b c t (h y) (w x) -> b c t h w", "mean", y=self.stride, x=self.stride)
        level = ((cells + 1) * 1.5).round().clamp(0, 3).long()
        return level[:, 0] * 16 + level[:, 1] * 4 + level[:, 2]

    def decode(self, codes_Bthw: torch.Tensor) -> torch.Tensor:
        return torch.cat(list(self.stream_decode(codes_Bthw.unbind(1))), dim=2)

    def stream_decode(self, codes_iter):
        for index, codes_Bhw in enumerate(codes_iter):
            level = torch.stack([codes_Bhw // 16, codes_Bhw // 4 % 4, codes_Bhw % 4], dim=1)
            cells = repeat(level, "b c h w -> b c (h y) (w x)", y=self.stride, x=self.stride) / 1.5 - 1
            yield repeat(cells, "b c h w -> b c t h w", t=self.time_stride if index else 1)


@pytest.fixture
def fake_video_tokenizer() -> FakeVideoTokenizer:
    return FakeVideoTokenizer()


@pytest.fixture(scope="session")
def text_tokenizer():
    """A real text tokenizer, trained on a handful of sentences."""
    from gpt_video.text import TextTokenizer

    pytest.importorskip("tokenizers", reason="training a text tokenizer needs the `tokenizers` library (extra `train`)")
    sentences = ["a red ball rolls across the snow", "make it blue", "la balle devient bleue", "then it jumps"]
    return TextTokenizer.train(sentences * 4, vocab_size=300)


@pytest.fixture
def vocabulary(text_tokenizer, fake_video_tokenizer):
    from gpt_video.sequence import Vocabulary

    return Vocabulary(text_tokenizer.vocab_size, fake_video_tokenizer.codebook_size)


def random_frames(seed: int, frames: int, height: int, width: int):
    """frames_THWC uint8 of uniform cells that FakeVideoTokenizer keeps exactly; every latent frame differs."""
    fake = FakeVideoTokenizer()
    t, h, w = fake.grid(frames, height, width)
    codes_Bthw = torch.randint(0, fake.codebook_size, (1, t, h, w), generator=torch.Generator().manual_seed(seed))
    frames_THWC = rearrange(fake.decode(codes_Bthw)[0], "c t h w -> t h w c")
    return ((frames_THWC + 1) * 127.5).round().byte().numpy()
