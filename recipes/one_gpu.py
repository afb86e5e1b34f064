"""The model of the wide world in half an hour of one large GPU: rendered into memory on all cores while the tokenizer trains.

    python recipes/one_gpu.py --out runs/gpu --minutes 24          # as the embedded model was
    python recipes/one_gpu.py --out runs/try --minutes 2 --workers 2 --stills 40 --clips 20 --latent-frames 12 --preset tiny

recipes/default.py reads its clips from files, which a GPU waits for. Here workers hand them over as frames and render on (clips,
conversations, conversations of stills) until the tokenizer is trained. Then all become token shards in OUT/shards, and
the GPT trains until the time is up; `python -m gpt_video.train` with the same --out goes on. The tokenizer starts from the
embedded one, and the words are read by the embedded text tokenizer. OUT/bundle is the model.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import torch

from gpt_video.bundle import DEFAULT_FOLDER, BundleSettings, save_bundle
from gpt_video.diorama.make import Choices, rendered_turns, row_of
from gpt_video.diorama.world import WIDE
from gpt_video.shards import latent_lengths, summary, write_shards
from gpt_video.text import TextTokenizer
from tokenizer import VideoTokenizer
from tokenizer.data import UNNAMED, Batch
from tokenizer.video import fit, nearest_shape

WORLD = WIDE.name
KINDS = sorted(WIDE.kinds)
# What is rendered: (choices, family). "moving" are conversations of short clips, "changed" of stills.
SETS: dict[str, tuple[Choices, str]] = {
    "held": (Choices(44, held_out=True, world=WORLD), "clip"),
    "held_talks": (Choices(47, held_out=True, world=WORLD), "conversation"),
    "clips": (Choices(143, world=WORLD), "clip"),
    "stills": (Choices(142, world=WORLD), "still"),
    "talks": (Choices(145, (2, 5), world=WORLD), "conversation"),
    "moving": (Choices(147, (2, 5), frames={9: 50, 17: 50}, world=WORLD), "conversation"),
    "changed": (Choices(146, (2, 5), frames={1: 1}, world=WORLD), "conversation"),
}
FOR_TOKENIZER = ("clips", "stills")  # these come first, and with masks
THEN = ("moving", "changed", "changed", "moving", "talks", "changed", "moving", "clips", "changed")
WINDOW, FRAMES, STILLS_SHARE, LEARNING_RATE = 2048, 17, 0.1, 1e-3

Turn = tuple[dict[str, Any], np.ndarray, np.ndarray | None]  # record, frames_THWC, masks_THW


# Rendering


def render(worker: int, workers: int, first: dict[str, int], shapes: list, results: Any, enough: Any) -> None:
    """A worker: its share of `first`, then of THEN without end. Puts (set, turns of one conversation), "first" and "end"."""
    torch.set_num_threads(1)
    for name, n in first.items():
        for index in range(worker, n, workers):
            results.put((name, list(conversation(name, index, shapes))))
    results.put(("first", []))
    next_of = {
        name: count(len(range(worker, first.get(name, 0), workers)) * workers + worker, workers) for name in THEN
    }
    while not enough.is_set():
        for name in THEN:
            if not enough.is_set():
                results.put((name, list(conversation(name, next(next_of[name]), shapes))))
    results.put(("end", []))


def conversation(name: str, index: int, shapes: list) -> Iterator[Turn]:
    """The turns of one conversation, at the sizes of the tokenizer."""
    choices, family = SETS[name]
    for one in rendered_turns(index, choices, family):
        _, rendered_height, rendered_width, _ = one.clip.frames_THWC.shape
        height, width = nearest_shape(rendered_height, rendered_width, shapes)
        record = row_of(one)
        classes = record["mask_classes"]
        masks = smaller(one.clip.masks_THW, classes, height, width) if name in FOR_TOKENIZER else None
        kept = {
            key: value for key, value in record.items() if key not in ("file_name", "mask", "mask_classes", "scene")
        }
        yield kept, fit(one.clip.frames_THWC, height, width), masks


def smaller(masks_THW: np.ndarray, kinds: list[str], height: int, width: int) -> np.ndarray:
    """Masks in the terms of tokenizer.data.Batch, by the pixel in the middle."""
    named = np.full(256, UNNAMED, np.uint8)
    named[: 1 + len(kinds)] = [0, *(1 + KINDS.index(kind) for kind in kinds)]
    _, old_height, old_width = masks_THW.shape
    rows = ((np.arange(height) + 0.5) * old_height / height).astype(int)
    columns = ((np.arange(width) + 0.5) * old_width / width).astype(int)
    return named[masks_THW[:, rows][:, :, columns].astype(np.uint8)]


class Renderers:
    """The workers and what they have made so far: {set: conversations}."""

    def __init__(self, workers: int, first: dict[str, int], shapes: list) -> None:
        context = multiprocessing.get_context("spawn")
        self.made: dict[str, list[list[Turn]]] = defaultdict(list)
        self.workers, self.results, self.enough = workers, context.Queue(), context.Event()
        for worker in range(workers):
            line = (worker, workers, first, shapes, self.results, self.enough)
            context.Process(target=render, args=line, daemon=True).start()
        self.collector = Thread(target=self._collect, daemon=True)
        self.collector.start()

    def _collect(self) -> None:
        while len(self.made["end"]) < self.workers:
            name, turns = self.results.get()
            self.made[name].append(turns)

    def wait_for_first(self) -> None:
        while len(self.made["first"]) < self.workers:
            time.sleep(0.5)

    def stop(self) -> dict[str, list[list[Turn]]]:
        self.enough.set()
        self.collector.join()
        return {name: turns for name, turns in self.made.items() if name in SETS}


# Tokenizer


class Windows:
    """Clips on the GPU, one run of frames after another for each shape; batches of random windows, half of them mirrored."""

    def __init__(self, conversations: list[list[Turn]], frames: int, device: str) -> None:
        self.frames, self.device = frames, device
        by_shape: dict[tuple, list[Turn]] = defaultdict(list)
        for turns in conversations:
            for turn in turns:
                if len(turn[1]) >= frames:
                    by_shape[turn[1].shape[1:3]].append(turn)
        self.runs = [self._run(turns) for turns in by_shape.values()]
        self.shares = torch.tensor([float(len(starts)) for *_, starts, _ in self.runs])

    def _run(self, turns: list[Turn]) -> tuple[torch.Tensor, ...]:
        lengths = torch.tensor([len(frames) for _, frames, _ in turns])
        pixels = torch.from_numpy(np.concatenate([frames for _, frames, _ in turns]))
        masks = torch.from_numpy(np.concatenate([masks for *_, masks in turns if masks is not None]))
        return tuple(part.to(self.device) for part in (pixels, masks, lengths.cumsum(0) - lengths, lengths))

    def batch(self, clips: int) -> Batch:
        pixels, masks, starts, lengths = self.runs[int(torch.multinomial(self.shares, 1))]
        chosen = torch.randint(len(starts), (clips,), device=self.device)
        spare = (lengths[chosen] - self.frames + 1) * torch.rand(clips, device=self.device)
        frames_BT = (starts[chosen] + spare.long())[:, None] + torch.arange(self.frames, device=self.device)
        clip_BCTHW = (pixels[frames_BT].float() / 127.5 - 1).movedim(-1, 1)
        masks_BTHW = masks[frames_BT]
        turn_B = torch.rand(clips, device=self.device) < 0.5
        clip_BCTHW[turn_B], masks_BTHW[turn_B] = clip_BCTHW[turn_B].flip(-1), masks_BTHW[turn_B].flip(-1)
        return Batch(clip_BCTHW.contiguous(), masks_BTHW)


def train_tokenizer(made: dict, out: Path, minutes: float, latent_frames: int, device: str) -> dict[str, Any]:
    """Trains OUT/tokenizer from the embedded one: stills first, then windows of video. Returns what it did."""
    from accelerate import Accelerator

    from tokenizer.loop import set_learning_rate
    from tokenizer.optimizer import make_optimizers
    from tokenizer.train import Learner, train_step

    torch.manual_seed(0)
    accelerator = Accelerator(mixed_precision="bf16")
    model = VideoTokenizer.from_pretrained(DEFAULT_FOLDER / "tokenizer").float()
    learner = Learner(model, len(KINDS)).train()
    prepared = accelerator.prepare(learner)
    optimizers = [accelerator.prepare(optimizer) for optimizer in make_optimizers(learner, LEARNING_RATE)]
    stills, clips = Windows(list(made["stills"]), 1, device), Windows(list(made["clips"]), FRAMES, device)
    start, step, numbers = time.monotonic(), 0, {}
    while (progress := (time.monotonic() - start) / (60 * minutes)) < 1:
        per_window = 1 + (FRAMES - 1) // model.config.temporal_stride
        batch = (
            stills.batch(latent_frames) if progress < STILLS_SHARE else clips.batch(max(latent_frames // per_window, 1))
        )
        set_learning_rate(optimizers, step, progress)
        numbers = train_step(prepared, optimizers, accelerator, batch)
        step += 1
        if step % 100 == 1:
            print(json.dumps({"step": step, "minutes": round(progress * minutes, 2), **numbers}), flush=True)
    model.cpu().save_pretrained(out / "tokenizer", dtype=torch.float16)
    return {"steps": step, "minutes": minutes, "latent_frames": latent_frames, "last": numbers}


# The whole


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--minutes", type=float, default=24.0, help="from the start to the end of the GPT's training")
    parser.add_argument("--workers", type=int, default=max((os.cpu_count() or 2) - 1, 1), help="processes that render")
    parser.add_argument("--stills", type=int, default=15_000, help="rendered before the tokenizer is trained")
    parser.add_argument("--clips", type=int, default=9_000, help="likewise")
    parser.add_argument("--latent-frames", type=int, default=256, help="of a batch of the tokenizer")
    parser.add_argument("--preset", default="10m", help="of the GPT")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Renders, trains both models, and makes a bundle of them."""
    from gpt_video import train

    start, args = time.monotonic(), parse(argv)
    if (args.out / "shards").exists():
        raise SystemExit(
            f"{args.out} holds a run already: choose another --out, or go on with `python -m gpt_video.train`"
        )
    args.out.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shapes = [tuple(shape) for shape in VideoTokenizer.from_pretrained(DEFAULT_FOLDER / "tokenizer").config.shapes]
    # ---- data and tokenizer
    held = max(args.clips // 45, 2)
    first = {"held": held, "held_talks": max(held // 3, 1), "clips": args.clips, "stills": args.stills}
    renderers = Renderers(args.workers, first, shapes)
    renderers.wait_for_first()
    facts: dict[str, Any] = {
        "source": "diorama, rendered by gpt_video/diorama",
        "world": WORLD,
        "licence": "Apache-2.0",
    }
    facts["tokenizer"] = train_tokenizer(renderers.made, args.out, args.minutes / 4, args.latent_frames, device)
    made = renderers.stop()
    # ---- tokens
    video_tokenizer = VideoTokenizer.from_pretrained(args.out / "tokenizer").to(device).eval()

    def write(name: str) -> None:
        turns = ((record, frames_THWC) for turns in made[name] for record, frames_THWC, _ in turns)
        write_shards(turns, args.out / "shards" / name, video_tokenizer, shard_rows=2048)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, made))
    facts["shards"] = {name: summary(args.out / "shards" / name) for name in made}
    # ---- gpt: no sheets on the way, they cost a third of the time
    left = args.minutes - (time.monotonic() - start) / 60
    names = {"--shards": [n for n in made if "held" not in n], "--validation": [n for n in made if "held" in n]}
    line = [part for option, sets in names.items() for part in (option, *(str(args.out / "shards" / n) for n in sets))]
    line += ["--text", str(DEFAULT_FOLDER / "text"), "--out", str(args.out / "gpt"), "--preset", args.preset]
    line += ["--tokens-per-batch", "32768", "--learning-rate", "3e-3", "--short-share", "0.2", "--window", str(WINDOW)]
    facts["gpt"] = train.main([*line, "--minutes", str(max(left, 0.1)), "--evaluate-every", "4000"])
    # ---- bundle
    print(save(args.out, video_tokenizer.cpu(), facts))


def save(out: Path, video_tokenizer: VideoTokenizer, facts: dict[str, Any]) -> str:
    """OUT/bundle; returns its hash."""
    from transformers import Qwen3ForCausalLM

    gpt = Qwen3ForCausalLM.from_pretrained(out / "gpt" / "gpt", local_files_only=True)
    alone, continued = latent_lengths(video_tokenizer)
    settings = BundleSettings(WINDOW, alone, continued, shapes=tuple(video_tokenizer.config.shapes))
    card = (
        "# A gpt-video model\n\nTrained by `recipes/one_gpu.py` on the wide world; training_data.json tells what on.\n"
    )
    text = TextTokenizer.load(DEFAULT_FOLDER / "text")
    pictures = [out / "gpt" / "loss.png"]
    return save_bundle(
        out / "bundle", video_tokenizer, gpt, text, settings, card=card, manifest=facts, pictures=pictures
    )


if __name__ == "__main__":
    main()
