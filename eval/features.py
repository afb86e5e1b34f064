"""Frames -> features: every network that turns a video into a row of numbers, behind one face, with its own input law.

In: `frames_THWC`, uint8 RGB, of any size. Out: `features_ND`, float64, one row a video.

What happens between the file and the network (stretch or crop, which filter, antialiasing, pixel range) moves a Frechet distance by
as much as a model does: 224 against 212 pixels, 167 against 94. So each network's law is written here, beside it, and is part
of the protocol. Clips go through a network one by one: a convolution library may round differently for another batch size, and
a score must not depend on how many files were read at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from einops import rearrange, reduce
from torch import nn
from torch.nn import functional

from eval.i3d import BATCH_NORM_EPS, find_weights, load_i3d
from eval.protocol import files_sha256
from gpt_video.disk import file_sha256

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Triple = tuple[float, float, float]
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
HALF: Triple = (0.5, 0.5, 0.5)  # as mean and std: pixels in [-1, 1]


@dataclass(frozen=True)
class InputLaw:
    """uint8 frames of any size -> what a network was trained on.

    size: (height, width) that the network sees. short_side: None stretches the frame to `size`; a number scales the short side to
    it and cuts `size` from the centre. filter: "bilinear", "bicubic", or "tf1" (bilinear of TensorFlow 1, which samples at corners
    of pixels and not at their centres). mean, std: of pixels in [0, 1], one for each colour.
    """

    size: tuple[int, int] = (224, 224)
    short_side: int | None = None
    filter: str = "bilinear"
    antialias: bool = False
    mean: Triple = HALF
    std: Triple = HALF

    def __post_init__(self) -> None:
        if self.filter not in ("bilinear", "bicubic", "tf1") or (self.filter == "tf1" and self.antialias):
            raise ValueError(
                f"there is no filter {self.filter!r} with antialias {self.antialias}: bilinear, bicubic or plain tf1"
            )
        if self.short_side is not None and self.short_side < max(self.size):
            raise ValueError(f"a short side of {self.short_side} is smaller than the crop {self.size}")

    def __str__(self) -> str:
        height, width = self.size
        shape = "stretch to" if self.short_side is None else f"short side {self.short_side}, centre crop"
        smooth = "antialiased" if self.antialias else "no antialiasing"
        return f"{shape} {height}x{width}, {self.filter}, {smooth}, mean {self.mean}, std {self.std}"

    def __call__(self, frames_THWC: np.ndarray) -> torch.Tensor:
        """Returns `clip_CTHW`, float32. Raises ValueError on frames that are not uint8 RGB."""
        if (
            frames_THWC.dtype != np.uint8
            or frames_THWC.ndim != 4
            or frames_THWC.shape[3] != 3
            or 0 in frames_THWC.shape
        ):
            raise ValueError(
                f"frames must be uint8 of shape (T, H, W, 3), not {frames_THWC.dtype} of {frames_THWC.shape}"
            )
        frames_TCHW = rearrange(torch.from_numpy(np.ascontiguousarray(frames_THWC)), "t h w c -> t c h w").float()
        height, width = frames_TCHW.shape[2:]
        if self.short_side is None:
            frames_TCHW = self._resize(frames_TCHW, *self.size)
        else:
            scale = self.short_side / min(height, width)
            new = [self.short_side if side == min(height, width) else int(side * scale) for side in (height, width)]
            frames_TCHW = self._resize(frames_TCHW, *new)
            top, left = (new[0] - self.size[0]) // 2, (new[1] - self.size[1]) // 2
            frames_TCHW = frames_TCHW[:, :, top : top + self.size[0], left : left + self.size[1]]
        mean_C11, std_C11 = (torch.tensor(triple).reshape(3, 1, 1) * 255 for triple in (self.mean, self.std))
        return rearrange((frames_TCHW - mean_C11) / std_C11, "t c h w -> c t h w").contiguous()

    def _resize(self, frames_TCHW: torch.Tensor, height: int, width: int) -> torch.Tensor:
        if frames_TCHW.shape[2:] == (height, width):
            return frames_TCHW
        if self.filter == "tf1":
            return _tf1_axis(_tf1_axis(frames_TCHW, height, 2), width, 3)
        resized = functional.interpolate(frames_TCHW, (height, width), mode=self.filter, antialias=self.antialias)
        return resized.clamp(0, 255)  # bicubic overshoots


@dataclass(frozen=True)
class Extractor:
    """A feature network with everything that its numbers depend on.

    name: family of the network, and what its scores are called after. network: `clip_BCTHW` -> `features_BD`. frames: the number
    of frames it takes, None for any. settings: what else decides its numbers, in words (batch-norm epsilon, pooling).
    """

    name: str
    sha256: str
    dim: int
    law: InputLaw
    network: Callable[[torch.Tensor], torch.Tensor]
    frames: int | None = None
    settings: str = ""
    device: str = "cpu"

    @property
    def description(self) -> str:
        return f"{self.name} ({self.settings})" if self.settings else self.name

    def __call__(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """`features_ND` (float64) of a list of `frames_THWC`: row i depends on clip i alone. Raises ValueError."""
        rows = [self._row(frames_THWC) for frames_THWC in clips]
        return np.stack(rows) if rows else np.empty((0, self.dim))

    def _row(self, frames_THWC: np.ndarray) -> np.ndarray:
        if self.frames is not None and len(frames_THWC) != self.frames:
            raise ValueError(f"{self.name} takes clips of exactly {self.frames} frames, not {len(frames_THWC)}")
        clip_BCTHW = self.law(frames_THWC)[None].to(self.device)
        with torch.inference_mode():
            features_D = self.network(clip_BCTHW)[0].double().cpu().numpy()
        if features_D.shape != (self.dim,) or not np.isfinite(features_D).all():
            raise ValueError(
                f"{self.name} gave {features_D.shape} features, or some not finite: {self.dim} numbers were expected"
            )
        return features_D


# FVD as published stretches with TensorFlow 1's filter; its ports in PyTorch have pixel centres.
I3D_ORIGINAL = InputLaw(filter="tf1")
I3D_STRETCH = InputLaw()
I3D_CROP = InputLaw(short_side=224)


def i3d_extractor(
    weights: str | Path, *, law: InputLaw = I3D_STRETCH, batch_norm_eps: float = BATCH_NORM_EPS, device: str = "cpu"
) -> Extractor:
    """I3D with the weights of a file or hub id: 400 logits averaged over time. Raises ValueError."""
    path = find_weights(weights)
    model = load_i3d(path, batch_norm_eps=batch_norm_eps).to(device)
    dim = model.get_submodule("logits.conv3d").out_channels
    settings = f"{dim} logits, batch norm eps {batch_norm_eps:g}"
    return Extractor("i3d", file_sha256(path), int(str(dim)), law, model, settings=settings, device=device)


def self_supervised_extractor(source: str | Path, *, law: InputLaw | None = None, device: str = "cpu") -> Extractor:
    """VideoMAE or V-JEPA 2 of transformers, by folder or hub id; the mean of its last tokens. Raises ValueError.

    law: None takes the size, mean and std that were saved with the model, and the model's published way to crop.
    """
    from transformers import AutoConfig, VideoMAEModel, VJEPA2Model

    folder = model_folder(source)
    kind = AutoConfig.from_pretrained(folder).model_type
    families: dict[str, Any] = {"videomae": VideoMAEModel, "vjepa2": VJEPA2Model}
    if kind not in families:
        raise ValueError(f"{source} is a model of type {kind}: give one of {sorted(families)}")
    model = families[kind].from_pretrained(folder, dtype=torch.float32)
    return token_extractor(
        model, weights_sha256(folder), law=law or saved_law(folder, _token_law(model)), device=device
    )


def token_extractor(
    model: PreTrainedModel, sha256: str, *, law: InputLaw | None = None, device: str = "cpu"
) -> Extractor:
    """The same for a VideoMAEModel or VJEPA2Model that is in memory already."""
    model = model.to(device).eval()  # type: ignore[arg-type]
    config: Any = model.config
    videomae = config.model_type == "videomae"
    arguments = {} if videomae else {"skip_predictor": True}
    pixels = "pixel_values" if videomae else "pixel_values_videos"

    def network(clip_BCTHW: torch.Tensor) -> torch.Tensor:
        output = model(**{pixels: rearrange(clip_BCTHW, "b c t h w -> b t c h w")}, **arguments)
        return reduce(output.last_hidden_state, "b tokens d -> b d", "mean")

    # VideoMAE has a fixed table of positions; V-JEPA 2 rotates them, and takes any length that its tubes divide.
    frames = config.num_frames if videomae else None
    law = law or _token_law(model)
    return Extractor(config.model_type, sha256, config.hidden_size, law, network, frames, "mean of tokens", device)


def random_extractor(seed: int = 0) -> Extractor:
    """`random-conv3d`: fixed random weights of a few kilobytes, for tests only. It sees colour, texture and change over time."""
    generator = torch.Generator().manual_seed(seed)
    space = (1, 2, 2)
    first, second = nn.Conv3d(3, 12, 3, stride=space, padding=1), nn.Conv3d(12, 16, 3, stride=space, padding=1)
    with torch.no_grad():
        for weight in (*first.parameters(), *second.parameters()):
            weight.copy_(torch.randn(weight.shape, generator=generator) / weight[0].numel() ** 0.5)

    def network(clip_BCTHW: torch.Tensor) -> torch.Tensor:
        maps_BCthw = second(functional.relu(first(clip_BCTHW)))
        texture = (maps_BCthw - maps_BCthw.mean(dim=(3, 4), keepdim=True)).abs()
        parts = (maps_BCthw, texture, maps_BCthw.diff(dim=2).abs())
        return torch.cat([part.mean(dim=(2, 3, 4)) for part in parts], dim=1)

    sha256 = module_sha256(nn.ModuleList([first, second]))
    return Extractor(
        "random-conv3d", sha256, 48, InputLaw(size=(32, 32), antialias=True), network, settings=f"seed {seed}"
    )


def module_sha256(module: nn.Module) -> str:
    """SHA-256 of the names, types, shapes and bytes of a module's tensors: for networks that lie in no file."""
    total = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def model_folder(source: str | Path) -> Path:
    """The folder of a transformers model, given as a folder or a hub id (`owner/name`). Raises ValueError."""
    path = Path(source)
    if path.is_dir():
        return path
    if len(path.parts) != 2 or path.is_absolute():
        raise ValueError(f"there is no model folder {source}, and it is not a hub id such as owner/name")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(source), allow_patterns=["*.json", "*.txt", "*.safetensors"]))
    except Exception as error:  # no network, no such model, no right to it: the hub's words say which
        raise ValueError(
            f"there is no folder {source}, and the hub does not give a model of that name ({error})"
        ) from error


def weights_sha256(folder: Path) -> str:
    """SHA-256 of the safetensors of a model folder: of the file, or of the list of files where there are several."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(f"{folder} holds no weights as safetensors: save the model with transformers' save_pretrained")
    return files_sha256(files)


def saved_law(folder: Path, default: InputLaw) -> InputLaw:
    """`default` with the sizes, mean and std of `preprocessor_config.json` (or `video_preprocessor_config.json`), if any."""
    files = [folder / "preprocessor_config.json", folder / "video_preprocessor_config.json"]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return default
    record = json.loads(file.read_text("utf-8"))
    # Old files write a side as a bare number.
    resize, crop = (side if isinstance(side, dict) else {} for side in (record.get("size"), record.get("crop_size")))
    if isinstance(record.get("size"), int):
        resize = {"shortest_edge": record["size"]}
    if isinstance(record.get("crop_size"), int):
        crop = {"height": record["crop_size"], "width": record["crop_size"]}
    short_side = resize.get("shortest_edge", None if "height" in resize else default.short_side)
    kept = crop or (resize if "height" in resize else {"height": short_side, "width": short_side})
    return replace(
        default,
        size=(kept["height"], kept["width"]),
        short_side=short_side,
        mean=tuple(record.get("image_mean") or default.mean),
        std=tuple(record.get("image_std") or default.std),
    )


def _token_law(model: PreTrainedModel) -> InputLaw:
    config: Any = model.config
    side = config.image_size if config.model_type == "videomae" else config.crop_size
    side = side if isinstance(side, int) else side[0]
    # V-JEPA 2 is shown the centre 7/8 of the short side, VideoMAE all of it.
    short = side if config.model_type == "videomae" else side * 256 // 224
    return InputLaw((side, side), short, "bilinear", True, IMAGENET_MEAN, IMAGENET_STD)


def _tf1_axis(frames_TCHW: torch.Tensor, length: int, axis: int) -> torch.Tensor:
    """One axis of `tf.image.resize_bilinear` of TensorFlow 1: place i of the output lies at i * old / new of the input."""
    old = frames_TCHW.shape[axis]
    places = torch.arange(length, dtype=torch.float64) * (old / length)
    before = places.floor().long().clamp(max=old - 1)
    after = (before + 1).clamp(max=old - 1)
    share = (places - before).float().reshape([-1 if axis == dim else 1 for dim in range(4)])
    return torch.lerp(frames_TCHW.index_select(axis, before), frames_TCHW.index_select(axis, after), share)
