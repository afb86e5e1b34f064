"""Train the GPT on token shards.

    python -m gpt_video.train --shards DIR --validation DIR --text DIR --tokenizer DIR --out runs/gpt --minutes 90

Started again with the same --out, it goes on where it stopped, exactly. Writes out/gpt/ (what transformers loads),
out/log.jsonl, out/loss.png, out/samples-*.png (with --tokenizer) and out/checkpoint-*/ (accelerate's, for resuming).

The first share of the run sees stills and one-second clips, the rest all lengths: colours, kinds and places are learnt
from short sequences, where a step is cheap, and motion afterwards. Validation is in bits a video token.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from transformers import Qwen3ForCausalLM

from gpt_video import sequence
from gpt_video.dataset import IGNORED, PackedBatches, read_shards
from gpt_video.diorama.language import noisy
from gpt_video.engine import Engine, Sampling
from gpt_video.learning import VideoLoss, check_finite, make_optimizers, quiet
from gpt_video.model import PRESETS, build_gpt, count_parameters, initialise_video_embeddings_
from gpt_video.pairs import read_gpt
from gpt_video.sequence import Turn, Vocabulary
from gpt_video.sheets import contact_sheet, curves
from gpt_video.text import TextTokenizer
from tokenizer.loop import Clock, begin, descend, log, resume, run_command, save_checkpoint, set_learning_rate

LOG_EVERY = 20
VALIDATION_BATCHES = 24
SAMPLES, SAMPLE_LENGTH = 12, 5  # videos on a sample sheet, latent frames of each


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", required=True, nargs="+", help="token shards (gpt-video data tokenize)")
    parser.add_argument("--validation", nargs="+", help="token shards that are not trained on")
    parser.add_argument("--text", required=True, help="folder of the text tokenizer")
    parser.add_argument(
        "--tokenizer", help="folder of the video tokenizer: sample sheets, and codes embedded by digits"
    )
    parser.add_argument("--out", required=True)
    parser.add_argument("--preset", default="5m", choices=list(PRESETS))
    parser.add_argument("--init", help="folder of a trained GPT to start from, instead of --preset")
    parser.add_argument("--minutes", type=float, default=90.0, help="training time; ignored with --steps")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument(
        "--short-share", type=float, default=0.3, help="share of the run on stills and one-second clips"
    )
    parser.add_argument("--tokens-per-batch", type=int, default=4096)
    parser.add_argument("--window", type=int, default=2048, help="longest conversation in tokens")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--evaluate-every", type=int, default=500, help="steps")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train; returns the last validation in bits a video token (or the last training numbers, without --validation)."""
    args = parse(argv)
    # ---- setup
    quiet()
    out, accelerator = begin(args)
    # ---- data
    text_tokenizer = TextTokenizer.load(args.text)
    vocabulary = Vocabulary(text_tokenizer.vocab_size, read_shards(args.shards).codebook_size)
    short, full = training_streams(args, vocabulary, text_tokenizer, accelerator)
    held_out = validation_stream(args, vocabulary, text_tokenizer)
    # ---- model and optimizers
    video_tokenizer = load_video_tokenizer(args, vocabulary)
    gpt = load_gpt(args, vocabulary) if args.init else new_gpt(args, vocabulary, video_tokenizer)
    gpt.train()
    loss_of = VideoLoss(gpt, vocabulary)
    optimizers = make_optimizers(gpt, args.learning_rate)
    loss_of, *optimizers = accelerator.prepare(loss_of, *optimizers)
    clock = Clock()
    resume(out, accelerator, clock, short, full)
    accelerator.print(f"{len(full.paths)} conversations, {count_parameters(gpt) / 1e6:.1f} million parameters")
    # ---- loop
    result: dict[str, float] = {}
    recent: list[tuple[float, int, float]] = []
    short_batches, full_batches = iter(short), iter(full)
    while clock.progress(args) < 1:
        start = time.monotonic()
        # -- step
        batch = next(short_batches if clock.progress(args) < args.short_share else full_batches)
        set_learning_rate(optimizers, clock.step, clock.progress(args))
        loss = train_step(loss_of, optimizers, accelerator, batch)
        seconds = clock.tick(time.monotonic() - start, accelerator)
        check_finite(loss, clock.step)
        # -- log
        recent.append((loss, batch["ids_BL"].numel() * accelerator.num_processes, seconds))
        if clock.step % LOG_EVERY == 0 or clock.progress(args) >= 1:
            losses, tokens, times = zip(*recent, strict=True)
            numbers = {"bits": sum(losses) / len(losses), "tokens_per_second": sum(tokens) / sum(times)}
            log(out, accelerator, clock, numbers)
            result = result if held_out else numbers
            recent.clear()
        # -- evaluate, save, sample
        if clock.step % args.evaluate_every == 0 or clock.progress(args) >= 1:
            save(out, accelerator, gpt, clock)
            if held_out and accelerator.is_main_process:
                result = evaluate(accelerator.unwrap_model(loss_of), held_out, accelerator)
                log(out, accelerator, clock, {"validation": result})
                if video_tokenizer:
                    sample_sheet(gpt, video_tokenizer, held_out, out / f"samples-{clock.step:06d}.png", args.seed)
            if accelerator.is_main_process:
                draw_curves(out)
    return result


# Data and model


def training_streams(
    args: argparse.Namespace, vocabulary: Vocabulary, text_tokenizer: TextTokenizer, accelerator: Accelerator
) -> tuple[PackedBatches, PackedBatches]:
    """Short videos, and all lengths."""
    common: dict[str, Any] = {
        "tokens_per_batch": args.tokens_per_batch,
        "window": args.window,
        "text_noise": noisy,
        "process_index": accelerator.process_index,
        "process_count": accelerator.num_processes,
    }
    cut: dict[str, Any] = {"truncate_share": 1.0, "shortest": 2, "rolled_share": 0.0}
    short = PackedBatches(args.shards, vocabulary, text_tokenizer, seed=args.seed, **cut, **common)
    return short, PackedBatches(args.shards, vocabulary, text_tokenizer, seed=args.seed + 1, **common)


def validation_stream(
    args: argparse.Namespace, vocabulary: Vocabulary, text_tokenizer: TextTokenizer
) -> PackedBatches | None:
    """Whole conversations as they are, nothing dropped or corrupted."""
    if not args.validation:
        return None
    off: dict[str, Any] = dict.fromkeys(("truncate_share", "rolled_share", "caption_dropout", "corrupt_share"), 0.0)
    sizes: dict[str, Any] = {"tokens_per_batch": args.tokens_per_batch, "window": args.window}
    return PackedBatches(args.validation, vocabulary, text_tokenizer, **sizes, **off)


def load_video_tokenizer(args: argparse.Namespace, vocabulary: Vocabulary):
    """The tokenizer of --tokenizer, or None."""
    if not args.tokenizer:
        return None
    from tokenizer.model import VideoTokenizer

    video_tokenizer = VideoTokenizer.from_pretrained(args.tokenizer).eval()
    if video_tokenizer.codebook_size != vocabulary.codebook_size:
        sizes = f"{video_tokenizer.codebook_size} codes, the shards are of one with {vocabulary.codebook_size}"
        raise ValueError(f"--tokenizer {args.tokenizer} has {sizes}: give the tokenizer that made the shards")
    return video_tokenizer


def new_gpt(args: argparse.Namespace, vocabulary: Vocabulary, video_tokenizer) -> Qwen3ForCausalLM:
    gpt = build_gpt(args.preset, vocabulary.size, args.window, vocabulary.parts)
    if video_tokenizer is not None and video_tokenizer.config.quantizer == "fsq":
        levels, parts = video_tokenizer.config.levels, vocabulary.part_slices
        digits = len(levels) // len(parts)
        for index, part in enumerate(parts):
            initialise_video_embeddings_(gpt, part, levels[index * digits : (index + 1) * digits])
    return gpt


def load_gpt(args: argparse.Namespace, vocabulary: Vocabulary) -> Qwen3ForCausalLM:
    """The GPT of --init in float32, its window as asked for (rotary positions need no table)."""
    if not (Path(args.init) / "config.json").is_file():
        raise ValueError(f"no GPT in {args.init}: give a folder with config.json and weights, such as a bundle's gpt/")
    gpt = read_gpt(args.init)
    if gpt.config.vocab_size != vocabulary.size:
        sizes = f"{gpt.config.vocab_size} tokens and the vocabulary {vocabulary.size}"
        raise ValueError(f"the GPT in {args.init} has {sizes}: give the text and video tokenizers it was trained with")
    gpt.config.max_position_embeddings = args.window
    return gpt


# Optimization


def train_step(loss_of: nn.Module, optimizers: list, accelerator: Accelerator, batch: dict[str, torch.Tensor]) -> float:
    """One step; the mean loss of the batch in bits a video token, before the step."""
    ids_BL, labels_BL = (batch[name].to(accelerator.device) for name in ("ids_BL", "labels_BL"))
    with accelerator.autocast():
        loss = loss_of(ids_BL, labels_BL).mean()
    descend(loss, loss_of, optimizers, accelerator)
    return float(loss.detach()) / math.log(2)


# Evaluation, pictures, files


@torch.inference_mode()
def evaluate(loss_of: VideoLoss, held_out: PackedBatches, accelerator: Accelerator) -> dict[str, float]:
    """Bits a video token over the same held-out conversations every time: of all, and of each action's turns."""
    vocabulary = held_out.vocabulary
    losses: dict[str, list[torch.Tensor]] = defaultdict(list)
    for batch in islice(held_out.epoch(0), VALIDATION_BATCHES):
        with accelerator.autocast():
            loss_N = loss_of(batch["ids_BL"].to(accelerator.device), batch["labels_BL"].to(accelerator.device)).cpu()
        action_N = _actions(batch["ids_BL"], vocabulary)[:, 1:][batch["labels_BL"][:, 1:] != IGNORED]
        losses["all"].append(loss_N)
        for action in sequence.ACTIONS:
            losses[action].append(loss_N[action_N == vocabulary.action(action)])
    joined = {name: torch.cat(parts) for name, parts in losses.items()}
    return {name: float(loss_N.mean()) / math.log(2) for name, loss_N in joined.items() if len(loss_N)}


def _actions(ids_BL: torch.Tensor, vocabulary: Vocabulary) -> torch.Tensor:
    """At each place the last action token so far."""
    is_action_BL = torch.isin(ids_BL, torch.tensor([vocabulary.action(action) for action in sequence.ACTIONS]))
    last_BL = torch.where(is_action_BL, torch.arange(ids_BL.shape[1]), 0).cummax(dim=1).values
    return ids_BL.gather(1, last_BL)


def sample_sheet(gpt: Qwen3ForCausalLM, video_tokenizer, held_out: PackedBatches, path: Path, seed: int) -> None:
    """Held-out prompts, new videos and edits in turn: the source's last frame if any, then first, middle and last frame made."""
    engine = Engine(copy.deepcopy(gpt), held_out.vocabulary, torch.bfloat16)
    rows = []
    for caption, before, ids_L, grid in islice(_sample_prompts(held_out), SAMPLES):
        frames = list(engine.generate([ids_L], grid, Sampling(), [seed]))
        made_THWC = _decode(video_tokenizer, torch.stack(frames, 1))
        shown = [made_THWC[i] for i in (0, len(made_THWC) // 2, -1)]
        if before:
            shown.insert(0, _decode(video_tokenizer, torch.from_numpy(before[-1].codes_thw)[None])[-1])
        rows.append((caption, shown))
    contact_sheet(rows, path)


def _sample_prompts(held_out: PackedBatches) -> Iterator[tuple[str, list[Turn], Any, sequence.Grid]]:
    # The first turns of conversations, and every second one with the edit that follows; all cut to a short length.
    encode = held_out.text_tokenizer.encode
    for index, path in enumerate(held_out.paths):
        edited = index % 2 == 1 and len(path) > 1 and path[1].action == "edit"
        turns = [
            Turn(tuple(encode(clip.texts[0])), clip.action, clip.codes_thw[:SAMPLE_LENGTH])
            for clip in path[: 1 + edited]
        ]
        *before, last = turns
        ids_L = sequence.prompt(before, last.text_ids, last.action, last.grid, held_out.vocabulary)
        yield path[len(before)].texts[0], before, ids_L, last.grid


def _decode(video_tokenizer, codes_Bthw: torch.Tensor):
    from tokenizer.video import clip_to_frames

    with torch.inference_mode():
        return clip_to_frames(video_tokenizer.decode(codes_Bthw.cpu())[0])


def draw_curves(out: Path) -> None:
    """out/loss.png from out/log.jsonl. A resumed run logs some steps again: the later line counts."""
    series: dict[str, dict[float, float]] = defaultdict(dict)
    for line in (out / "log.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "bits" in entry:
            series["training"][entry["step"]] = entry["bits"]
        for name, bits in entry.get("validation", {}).items():
            series[f"held out: {name}"][entry["step"]] = bits
    curves(
        {name: sorted(line.items()) for name, line in series.items()}, out / "loss.png", "bits a video token, by step"
    )


def save(out: Path, accelerator: Accelerator, gpt: Qwen3ForCausalLM, clock: Clock) -> None:
    """The GPT, then the loop's state: a run that is cut in between goes on from before and writes both again."""
    if accelerator.is_main_process:
        gpt.save_pretrained(out / "gpt")
    save_checkpoint(out, accelerator, clock.step)


if __name__ == "__main__":
    run_command(main)
