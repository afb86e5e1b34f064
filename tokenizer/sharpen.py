"""Sharpen the decoder of a trained tokenizer, with a critic. Its codes stay as they are, and so does a GPT that knows them.

    python -m tokenizer.sharpen --init runs/tokenizer/model --data DIR --validation DIR --out runs/sharp --minutes 60

Where a code leaves open what was there, the least mean error is the mean of all that it may stand for: soft edges, and things that
dissolve as they move. So the decoder is pulled towards what a critic takes for that thing, too (`tokenizer/sharpening.py`).

Started again with the same --out, it goes on where it stopped. Writes out/model/ (the tokenizer), out/log.jsonl,
out/sheet-*.png and out/checkpoint-*/. The error gets worse by some tenths of a decibel: that is the price (EXPERIMENTS.md).
"""

import argparse
import time
from pathlib import Path

import torch
from accelerate import Accelerator

from tokenizer.data import ClipFolder, windows_in
from tokenizer.loop import (
    Clock,
    begin,
    check_finite,
    log,
    resume,
    run_command,
    save_checkpoint,
)
from tokenizer.model import VideoTokenizer
from tokenizer.report import evaluate, sheet
from tokenizer.sharpening import STILLS_EVERY, Sharpening, times

LOG_EVERY = 50


def plan(step: int, args: argparse.Namespace, temporal_stride: int) -> tuple[int, int]:
    """(clips, frames) of a batch: windows of video, and every fourth time single frames."""
    if step % STILLS_EVERY == 0:
        return args.latent_frames, 1
    return windows_in(args.latent_frames, args.frames, temporal_stride), args.frames


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--init", required=True, help="folder of a trained tokenizer")
    parser.add_argument("--data", required=True, help="folder of clips with metadata.jsonl")
    parser.add_argument("--validation", help="folder of clips that are not trained on")
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=60.0, help="training time; ignored with --steps")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--frames", type=int, default=17, help="frames of a training window")
    parser.add_argument("--latent-frames", type=int, default=18, help="latent frames a batch")
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--evaluate-every", type=int, default=500, help="steps")
    parser.add_argument("--validation-clips", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train; returns the last evaluation (or the last training numbers, without --validation)."""
    args = parse(argv)
    # ---- setup
    out, accelerator = begin(args)
    if accelerator.num_processes > 1:
        raise ValueError("sharpening runs in one process: start it without `accelerate launch`")
    # ---- data, at the sizes of the model
    model = VideoTokenizer.from_pretrained(args.init)
    clips = ClipFolder(args.data, model.config.shapes)
    held_out = ClipFolder(args.validation, model.config.shapes) if args.validation else None
    print(f"{len(clips)} clips, {len(clips.skipped)} unreadable, {len(clips.classes)} classes")
    # ---- networks and optimizers
    both = Sharpening(model, len(clips.classes), args.learning_rate, accelerator)
    clock = Clock()
    resume(out, accelerator, clock, both.average)
    # ---- loop
    result: dict[str, float] = {}
    numbers: dict[str, float] = {}
    stride = model.config.temporal_stride
    batches = clips.batches(args.seed, clock.step, lambda step: plan(step, args, stride))
    while (progress := clock.progress(args)) < 1:
        start = time.monotonic()
        # -- step
        batch = next(batches)
        chosen = times(args.seed, clock.step, len(batch.clip_BCTHW), batch.clip_BCTHW.shape[2])
        numbers = both.step(batch, chosen, clock, progress)
        clock.tick(time.monotonic() - start, accelerator)
        check_finite(numbers, clock.step)
        # -- log
        if clock.step % LOG_EVERY == 0:
            log(out, accelerator, clock, numbers)
        # -- evaluate, sample, save
        if clock.step % args.evaluate_every == 0:
            save(out, accelerator, both, clock)
            if held_out:
                result = look(out, accelerator, both, held_out, args, clock, f"sheet-{clock.step:06d}.png")
    # ---- the end
    batches.close()
    save(out, accelerator, both, clock)
    if held_out:
        result = look(out, accelerator, both, held_out, args, clock, "sheet-last.png")
    return result or numbers


def look(
    out: Path, accelerator: Accelerator, both: Sharpening, clips: ClipFolder, args, clock: Clock, name: str
) -> dict:
    """Measures the sharpened tokenizer, and draws a sheet of what it makes of the first clips."""
    result = evaluate(both.average.model, clips, args.validation_clips)
    log(out, accelerator, clock, {"validation": result})
    sheet(both.average.model, clips, 16, out / name)
    return result


def save(out: Path, accelerator: Accelerator, both: Sharpening, clock: Clock) -> None:
    """The tokenizer, then the loop's state: a run that is cut in between goes on from before and writes both again."""
    both.average.model.save_pretrained(out / "model", dtype=torch.float16)
    save_checkpoint(out, accelerator, clock.step)


if __name__ == "__main__":
    run_command(main)
