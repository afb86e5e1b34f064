"""A small network on disk: NAME.safetensors, and NAME.json that tells what it is, with the SHA-256 of the weights.

Matrices and convolutions are stored in eight bits with a scale for each output, the rest in float16: half the size, and nearly the
same answers (EXPERIMENTS.md). Files that hold float16 alone are read too.

Enters: a state dict and a record of plain values. Leaves: the same again, or a clear error where a file is missing or damaged.
Those that come with the package lie in eval/weights/: the judge of the core world, and what all worlds share; the judge of another
world lies in a folder of its name there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gpt_video.diorama.world import CORE
from gpt_video.disk import draft_of, file_sha256, write_text
from gpt_video.matrix import in_steps

WEIGHTS = Path(__file__).parent / "weights"
SCALE = ":scale"  # after the name of a tensor in eight bits
Net = TypeVar("Net", bound=nn.Module)


def weights_of(world: str) -> Path:
    """The folder of the judge that knows the world of that name."""
    return WEIGHTS if world == CORE.name else WEIGHTS / world


def save_network(folder: str | Path, name: str, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> str:
    """Writes both files under temporary names first; returns the SHA-256 of the weights."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"{name}.safetensors"
    stored: dict[str, Tensor] = {}
    for key, value in tensors.items():
        stored |= _in_eight_bits(key, value) if value.ndim > 1 else {key: value.detach().half()}
    with draft_of(weights) as draft:
        save_file({key: value.contiguous() for key, value in stored.items()}, draft)
    whole = {**record, "sha256": file_sha256(weights)}
    write_text(folder / f"{name}.json", json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    return whole["sha256"]


def load_network(folder: str | Path, name: str) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    """(record, tensors in float32, SHA-256). ValueError where something is missing, damaged, or not what the hash says."""
    folder = Path(folder)
    if not (folder / f"{name}.json").is_file():
        raise ValueError(f"no readable {name} in {folder}: train one with `python -m eval.train`, and put it there")
    try:
        record = json.loads((folder / f"{name}.json").read_text("utf-8"))
        weights = folder / f"{name}.safetensors"
        sha256, tensors = file_sha256(weights), load_file(weights)
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"no readable {name} in {folder} ({error}): train one with `python -m eval.train`") from error
    if record.get("sha256") != sha256:
        raise ValueError(f"{weights} is damaged or of another version: its hash is not the one in {name}.json")
    return record, _in_float32(tensors), sha256


def _in_eight_bits(key: str, value: Tensor) -> dict[str, Tensor]:
    steps, scale = in_steps(value.detach().float().flatten(1))
    return {key: steps.view(value.shape), key + SCALE: scale}


def _in_float32(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {key: value.float() for key, value in tensors.items() if not key.endswith(SCALE)}
    for key, value in found.items():
        if key + SCALE in tensors:
            found[key] = value * tensors[key + SCALE].view(-1, *[1] * (value.ndim - 1))
    return found


def rebuilt(build: Callable[[], Net], tensors: Mapping[str, Tensor], where: str | Path) -> Net:
    """A network with these weights. ValueError where its record or the weights are not of this version of the code."""
    try:
        net = build()
        net.load_state_dict(tensors)
    except (RuntimeError, TypeError, KeyError) as error:
        raise ValueError(
            f"the network in {where} is of another version of this code: train it again with `python -m eval.train`"
        ) from error
    return net
