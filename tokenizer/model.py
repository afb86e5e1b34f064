"""VideoTokenizer: clip_BCTHW float [-1,1] <-> codes_Bthw int64.

A clip has T = 1 + k * temporal_stride frames and gives t = 1 + k latent frames. The stem folds `temporal_stride` frames and
`patch` x `patch` pixels into channels at once, so the whole network runs at the latent frame rate and at a small grid: that is
what makes it cheap on a CPU. Frame 0 is folded with copies of itself, so a still is the same thing as the start of a film.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from einops import rearrange, repeat
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tokenizer.layers import DoubleSpace, HalveSpace, Memory, Stage
from tokenizer.quantizer import Kind, Quantized, Quantizer

COLOURS = 3


@dataclass(frozen=True)
class VideoTokenizerConfig:
    """Sizes of the tokenizer. Channels, encoder and decoder blocks are given from the finest grid to the coarsest.

    decoder_channels: where they are not those of the encoder (empty: they are).
    shapes: (height, width) in pixels that clips are fitted to for training, square, wide and tall. It decodes others too, worse.
    """

    temporal_stride: int = 4
    patch: int = 4
    channels: tuple[int, ...] = (64, 128, 256)
    encoder_blocks: tuple[int, ...] = (1, 1, 2)
    decoder_blocks: tuple[int, ...] = (1, 2, 2)
    decoder_channels: tuple[int, ...] = ()
    quantizer: Kind = "fsq"
    levels: tuple[int, ...] = (8, 8, 6, 5)
    shapes: tuple[tuple[int, int], ...] = ((128, 128), (96, 160), (160, 96))

    @property
    def decoder_widths(self) -> tuple[int, ...]:
        """Channels of the decoder's grids."""
        return self.decoder_channels or self.channels

    @property
    def spatial_stride(self) -> int:
        """Pixels a side of one code's cell."""
        return self.patch * 2 ** (len(self.channels) - 1)

    @staticmethod
    def preset(name: str) -> "VideoTokenizerConfig":
        """A preset by name; ValueError lists the names."""
        if name not in PRESETS:
            raise ValueError(f"no tokenizer preset {name!r}: choose one of {', '.join(PRESETS)}")
        return replace(VideoTokenizerConfig(), **PRESETS[name])


# Differences from the default. At 8 frames a second: base 128 codes a second at 128x128, stride8-long 144 at 96x96.
# fmt: off
PRESETS: dict[str, dict] = {
    "base": {},
    "large": {"channels": (128, 256, 384)},
    "vq": {"quantizer": "vq"},
    "stride8-long": {
        "channels": (64, 192), "encoder_blocks": (1, 2), "decoder_blocks": (1, 3), "temporal_stride": 8,
        "shapes": ((96, 96), (72, 120), (120, 72)),
    },
    # What draws is wider than what reads: a finest grid of 64 channels drew 384 numbers from each cell, and blurred what moves.
    "stride8-draws": {
        "channels": (64, 192), "encoder_blocks": (2, 2), "decoder_channels": (160, 224), "decoder_blocks": (3, 3),
        "temporal_stride": 8, "shapes": ((96, 96), (72, 120), (120, 72)),
    },
    # A code of twice as many digits, which the GPT predicts in two parts, and an encoder that reads motion wider.
    "stride8-pairs": {
        "channels": (128, 192), "encoder_blocks": (2, 2), "decoder_channels": (160, 224), "decoder_blocks": (3, 3),
        "temporal_stride": 8, "levels": (8, 8, 6, 5, 8, 8, 6, 5), "shapes": ((96, 96), (72, 120), (120, 72)),
    },
    "tiny": {
        "channels": (16, 16, 24),
        "encoder_blocks": (1, 1, 1),
        "decoder_blocks": (1, 1, 1),
        "levels": (5, 5, 5),
    },
}
# fmt: on


class Encoder(nn.Module):
    """Folded clips_NChw -> features_NChw at the code grid."""

    def __init__(self, config: VideoTokenizerConfig):
        super().__init__()
        widths, last = config.channels, len(config.channels) - 1
        self.stem = nn.Conv2d(COLOURS * config.temporal_stride * config.patch**2, widths[0], 1)
        self.stages = nn.ModuleList(
            [Stage(c, n, in_time=i == last) for i, (c, n) in enumerate(zip(widths, config.encoder_blocks, strict=True))]
        )
        self.halvings = nn.ModuleList([HalveSpace(a, b) for a, b in pairwise(widths)])

    def forward(self, x_NChw: Tensor, t: int) -> Tensor:
        x_NChw = self.stem(x_NChw)
        for i, stage in enumerate(self.stages):
            x_NChw = stage(self.halvings[i - 1](x_NChw) if i else x_NChw, t)
        return x_NChw


class Decoder(nn.Module):
    """features_NChw at the code grid -> folded clips_NChw."""

    def __init__(self, config: VideoTokenizerConfig):
        super().__init__()
        widths, blocks = config.decoder_widths[::-1], config.decoder_blocks[::-1]
        last = len(widths) - 1
        self.stages = nn.ModuleList(
            # Motion is settled at the two coarser grids; the finest one only draws.
            [Stage(c, n, in_time=i < max(last, 1)) for i, (c, n) in enumerate(zip(widths, blocks, strict=True))]
        )
        self.doublings = nn.ModuleList([DoubleSpace(a, b) for a, b in pairwise(widths)])
        self.head = nn.Conv2d(widths[-1], COLOURS * config.temporal_stride * config.patch**2, 3, padding=1)

    def forward(self, x_NChw: Tensor, t: int, memory: Memory | None = None) -> Tensor:
        for i, stage in enumerate(self.stages):
            x_NChw = stage(self.doublings[i - 1](x_NChw) if i else x_NChw, t, memory)
        return self.head(x_NChw)


class VideoTokenizer(nn.Module):
    """Frames into discrete spacetime codes, and back."""

    def __init__(self, config: VideoTokenizerConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quantizer = Quantizer(config.quantizer, config.channels[-1], config.decoder_widths[-1], config.levels)
        self.decoder = Decoder(config)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def codebook_size(self) -> int:
        """K: codes are in [0, K)."""
        return self.quantizer.codebook_size

    def grid(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """(T, H, W) of a clip -> (t, h, w) of its codes. ValueError where the strides do not divide."""
        s, k = self.config.spatial_stride, self.config.temporal_stride
        if frames < 1 or (frames - 1) % k:
            raise ValueError(f"a clip of {frames} frames: the number must be 1 + a multiple of {k}")
        if height < s or width < s or height % s or width % s:
            raise ValueError(f"a clip of {width}x{height} pixels: both must be multiples of {s}")
        return 1 + (frames - 1) // k, height // s, width // s

    def clip_shape(self, t: int, h: int, w: int) -> tuple[int, int, int]:
        """(t, h, w) of codes -> (T, H, W) of their clip: the inverse of `grid`."""
        s, k = self.config.spatial_stride, self.config.temporal_stride
        return 1 + (t - 1) * k, h * s, w * s

    def encode(self, clip_BCTHW: Tensor) -> Tensor:
        """clip_BCTHW float [-1,1] -> codes_Bthw int64 in [0, K)."""
        t, _, _ = self.grid(*clip_BCTHW.shape[2:])
        codes_Nhw = self.quantizer(self.encoder(self._fold(clip_BCTHW), t)).codes
        return rearrange(codes_Nhw, "(B t) h w -> B t h w", t=t)

    def decode(self, codes_Bthw: Tensor) -> Tensor:
        """codes_Bthw -> clip_BCTHW float, about [-1,1] (not clamped)."""
        return self._decode_piece(codes_Bthw, memory=None, first=True)

    def forward(self, clip_BCTHW: Tensor) -> tuple[Tensor, Quantized]:
        """Training: the reconstruction, with the gradient through the codebook, and what came out of the codebook (N is B t)."""
        return self.draw(self.positions(clip_BCTHW))

    def positions(self, clip_BCTHW: Tensor) -> Tensor:
        """positions_BthwD float32: the encoder's answer before it is rounded to codes."""
        t, _, _ = self.grid(*clip_BCTHW.shape[2:])
        positions_NhwD = self.quantizer.positions(self.encoder(self._fold(clip_BCTHW), t))
        return rearrange(positions_NhwD, "(B t) h w D -> B t h w D", t=t)

    def draw(self, positions_BthwD: Tensor) -> tuple[Tensor, Quantized]:
        """What the codes nearest to these positions draw, clip_BCTHW with the gradient through the rounding; and those codes."""
        t = positions_BthwD.shape[1]
        quantized = self.quantizer.nearest(rearrange(positions_BthwD, "B t h w D -> (B t) h w D"))
        features = quantized.features.to(self.decoder.head.weight.dtype)
        return self._unfold(self.decoder(features, t), t, first=True), quantized

    def stream_decode(self, codes: Iterable[Tensor]) -> Iterator[Tensor]:
        """Each codes_Bhw that arrives gives the clip_BCTHW of its frames (1, then temporal_stride); joined: `decode`."""
        memory: Memory = {}
        for codes_Bhw in codes:
            yield self._decode_piece(codes_Bhw[:, None], memory, first=not memory)

    def _decode_piece(self, codes_Bthw: Tensor, memory: Memory | None, first: bool) -> Tensor:
        t = codes_Bthw.shape[1]
        features = self.quantizer.features(rearrange(codes_Bthw, "B t h w -> (B t) h w"))
        features = features.to(self.decoder.head.weight.dtype)
        return self._unfold(self.decoder(features, t, memory), t, first)

    def _fold(self, clip_BCTHW: Tensor) -> Tensor:
        k, p = self.config.temporal_stride, self.config.patch
        start = repeat(clip_BCTHW[:, :, 0], "B C H W -> B C k H W", k=k - 1)
        folded = rearrange(
            torch.cat([start, clip_BCTHW], dim=2), "B C (t k) (h p) (w q) -> (B t) (k p q C) h w", k=k, p=p, q=p
        )
        return folded.to(self.encoder.stem.weight.dtype).contiguous(memory_format=torch.channels_last)

    def _unfold(self, folded_NChw: Tensor, t: int, first: bool) -> Tensor:
        k, p = self.config.temporal_stride, self.config.patch
        clip = rearrange(
            folded_NChw, "(B t) (k p q C) h w -> B C (t k) (h p) (w q)", t=t, k=k, p=p, q=p, C=COLOURS
        ).float()
        return clip[:, :, k - 1 :] if first else clip

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Write config.json and model.safetensors (weights as `dtype`) into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: _stored(value, dtype) for name, value in self.state_dict().items()}
        for name, write in (
            ("config.json", lambda path: path.write_text(json.dumps(asdict(self.config), indent=2) + "\n")),
            ("model.safetensors", lambda path: save_file(state, path)),
        ):
            write(folder / (name + ".part"))
            (folder / (name + ".part")).replace(folder / name)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "VideoTokenizer":
        """Read what `save_pretrained` wrote, in evaluation mode and float32. ValueError where a file is absent or does not fit."""
        folder = Path(folder)
        try:
            fields = json.loads((folder / "config.json").read_text())
            model = cls(VideoTokenizerConfig(**{name: _as_tuples(value) for name, value in fields.items()}))
            model.load_state_dict(load_file(folder / "model.safetensors"))
        except FileNotFoundError as error:
            raise ValueError(f"{folder} holds no tokenizer: {Path(error.filename or '').name} is missing") from error
        except (TypeError, RuntimeError, json.JSONDecodeError) as error:
            raise ValueError(f"{folder} holds no tokenizer that this version can read: {error}") from error
        return model.eval()


def _as_tuples(value: Any) -> Any:
    """What JSON made lists of."""
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _stored(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(dtype).contiguous() if value.is_floating_point() else value.contiguous()
