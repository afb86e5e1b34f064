"""Train the judge, the tiny CLIP or the feature network on rendered clips.

    python -m eval.train judge    --data DIR DIR --validation DIR --out runs/judge --minutes 15
    python -m eval.train clip     --data DIR DIR --validation DIR --out runs/clip --minutes 8
    python -m eval.train features --data DIR     --validation DIR --out runs/features --minutes 5

DIR: what `gpt-video data render` made; --validation one with held-out scenes. Started again with the same --out, it goes on where
it stopped. Writes out/model/ (to be copied into eval/weights/; the judge of the wide world into eval/weights/wide/),
out/log.jsonl and out/checkpoint-*/. The network is of the world of the clips, which must all be of one. A batch is a function of
the seed and the step; minutes count training alone, reading the clips comes before.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from accelerate import Accelerator

from eval.clips import RenderedClips, ahead
from eval.objectives import TASKS, Task
from tokenizer.loop import Clock, begin, descend, log, resume, run_command, save_checkpoint, set_learning_rate

FRAMES = {"judge": 96, "clip": 96, "features": 72}  # of a batch
LOG_EVERY = 25


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(TASKS))
    parser.add_argument("--data", required=True, nargs="+", help="folders of rendered clips")
    parser.add_argument("--validation", help="folder of rendered clips that are not trained on")
    parser.add_argument("--out", required=True)
    parser.add_argument("--init", help="folder of a trained judge, of a smaller world perhaps, to start the judge from")
    parser.add_argument(
        "--average", action="store_true", help="keep the mean of the weights of --init and of what they became"
    )
    parser.add_argument("--minutes", type=float, default=15.0, help="training time; ignored with --steps")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--coded-share", type=float, default=0.5, help="share of clips that go through H.264 once more")
    parser.add_argument("--most", type=int, help="clips read of each folder")
    parser.add_argument("--evaluate-every", type=int, default=500, help="steps")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.average and not args.init:
        parser.error("--average is of two sets of weights: give the first with --init")
    return args


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Train; returns the last evaluation (or the last training numbers, without --validation)."""
    args = parse(argv)
    # ---- setup
    out, accelerator = begin(args)
    # ---- data
    start = time.monotonic()
    clips = RenderedClips(args.data, coded_share=args.coded_share, most=args.most)
    held_out = RenderedClips([args.validation], most=args.most) if args.validation else None
    accelerator.print(f"{len(clips)} clips read in {time.monotonic() - start:.0f} s")
    # ---- model and optimizers
    task: Task = TASKS[args.what](clips, args.seed, FRAMES[args.what])
    if args.init:
        task.start_from(args.init)
    model = accelerator.prepare(task.model.train())
    optimizers = [accelerator.prepare(optimizer) for optimizer in task.optimizers(args.learning_rate)]
    clock = Clock()
    resume(out, accelerator, clock)
    # ---- loop
    result: dict[str, Any] = {}
    batches = ahead(task.batch, clock.step)
    while clock.progress(args) < 1:
        start = time.monotonic()
        # -- step
        set_learning_rate(optimizers, clock.step, clock.progress(args))
        result = train_step(task, model, optimizers, accelerator, next(batches))
        clock.tick(time.monotonic() - start, accelerator)
        # -- log
        if clock.step % LOG_EVERY == 0:
            log(out, accelerator, clock, result)
        # -- evaluate, save
        if clock.step % args.evaluate_every == 0:
            save_checkpoint(out, accelerator, clock.step)
            if held_out:
                log(out, accelerator, clock, {"validation": task.evaluate(held_out)})
    # ---- the end
    batches.close()
    save_checkpoint(out, accelerator, clock.step)
    if args.init and args.average:
        task.average_with(args.init)
    if held_out:
        result = task.evaluate(held_out)
        log(out, accelerator, clock, {"validation": result})
    task.save(out / "model", result, {"steps": clock.step, "minutes": round(clock.minutes, 2), "clips": len(clips)})
    return result


def train_step(task: Task, model: Any, optimizers: Any, accelerator: Accelerator, batch: Any) -> dict[str, float]:
    """One step; the named losses and their sum. SystemExit where that is not finite."""
    with accelerator.autocast():
        terms = task.losses(model, task.moved(batch, accelerator.device))
    loss = torch.stack(list(terms.values())).sum()
    descend(loss, model, optimizers, accelerator)
    numbers = {name: round(float(term.detach()), 4) for name, term in {"loss": loss, **terms}.items()}
    if not torch.isfinite(loss):
        raise SystemExit(f"the loss is not finite ({numbers}); start again with a lower --learning-rate")
    return numbers


if __name__ == "__main__":
    run_command(main)
