"""Which number format a model computes in on this machine, by a short probe whose answer is kept.

Enters: a device. Leaves: torch.float32 or torch.bfloat16, for decoding and for reading a prompt, and whether what a step of
decoding multiplies by has eight bits.
"""

from __future__ import annotations

import functools
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch

from gpt_video.disk import write_text
from gpt_video.matrix import ANY_ROWS, FEW_ROWS, Matrix, has_eight_bits
from tokenizer.precision import BF16_GAIN, best_time, bf16_gain, wanted_dtype, wanted_format

READ_ROWS = 256  # of a prompt, in the probe


def best_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on a GPU; on a processor what runs a decoding step faster here: float32, or bfloat16 with or without eight bits.

    The answer of the probe is kept in the user's cache folder, because the two round differently: the same request
    must give the same tokens tomorrow. `GPT_VIDEO_DTYPE=float32|bfloat16|int8` decides without a probe.
    """
    if wanted := wanted_dtype():
        return wanted
    is_faster = device.type == "cuda" or _cpu_prefers_bf16() or _cpu_prefers_eight_bits()
    return torch.bfloat16 if is_faster else torch.float32


def eight_bit_rows(dtype: torch.dtype, device: torch.device) -> int:
    """Up to how many rows a model in `dtype` multiplies by weights of eight bits in a step; 0 for none.

    A few in bfloat16 on a processor, where that is faster; any number where it has no instructions for bfloat16.
    """
    if dtype != torch.bfloat16 or device.type != "cpu":
        return 0
    wanted = wanted_format()
    if not (wanted == "int8" if wanted else _cpu_prefers_eight_bits()):
        return 0
    return FEW_ROWS if _cpu_reads_in_bf16() else ANY_ROWS


def reading_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """What a model in `dtype` reads its prompt in: float32 in place of bfloat16 where a processor multiplies clearly faster so.

    A step of decoding waits for the weights to arrive, which bfloat16 halves; a prompt waits for arithmetic, which a processor
    without instructions for bfloat16 does many times more slowly.
    """
    is_slow = dtype == torch.bfloat16 and device.type == "cpu" and not _cpu_reads_in_bf16()
    return torch.float32 if is_slow else dtype


@functools.cache
def _cpu_prefers_bf16() -> bool:
    return _known("", lambda: probe_gain() > BF16_GAIN)


@functools.cache
def _cpu_prefers_eight_bits() -> bool:
    return has_eight_bits() and _known(" | eight bits", lambda: eight_bits_gain() > BF16_GAIN)


@functools.cache
def _cpu_reads_in_bf16() -> bool:
    return _known(" | reading", lambda: probe_gain(rows=READ_ROWS, layers=2, repeats=2) > 1 / BF16_GAIN)


def _known(what: str, probe: Callable[[], bool]) -> bool:
    """The probe's answer, asked once on a machine."""
    file = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpt-video" / "dtype.json"
    key = f"{_processor()} | {torch.get_num_threads()} threads | torch {torch.__version__}{what}"
    try:
        known = dict(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        known = {}
    if key in known:
        return bool(known[key])
    answer = probe()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(known | {key: answer}))
    except OSError:
        pass  # a read-only home costs one probe a start
    return answer


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@torch.inference_mode()
def probe_gain(width: int = 512, layers: int = 12, repeats: int = 5, rows: int = 2) -> float:
    """How many times faster bfloat16 is than float32 at a step of decoding: two rows, or more, through a stack of matrices."""
    return bf16_gain(lambda dtype: _step(width, layers, rows, dtype), repeats)


@torch.inference_mode()
def eight_bits_gain(width: int = 512, layers: int = 12, repeats: int = 5, rows: int = 2) -> float:
    """How many times faster such a step is with weights of eight bits than in the better of bfloat16 and float32."""
    others = [best_time(_step(width, layers, rows, dtype), repeats) for dtype in (torch.bfloat16, torch.float32)]
    return min(others) / best_time(_step(width, layers, rows, torch.bfloat16, rows), repeats)


def _step(width: int, layers: int, rows: int, dtype: torch.dtype, eight_bit_rows: int = 0) -> Callable[[], object]:
    # more than the caches near the core hold, as the weights of a real model are
    matrices = [Matrix(torch.ones(4 * width, width, dtype=dtype), eight_bit_rows) for _ in range(layers)]
    x = torch.ones(rows, width, dtype=dtype)
    return lambda: [matrix(x) for matrix in matrices]
