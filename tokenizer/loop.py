"""What every training loop is made of: the clock, the learning rate, a step down the loss, the log, the checkpoints, and the face
of its command.

Enters: accelerate's Accelerator, optimizers made with their peak rates, a run's folder and arguments (`steps`, or else `minutes`).
Leaves: out/log.jsonl, and out/checkpoint-00001234/, from which a run goes on exactly.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tokenizer.precision import mixed_precision

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
        """Share of the run that is done, 0 .. 1, at `step` (now, by default). ValueError for a run of no length."""
        if args.steps < 0 or not (args.steps or args.minutes > 0):
            raise ValueError(f"--steps {args.steps} and --minutes {args.minutes:g}: give one of them a number above 0")
        return (self.step if step is None else step) / args.steps if args.steps else self.minutes / args.minutes

    def tick(self, seconds: float, accelerator: Accelerator) -> float:
        """Counts a step that took `seconds` in this process; returns its mean over the processes, by which time is told."""
        # Processes that disagreed on the time would leave the loop at different steps, and wait for each other for ever.
        mean = float(accelerator.reduce(torch.tensor(seconds, device=accelerator.device), "mean"))
        self.step += 1
        self.minutes += mean / 60
        return mean


def begin(args: argparse.Namespace) -> tuple[Path, Accelerator]:
    """The run's folder, made, and its Accelerator, in the precision that is fast here; sets every seed to that of the run."""
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    set_seed(args.seed)
    return out, Accelerator(mixed_precision=mixed_precision())


def set_learning_rate(optimizers: Iterable[Any], step: int, progress: float) -> None:
    """Warm up to each group's peak (the rate that it was made with), hold for half of the run, then fall linearly to a fiftieth."""
    factor = min((step + 1) / WARM_UP_STEPS, 1.0) * max(min(1.0, 2 * (1 - progress)), 0.02)
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["lr"] = group.setdefault("peak", group["lr"]) * factor


def descend(loss: torch.Tensor, model: nn.Module, optimizers: Iterable[Any], accelerator: Accelerator) -> None:
    """One step down the loss, the gradients of the whole model cut to norm 1."""
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()


def check_finite(numbers: Mapping[str, float], step: int) -> None:
    """Stops a run that cannot be saved, and says why."""
    if not all(math.isfinite(value) for value in numbers.values()):
        raise SystemExit(f"step {step}: the loss is not finite ({numbers}); start again with a lower --learning-rate")


def log(out: Path, accelerator: Accelerator, clock: Clock, numbers: Mapping[str, Any]) -> None:
    """A line of out/log.jsonl, printed too: step, minutes, and the numbers to five decimals."""
    if accelerator.is_main_process:
        line = json.dumps({"step": clock.step, "minutes": round(clock.minutes, 2), **_rounded(numbers)})
        print(line, flush=True)
        with (out / "log.jsonl").open("a") as file:
            file.write(line + "\n")


def _rounded(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _rounded(value) if isinstance(value, Mapping) else round(value, 5) if isinstance(value, float) else value
        for name, value in numbers.items()
    }


def resume(out: Path, accelerator: Accelerator, clock: Clock, *others: Any) -> None:
    """Goes on from the newest checkpoint, if there is one: everything prepared, the clock, and `others` that have a state_dict."""
    accelerator.register_for_checkpointing(clock, *others)
    if checkpoint := newest_checkpoint(out):
        accelerator.load_state(str(checkpoint))
        accelerator.print(f"goes on at step {clock.step}, {clock.minutes:.1f} minutes")


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
