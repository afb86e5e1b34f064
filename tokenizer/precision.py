"""float32 or bfloat16: what the user wants, and which of them this processor is faster with.

Enters: work that can be prepared in either. Leaves: how many times faster it is in bfloat16, and what training takes.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable

import torch

BF16_GAIN = 1.2  # bf16 must be clearly faster than float32 on this processor, or its rounding is not worth it


# int8: bfloat16, but where the GPT is sampled its weights have eight bits.
FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.bfloat16}


def wanted_format() -> str | None:
    """What `GPT_VIDEO_DTYPE` says, one of FORMATS; None where it says nothing. ValueError for anything else."""
    wanted = os.environ.get("GPT_VIDEO_DTYPE")
    if wanted and wanted not in FORMATS:
        raise ValueError(f"GPT_VIDEO_DTYPE is {wanted!r}: expected float32, bfloat16 or int8")
    return wanted or None


def wanted_dtype() -> torch.dtype | None:
    """The dtype of the wanted format, or None."""
    wanted = wanted_format()
    return FORMATS[wanted] if wanted else None


def best_time(work: Callable[[], object], repeats: int) -> float:
    """Seconds that the fastest of `repeats` runs takes, after one that warms up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def bf16_gain(prepare: Callable[[torch.dtype], Callable[[], object]], repeats: int) -> float:
    """How many times faster in bfloat16 than in float32 the work is that `prepare(dtype)` makes ready: the best of `repeats`."""
    return best_time(prepare(torch.float32), repeats) / best_time(prepare(torch.bfloat16), repeats)


@functools.cache
def mixed_precision() -> str:
    """For accelerate: "bf16" on a GPU, and on a processor where it makes training steps faster; else "no", which is float32.

    A processor without instructions for bfloat16 takes up to fifty times as long for its convolutions (EXPERIMENTS.md).
    `GPT_VIDEO_DTYPE` decides without a probe.
    """
    if wanted := wanted_dtype():
        return "bf16" if wanted == torch.bfloat16 else "no"
    return "bf16" if torch.accelerator.is_available() or probe_gain() > BF16_GAIN else "no"


def probe_gain(channels: int = 64, side: int = 32, repeats: int = 3) -> float:
    """The gain of a step of training: one convolution, forward and backward."""
    # No random numbers: a probe in the middle of a run must not change what comes after it.
    weight, x_BCHW = torch.ones(channels, channels, 3, 3, requires_grad=True), torch.ones(4, channels, side, side)

    def step(dtype: torch.dtype) -> None:
        with torch.enable_grad():  # an optimizer's step, which may be the first to ask, has none
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                y_BCHW = torch.nn.functional.conv2d(x_BCHW, weight)
            y_BCHW.float().mean().backward()

    return bf16_gain(lambda dtype: functools.partial(step, dtype), repeats)
