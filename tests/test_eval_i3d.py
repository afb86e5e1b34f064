"""I3D against the published architecture, against a plain reading of the same weights, and against the files in circulation."""

from __future__ import annotations

import math
import os
import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from eval.features import i3d_extractor
from eval.frechet import frechet_distance
from eval.i3d import I3D, find_weights, load_i3d, pad_same

# Read off the paper's figure 3 and the table of Inception-v1 that it cites: (1x1), (1x1, 3x3), (1x1, 3x3), (pool, 1x1).
INCEPTION = {
    "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}


@pytest.fixture(scope="module")
def model() -> I3D:
    """Random weights whose batch norms are not the identity, so that a wrong use of them shows."""
    torch.manual_seed(0)
    net = I3D().eval()
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.002, 0.02)  # of the size of eps, so that a wrong eps shows
            elif name.endswith("bn.bias"):
                value.normal_(0.1, 0.1)
    return net


def test_shapes_of_all_stages_are_the_published_ones() -> None:
    """64 frames of 224 x 224, as in the paper: a total stride of 8 in time and 32 in space."""
    expected = {
        "Conv3d_1a_7x7": (64, 32, 112, 112),
        "MaxPool3d_2a_3x3": (64, 32, 56, 56),
        "Conv3d_2b_1x1": (64, 32, 56, 56),
        "Conv3d_2c_3x3": (192, 32, 56, 56),
        "MaxPool3d_3a_3x3": (192, 32, 28, 28),
        "Mixed_3b": (256, 32, 28, 28),
        "Mixed_3c": (480, 32, 28, 28),
        "MaxPool3d_4a_3x3": (480, 16, 14, 14),
        "Mixed_4b": (512, 16, 14, 14),
        "Mixed_4c": (512, 16, 14, 14),
        "Mixed_4d": (512, 16, 14, 14),
        "Mixed_4e": (528, 16, 14, 14),
        "Mixed_4f": (832, 16, 14, 14),
        "MaxPool3d_5a_2x2": (832, 8, 7, 7),
        "Mixed_5b": (832, 8, 7, 7),
        "Mixed_5c": (1024, 8, 7, 7),
        "logits": (400,),
    }
    shapes = {}
    with torch.device("meta"):
        x = torch.zeros(1, 3, 64, 224, 224)
        for name, stage in I3D().named_children():
            x = stage(x)
            shapes[name] = tuple(x.shape[1:])
    assert shapes == expected


def test_parameter_count_is_that_of_the_published_table() -> None:
    def unit(inputs: int, outputs: int, volume: int) -> int:
        return inputs * outputs * volume + 2 * outputs  # the kernel, and scale and shift of the batch norm

    count = unit(3, 64, 343) + unit(64, 64, 1) + unit(64, 192, 27) + 1024 * 400 + 400
    for inputs, b0, b1a, b1b, b2a, b2b, b3 in INCEPTION.values():
        count += unit(inputs, b0, 1) + unit(inputs, b1a, 1) + unit(b1a, b1b, 27)
        count += unit(inputs, b2a, 1) + unit(b2a, b2b, 27) + unit(inputs, b3, 1)
    with torch.device("meta"):
        net = I3D()
    assert sum(weight.numel() for weight in net.parameters()) == count
    assert 12.0e6 < count < 13.0e6  # the paper's table 1 has 25 M for two streams


def plain_i3d(state: dict[str, torch.Tensor], clip_BCTHW: torch.Tensor, eps: float) -> torch.Tensor:
    """The same network as a list of functional calls, with the padding written out in another way."""

    def same(x: torch.Tensor, window: int, step: tuple[int, ...], window_t: int) -> torch.Tensor:
        for axis, (length, stride) in enumerate(zip((window_t, window, window), step, strict=True), start=2):
            size = x.shape[axis]
            missing = max(0, length - stride if size % stride == 0 else length - size % stride)
            before = torch.zeros(*x.shape[:axis], missing // 2, *x.shape[axis + 1 :])
            after = torch.zeros(*x.shape[:axis], math.ceil(missing / 2), *x.shape[axis + 1 :])
            x = torch.cat([before, x, after], dim=axis)
        return x

    def unit(x: torch.Tensor, name: str, window: int, step: tuple[int, ...] = (1, 1, 1)) -> torch.Tensor:
        x = F.conv3d(same(x, window, step, window), state[f"{name}.conv3d.weight"], stride=step)
        mean, var, scale, shift = (
            state[f"{name}.bn.{part}"].reshape(1, -1, 1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / (var + eps).sqrt() * scale + shift).clamp(min=0)

    def pool(x: torch.Tensor, window: int, step: tuple[int, ...], window_t: int) -> torch.Tensor:
        return F.max_pool3d(same(x, window, step, window_t), (window_t, window, window), step)

    def mixed(x: torch.Tensor, name: str) -> torch.Tensor:
        b1 = unit(unit(x, f"{name}.b1a", 1), f"{name}.b1b", 3)
        b2 = unit(unit(x, f"{name}.b2a", 1), f"{name}.b2b", 3)
        b3 = unit(pool(x, 3, (1, 1, 1), 3), f"{name}.b3b", 1)
        return torch.cat([unit(x, f"{name}.b0", 1), b1, b2, b3], dim=1)

    x = pool(unit(clip_BCTHW, "Conv3d_1a_7x7", 7, (2, 2, 2)), 3, (1, 2, 2), 1)
    x = unit(unit(x, "Conv3d_2b_1x1", 1), "Conv3d_2c_3x3", 3)
    x = mixed(mixed(pool(x, 3, (1, 2, 2), 1), "Mixed_3b"), "Mixed_3c")
    x = pool(x, 3, (2, 2, 2), 3)
    for name in ("Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"):
        x = mixed(x, name)
    x = mixed(mixed(pool(x, 2, (2, 2, 2), 2), "Mixed_5b"), "Mixed_5c")
    windows = [x[:, :, t : t + 2, :7, :7].mean(dim=(2, 3, 4)) for t in range(x.shape[2] - 1)]
    weight, bias = state["logits.conv3d.weight"][:, :, 0, 0, 0], state["logits.conv3d.bias"]
    return torch.stack([window @ weight.T + bias for window in windows]).mean(dim=0)


def test_output_is_that_of_a_plain_reading_of_the_same_weights(model: I3D) -> None:
    """Odd sizes, so that 'same' padding is uneven; 18 frames, so that two windows are averaged over time."""
    clip = torch.rand(1, 3, 18, 193, 193, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        ours, plain = model(clip), plain_i3d(model.state_dict(), clip, eps=1e-3)
        assert ours.shape == (1, 400)
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)
        assert ours.std() > 1e-3  # the weights do not annihilate the input


def test_padding_is_tensorflows_for_every_size_and_stride() -> None:
    for size in range(1, 12):
        for window in (1, 2, 3, 7):
            for step in (1, 2, 3):
                padded = pad_same(torch.ones(1, 1, size, 1, 1), (window, 1, 1), (step, 1, 1))[0, 0, :, 0, 0]
                assert (len(padded) - window) // step + 1 == math.ceil(size / step)
                before = int(padded.argmax())
                assert len(padded) - size - before - before in (0, 1)


def test_the_epsilon_of_the_batch_norms_is_a_parameter_that_moves_the_output(model: I3D) -> None:
    other = I3D(batch_norm_eps=1e-5).eval()
    other.load_state_dict(model.state_dict())
    x = torch.rand(1, 3, 4, 16, 16)
    with torch.inference_mode():
        assert (other.Conv3d_1a_7x7(x) - model.Conv3d_1a_7x7(x)).abs().max() > 1e-2
    assert {module.eps for module in model.modules() if isinstance(module, torch.nn.BatchNorm3d)} == {1e-3}


@pytest.mark.parametrize("shape", [(8, 224, 224), (16, 192, 224), (16, 128, 128)])
def test_a_clip_too_small_for_the_last_window_is_an_error(model: I3D, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 9 frames of 193 x 193"):
        model(torch.zeros(1, 3, *shape))


def hassony(name: str) -> str:
    """A native key as kinetics_i3d_pytorch writes it."""
    name = name.replace("logits.", "conv3d_0c_1x1.").replace(".bn.", ".batch3d.")
    name = name.replace(".b0.", ".branch_0.").replace(".b3b.", ".branch_3.1.")
    for branch in "12":
        name = name.replace(f".b{branch}a.", f".branch_{branch}.0.").replace(f".b{branch}b.", f".branch_{branch}.1.")
    return name.replace("Conv3d_", "conv3d_").replace("Mixed_", "mixed_")


@pytest.mark.parametrize("layout", ["piergiaj", "tats", "hassony", "wrapped", "safetensors", "torchscript"])
def test_state_dicts_in_circulation_load(model: I3D, layout: str, tmp_path) -> None:
    state = dict(model.state_dict())
    path = tmp_path / ("weights.safetensors" if layout == "safetensors" else "weights.pt")
    if layout == "piergiaj":
        torch.save(state, path)
    elif layout == "tats":  # made from the TensorFlow graph, which counts no batches
        torch.save({name: value for name, value in state.items() if "num_batches" not in name}, path)
    elif layout == "hassony":
        torch.save({hassony(name): value for name, value in state.items()}, path)
    elif layout == "wrapped":
        torch.save({"state_dict": {f"module.i3d.{name}": value for name, value in state.items()}}, path)
    elif layout == "safetensors":
        from safetensors.torch import save_file

        save_file(state, path)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(_Holder(model.state_dict())).save(str(path))
    loaded = load_i3d(path)
    assert not loaded.training
    for name, value in loaded.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(value, state[name]), name


class _Holder(torch.nn.Module):
    """Tensors under dotted names in a module that TorchScript can store, as those archives hold them."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        for name, value in state.items():
            *path, leaf = name.split(".")
            place: torch.nn.Module = self
            for part in path:
                if not hasattr(place, part):
                    place.add_module(part, torch.nn.Module())
                place = getattr(place, part)
            place.register_buffer(leaf, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_a_graph_without_scales_of_batch_norm_gets_ones(model: I3D, tmp_path) -> None:
    state = {name: value for name, value in model.state_dict().items() if not name.endswith("bn.weight")}
    torch.save(state, tmp_path / "weights.pt")
    assert torch.equal(load_i3d(tmp_path / "weights.pt").Mixed_4b.b1b.bn.weight, torch.ones(208))


def test_kinetics_600_gives_600_logits(tmp_path) -> None:
    torch.save(I3D(classes=600).state_dict(), tmp_path / "weights.pt")
    assert load_i3d(tmp_path / "weights.pt").logits.conv3d.out_channels == 600


def test_weights_that_do_not_fit_are_listed(model: I3D, tmp_path) -> None:
    state = dict(model.state_dict())
    del state["Mixed_4b.b0.conv3d.weight"]
    state["extra.weight"] = torch.zeros(1)
    state["Conv3d_2b_1x1.conv3d.weight"] = torch.zeros(64, 32, 1, 1, 1)
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(ValueError) as error:
        load_i3d(tmp_path / "weights.pt")
    for part in (
        "missing Mixed_4b.b0.conv3d.weight",
        "unknown extra.weight",
        "(64, 32, 1, 1, 1), expected (64, 64, 1, 1, 1)",
    ):
        assert part in str(error.value)
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"missing Conv3d_1a_7x7.*and \d+ more"):
        load_i3d(tmp_path / "weights.pt")


def test_files_that_hold_no_weights_are_an_error(tmp_path) -> None:
    (tmp_path / "text.pt").write_text("hello")
    torch.save([1, 2], tmp_path / "list.pt")
    for name, words in (("text.pt", "no file of weights"), ("list.pt", "holds list")):
        with pytest.raises(ValueError, match=words):
            load_i3d(tmp_path / name)
    with pytest.raises(ValueError, match="holds 2 weight files"):
        find_weights(tmp_path)
    with pytest.raises(ValueError, match="there is no weight file"):
        find_weights(tmp_path / "none.pt")
    with pytest.raises(ValueError, match="not a hub id"):
        find_weights("/none/none")
    (tmp_path / "list.pt").unlink()
    assert find_weights(tmp_path) == find_weights(tmp_path / "text.pt") == tmp_path / "text.pt"


def test_the_published_weights_tell_black_from_white() -> None:
    """Constant videos have no variance, so only the mean term is left: about 131 with the weights of FVD, and 133.7 with those of
    VideoGPT, for 15 frames of 64 x 64 (common_metrics_on_video_quality)."""
    path = os.environ.get("I3D_WEIGHTS")
    if not path:
        pytest.skip("optional: I3D_WEIGHTS names no weight file of I3D, and none can be downloaded in a test")
    extractor = i3d_extractor(path)
    black, white = (np.full((15, 64, 64, 3), level, np.uint8) for level in (0, 255))
    assert 120 < frechet_distance(extractor([black] * 2), extractor([white] * 2), ddof=1) < 145
