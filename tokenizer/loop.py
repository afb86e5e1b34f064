"""What every training loop is made of: the clock, the learning rate, the precision, the checkpoints, the face of its command.

Enters: accelerate's Accelerator, optimizers whose groups keep their peak rate in `group["peak"]`, a run's folder and arguments
(`steps`, or else `minutes`). Leaves: out/checkpoint-00001234/, from which a run goes on exactly.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator

WARM_UP_STEPS = 50
BF16_GAIN = 1.2  # bf16 must be clearly faster than float32 on this processor, or its rounding is not worth it
CHECKPOINTS = "checkpoint-[0-9]*"


@dataclass
class Clock:
    """Where the run is. `minutes` counts training time over all resumed parts, without evaluation."""

    step: int = 0
    minutes: float = 0.0

    def state_dict(self) -> dict[str, Any]:
        return vars(self).copy()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def progress(self, args: argparse.Namespace, step: int | None = None) -> float:
        """Share of the run that is done, 0 .. 1, at `step` (now, by default)."""
        return (self.step if step is None else step) / args.steps if args.steps else self.minutes / args.minutes

    def tick(self, seconds: float, accelerator: Accelerator) -> float:
        """Counts a step that took `seconds` in this process; returns its mean over the processes, by which time is told."""
        # Processes that disagreed on the time would leave the loop at different steps, and wait for each other for ever.
        mean = float(accelerator.reduce(torch.tensor(seconds, device=accelerator.device), "mean"))
        self.step += 1
        self.minutes += mean / 60
        return mean


def set_learning_rate(optimizers: Iterable[Any], step: int, progress: float) -> None:
    """Warm up, hold for half of the run, then fall linearly to a fiftieth."""
    factor = min((step + 1) / WARM_UP_STEPS, 1.0) * max(min(1.0, 2 * (1 - progress)), 0.02)
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["lr"] = group["peak"] * factor


@functools.cache
def mixed_precision() -> str:
    """For accelerate: "bf16" on a GPU, and on a processor where it makes training steps faster; else "no", which is float32.

    A processor without instructions for bfloat16 takes up to fifty times as long for its convolutions (EXPERIMENTS.md).
    `GPT_VIDEO_DTYPE=float32|bfloat16` decides without a probe.
    """
    wanted = os.environ.get("GPT_VIDEO_DTYPE")
    if wanted in ("float32", "bfloat16"):
        return "no" if wanted == "float32" else "bf16"
    return "bf16" if torch.accelerator.is_available() or probe_gain() > BF16_GAIN else "no"


def probe_gain(channels: int = 64, side: int = 32, repeats: int = 3) -> float:
    """How many times faster a step of training is with bfloat16 than with float32: one convolution, forward and backward."""
    # No random numbers: a probe in the middle of a run must not change what comes after it.
    weight, x_BCHW = torch.ones(channels, channels, 3, 3, requires_grad=True), torch.ones(4, channels, side, side)

    def best_time(bf16: bool) -> float:
        times = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                y_BCHW = torch.nn.functional.conv2d(x_BCHW, weight)
            y_BCHW.float().mean().backward()
            times.append(time.perf_counter() - start)
        return min(times[1:])  # the first run warms up

    return best_time(False) / best_time(True)


def newest_checkpoint(out: Path) -> Path | None:
    """The folder to go on from, or None."""
    return max(out.glob(CHECKPOINTS), default=None)


def save_checkpoint(out: Path, accelerator: Accelerator, step: int) -> None:
    """Keeps the loop's state as out/checkpoint-STEP. The one before it goes when this one has its name: a cut loses neither."""
    new, part = out / f"checkpoint-{step:08d}", out / "checkpoint.part"
    if new.exists():
        return
    if accelerator.is_main_process:
        shutil.rmtree(part, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(part))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        part.rename(new)
        for older in set(out.glob(CHECKPOINTS)) - {new}:
            shutil.rmtree(older)
    accelerator.wait_for_everyone()


def run_command(main: Callable[[], object]) -> None:
    """Runs the `main` of a command: what its user can put right is one sentence on stderr and exit code 2, no traceback."""
    try:
        main()
    except (ValueError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
