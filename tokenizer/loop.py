"""What every training loop is made of: the clock, the learning rate, the checkpoints, and the face of its command.

Enters: accelerate's Accelerator, optimizers whose groups keep their peak rate in `group["peak"]`, a run's folder and arguments
(`steps`, or else `minutes`). Leaves: out/checkpoint-00001234/, from which a run goes on exactly.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator

WARM_UP_STEPS = 50
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
