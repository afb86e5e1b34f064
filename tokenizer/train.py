"""Train the tokenizer on a folder of clips: stills first, then video.

    python -m tokenizer.train --data DIR --validation DIR --out runs/tokenizer --minutes 45
    python -m tokenizer.train --data DIR --out /tmp/check --overfit        # health check: can it learn one clip by heart?

Started again with the same --out, it goes on where it stopped. Writes out/model/ (the tokenizer), out/log.jsonl, out/sheet-*.png
and out/checkpoint-*/ (accelerate's, for resuming).
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from tokenizer.data import ClipFolder, windows_in
from tokenizer.learning import Learner, train_step
from tokenizer.loop import (
    Clock,
    begin,
    check_finite,
    log,
    resume,
    run_command,
    save_checkpoint,
    set_learning_rate,
)
from tokenizer.model import PRESETS, VideoTokenizer, VideoTokenizerConfig
from tokenizer.optimizer import make_optimizers
from tokenizer.precision import mixed_precision
from tokenizer.report import evaluate, sheet

COLLAPSE_SHARE, COLLAPSE_AFTER = (
    0.01,
    200,
)  # below 1 % of the codebook's perplexity after so many steps, training is lost
LARGE_CODEBOOK = 4096  # a batch has no more cells than that, so it cannot use more of a codebook


def plan(progress: float, args: argparse.Namespace, temporal_stride: int) -> tuple[int, int]:
    """(clips, frames) of the next batch: single frames for the first share of the run, then windows of video."""
    if progress < args.stills:
        return args.latent_frames, 1
    return windows_in(args.latent_frames, args.frames, temporal_stride), args.frames


def parse_shape(text: str) -> tuple[int, int]:
    """Read "160x96" as (height, width), here (96, 160)."""
    try:
        width, height = (int(side) for side in text.lower().split("x"))
    except ValueError as error:
        raise ValueError(f"size {text!r} cannot be read: write it as WIDTHxHEIGHT, such as 160x96") from error
    return height, width


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of clips with metadata.jsonl")
    parser.add_argument("--validation", help="folder of clips that are not trained on")
    parser.add_argument("--out", required=True)
    parser.add_argument("--preset", default="base", choices=list(PRESETS))
    parser.add_argument("--init", help="folder of a trained tokenizer to start from")
    parser.add_argument("--minutes", type=float, default=45.0, help="training time; ignored with --steps")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--shapes", help="WxH,WxH: sizes that clips are fitted to (default: the preset's)")
    parser.add_argument("--stills", type=float, default=0.35, help="share of the run on single frames")
    parser.add_argument("--frames", type=int, default=9, help="frames of a training window")
    parser.add_argument("--latent-frames", type=int, default=18, help="latent frames a batch")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--evaluate-every", type=int, default=500, help="steps")
    parser.add_argument("--validation-clips", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--overfit", action="store_true", help="learn the first clip by heart and say whether it worked"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train; returns the last evaluation (or the last training numbers, without --validation)."""
    args = parse(argv)
    if args.overfit:
        return overfit(args)
    # ---- setup
    out, accelerator = begin(args)
    # ---- data, at the sizes of the model
    model = new_model(args)
    clips = ClipFolder(args.data, model.config.shapes)
    held_out = ClipFolder(args.validation, model.config.shapes) if args.validation else None
    accelerator.print(f"{len(clips)} clips, {len(clips.skipped)} unreadable")
    # ---- model and optimizer
    learner = Learner(model, len(clips.classes)).train()
    prepared = accelerator.prepare(learner)
    optimizers = [accelerator.prepare(optimizer) for optimizer in make_optimizers(learner, args.learning_rate)]
    clock = Clock()
    resume(out, accelerator, clock)
    # ---- loop
    result: dict[str, float] = {}
    numbers: dict[str, float] = {}
    seed = args.seed + 1000 * accelerator.process_index  # each process its own batches
    stride = model.config.temporal_stride
    batches = clips.batches(seed, clock.step, lambda step: plan(clock.progress(args, step), args, stride))
    while clock.progress(args) < 1:
        start = time.monotonic()
        # -- step
        batch = next(batches)
        set_learning_rate(optimizers, clock.step, clock.progress(args))
        numbers = train_step(prepared, optimizers, accelerator, batch)
        clock.tick(time.monotonic() - start, accelerator)
        check_health(numbers, clock.step, model.codebook_size)
        # -- log
        if clock.step % 50 == 0:
            log(out, accelerator, clock, numbers)
        # -- evaluate, sample, save
        if clock.step % args.evaluate_every == 0:
            save(out, accelerator, model, clock)
            if held_out and accelerator.is_main_process:
                result = evaluate(model, held_out, args.validation_clips)
                log(out, accelerator, clock, {"validation": result})
                sheet(model, held_out, 16, out / f"sheet-{clock.step:06d}.png")
    # ---- the end
    batches.close()
    save(out, accelerator, model, clock)
    if held_out and accelerator.is_main_process:
        result = evaluate(model, held_out, args.validation_clips)
        log(out, accelerator, clock, {"validation": result})
        sheet(model, held_out, 16, out / "sheet-last.png")
    return result or numbers


def new_model(args: argparse.Namespace) -> VideoTokenizer:
    """That of --init, or a fresh one of the preset; with the sizes of --shapes, if any."""
    model = VideoTokenizer.from_pretrained(args.init) if args.init else None
    config = model.config if model else VideoTokenizerConfig.preset(args.preset)
    if args.shapes:
        config = replace(config, shapes=tuple(parse_shape(text) for text in args.shapes.split(",")))
    model = model or VideoTokenizer(config)
    model.config = config
    return model


def check_health(numbers: dict[str, float], step: int, codebook_size: int) -> None:
    """Stop a run that cannot be saved, and say why."""
    check_finite(numbers, step)
    if step > COLLAPSE_AFTER and numbers["perplexity"] < COLLAPSE_SHARE * min(codebook_size, LARGE_CODEBOOK):
        raise SystemExit(
            f"step {step}: the codebook has collapsed (perplexity {numbers['perplexity']:.1f} of {codebook_size}); "
            "start again with a lower --learning-rate or more varied clips"
        )


def overfit(args: argparse.Namespace, bar: float = 24.0) -> dict[str, float]:
    """Health check on the user's own clips: one window, seen again and again, must come back at `bar` dB."""
    set_seed(args.seed)
    accelerator = Accelerator(mixed_precision=mixed_precision())
    tokenizer = new_model(args)
    clips = ClipFolder(args.data, tokenizer.config.shapes)
    learner = Learner(tokenizer, len(clips.classes)).train()
    model = accelerator.prepare(learner)
    optimizers = [accelerator.prepare(optimizer) for optimizer in make_optimizers(learner, args.learning_rate)]
    batch = clips.batch(args.seed, 0, clips=1, frames=args.frames)
    numbers: dict[str, float] = {}
    for step in range(args.steps or 300):
        numbers = train_step(model, optimizers, accelerator, batch)
        if step % 50 == 0:
            print(json.dumps({"step": step, **numbers}), flush=True)
    verdict = (
        "healthy" if numbers["psnr"] >= bar else f"NOT healthy: under {bar} dB, look at the clip and the learning rate"
    )
    print(f"one clip by heart: {numbers['psnr']:.1f} dB, {verdict}")
    return numbers


def save(out: Path, accelerator: Accelerator, model: VideoTokenizer, clock: Clock) -> None:
    """The tokenizer, then the loop's state: a run that is cut in between goes on from before and writes both again."""
    if accelerator.is_main_process:
        # Rounded as the bundle stores it, so that codes made from now on are of the very tokenizer that will decode them.
        accelerator.unwrap_model(model).save_pretrained(out / "model", dtype=torch.float16)
    save_checkpoint(out, accelerator, clock.step)


if __name__ == "__main__":
    run_command(main)
