"""The model of the wide world in a quarter of an hour of one large GPU: everything is rendered into memory while it trains.

    python recipes/one_gpu.py --out runs/gpu --minutes 11         # goes on from the embedded model
    python recipes/one_gpu.py --out runs/gpt --minutes 11 --tokenizer embedded   # all of it for the GPT
    python recipes/one_gpu.py --out runs/try --minutes 1 --workers 1 --packers 1 --held 4 --first 2 --latent-frames 6 \\
        --preset tiny --tokens-per-batch 1024

recipes/default.py reads its clips from files, which a GPU waits for. Here nothing waits, from the first minute to the last:

    renderers  --frames-->  tokenizer  --codes-->  packers  --batches-->  GPT           (each a process or several)

The tokenizer is trained on what has been rendered so far. Then its encoder is settled: from now on every conversation becomes
codes as it comes, and once more in a mirror, while the decoder (at last against a critic) and the GPT are trained until the
time is up. Both start from the embedded model as far as their shapes agree. OUT/bundle is the model; OUT/gpt holds the log and
the loss curves, and after every quarter of the time the GPT as it is then. With --beside a deeper GPT learns from other batches
of the same: OUT/deep.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpt_video.averaging import save_trained_on
from gpt_video.bundle import DEFAULT_FOLDER, BundleSettings, model_hash, save_bundle
from gpt_video.diorama.language import noisy
from gpt_video.diorama.make import Choices, mirrored_row
from gpt_video.diorama.stream import Made, Order, RenderStream, Sets, Turn, training_sets
from gpt_video.diorama.tokenizer_training import Schedule, TokenizerTraining
from gpt_video.diorama.world import WIDE
from gpt_video.model import BASE, PRESETS
from gpt_video.pieces import latent_lengths
from gpt_video.sequence import Vocabulary
from gpt_video.shards import Corpus, encode_corpus, read_shards, summary, tokenizer_hash
from gpt_video.text import TextTokenizer
from tokenizer import VideoTokenizer
from tokenizer.loop import Clock, log, set_learning_rate
from tokenizer.precision import mixed_precision

WORLD, KEPT = WIDE.name, "embedded"
KINDS = sorted(WIDE.kinds)
HELD, FOR_TOKENIZER = ("held", "held_talks"), ("clips", "stills")
# How often each is rendered. A still is a fiftieth of a long conversation's work, and shows as much of kinds, colours and places.
OFTEN = {"stills": 40, "clips": 8, "long": 1, "changed": 6, "moving": 3, "talks": 2}

# Rendering shares the GPU: beside it the GPT sees 60 % of the tokens a second. But ended early it leaves too little to learn from
# (EXPERIMENTS.md).
SCHEDULE, RENDERED_UNTIL = Schedule(stills_until=0.06, settled_at=0.42, sharpened_from=0.55), 0.8
WINDOW, GPT_RATE = 2048, 1.5e-3
FEED_SECONDS, LOG_EVERY = 2.0, 50


# Data


def sets(seed: int) -> Sets:
    """What is kept for validation, and what is trained on."""
    return {
        "held": (Choices(44, held_out=True, world=WORLD), "clip"),
        "held_talks": (Choices(47, held_out=True, world=WORLD), "conversation"),
        **training_sets(seed, WORLD),
    }


# Tokens


class Mirrored:
    """A tokenizer that encodes what a mirror shows."""

    def __init__(self, video_tokenizer: VideoTokenizer) -> None:
        self.video_tokenizer = video_tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.video_tokenizer, name)

    def encode(self, clip_BCTHW: torch.Tensor) -> torch.Tensor:
        return self.video_tokenizer.encode(clip_BCTHW.flip(-1))


class Feed:
    """Conversations -> codes -> the packers, in turn, but for what is held out; all codes are kept here too."""

    def __init__(self, video_tokenizer: VideoTokenizer, packers: list[Any]) -> None:
        self.video_tokenizer, self.packers, self.turn = video_tokenizer, packers, 0
        self.name = tokenizer_hash(video_tokenizer)
        self.kept: dict[str, list] = defaultdict(list)  # every conversation that was encoded, by its set

    def add(self, made: Made, parcel: int = 256) -> None:
        for start in range(0, len(made), parcel):
            by_set: dict[str, list[list[Turn]]] = defaultdict(list)
            for name, turns in made[start : start + parcel]:
                by_set[name].append(turns)
            for name, conversations in by_set.items():
                shown = [(record, frames_THWC) for turns in conversations for record, frames_THWC, _ in turns]
                corpus = encode_corpus(shown, self.video_tokenizer, name=self.name)
                self.kept[name] += corpus.conversations
                if name not in HELD:
                    words = [(mirrored_row(record), frames_THWC) for record, frames_THWC in shown]
                    turned = encode_corpus(words, Mirrored(self.video_tokenizer), name=self.name)
                    both = [*corpus.conversations, *turned.conversations]
                    self.packers[self.turn % len(self.packers)].put(corpus._replace(conversations=both))
                    self.turn += 1

    def add_shards(self, corpus: Corpus) -> None:
        """What was made into codes before, spread over the packers."""
        if corpus.tokenizer != self.name:
            raise SystemExit("--shards were made by another tokenizer: make them with the embedded one")
        self.kept["shards"] += corpus.conversations
        for number, packer in enumerate(self.packers):
            packer.put(corpus._replace(conversations=corpus.conversations[number :: len(self.packers)]))
        self.turn += len(self.packers)

    def corpus(self, names: list[str]) -> Corpus:
        conversations = [one for name in names for one in self.kept[name]]
        lengths, _ = latent_lengths(self.video_tokenizer)
        return Corpus(conversations, self.name, self.video_tokenizer.codebook_size, lengths)


def pack(seed: int, tokens_per_batch: int, arrivals: Any, batches: Any) -> None:
    """A packer: batches of random samples of what has arrived so far, without end."""
    from gpt_video.dataset import PackedBatches

    torch.set_num_threads(1)
    first = arrivals.get()
    text_tokenizer = TextTokenizer.load(DEFAULT_FOLDER / "text")
    vocabulary = Vocabulary(text_tokenizer.vocab_size, first.codebook_size)
    samples = PackedBatches(first, vocabulary, text_tokenizer, window=WINDOW, seed=seed, text_noise=noisy)
    rng = np.random.default_rng(seed)
    rows: dict[int, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for draw in count():
        while not arrivals.empty():
            samples.add(arrivals.get())
        row = samples.row(draw, int(rng.integers(len(samples.paths))))
        same = rows[len(row[0])]
        same.append(row)
        if len(same) * len(row[0]) >= tokens_per_batch:
            ids_BL, labels_BL = (np.stack(part).astype(np.int32) for part in zip(*same, strict=True))
            batches.put((ids_BL, labels_BL))
            same.clear()


# GPT


def train_gpt(
    out: Path, preset: str, layers: int, tokens_per_batch: int, deadline: float, held: Any, batches: Any
) -> None:
    """A process: trains a GPT, `layers` deeper, on `batches` until the deadline (time.time()); `held` gets its last numbers."""
    from accelerate import Accelerator

    from gpt_video import train
    from gpt_video.model import build_gpt, deepened

    train.quiet()
    torch.manual_seed(0)
    accelerator = Accelerator(mixed_precision=mixed_precision())
    text_tokenizer = TextTokenizer.load(DEFAULT_FOLDER / "text")
    corpus = held.get()
    vocabulary = Vocabulary(text_tokenizer.vocab_size, corpus.codebook_size)
    args = argparse.Namespace(validation=corpus, tokens_per_batch=tokens_per_batch, window=WINDOW)
    args.init = DEFAULT_FOLDER / "gpt"
    validation = train.validation_stream(args, vocabulary, text_tokenizer)
    gpt = build_gpt(preset, vocabulary.size, WINDOW, vocabulary.parts) if preset else train.load_gpt(args, vocabulary)
    gpt = deepened(gpt, layers).to(accelerator.device).train()
    optimizers = train.make_optimizers(gpt, GPT_RATE)
    loss_of, *optimizers = accelerator.prepare(train.VideoLoss(gpt, vocabulary), *optimizers)
    out.mkdir(parents=True, exist_ok=True)
    clock, start, recent = Clock(), time.time(), []
    next_look = 0.0
    while time.time() < deadline or not clock.step:  # a slow machine gets a model too
        progress = min((time.time() - start) / max(deadline - start, 1.0), 1.0)
        if progress >= next_look:
            look(out, gpt, loss_of, validation, accelerator, clock)
            next_look += 0.25
        ids_BL, labels_BL = (torch.from_numpy(part).long() for part in batches.get(timeout=120))
        set_learning_rate(optimizers, clock.step, progress)
        batch = {"ids_BL": ids_BL, "labels_BL": labels_BL}
        recent.append((train.train_step(loss_of, optimizers, accelerator, batch), ids_BL.numel()))
        clock.step, clock.minutes = clock.step + 1, (time.time() - start) / 60
        if clock.step % LOG_EVERY == 0:
            losses, tokens = zip(*recent, strict=True)
            train.check_finite(losses[-1], clock.step)
            log(out, accelerator, clock, {"bits": sum(losses) / len(losses), "tokens": sum(tokens)})
            recent.clear()
    result = look(out, gpt, loss_of, validation, accelerator, clock)
    held.put({"steps": clock.step, "layers": gpt.config.num_hidden_layers, **result})


def look(out: Path, gpt: Any, loss_of: Any, validation: Any, accelerator: Any, clock: Clock) -> dict[str, float]:
    """Keeps the GPT as it is, and measures it."""
    from gpt_video import train

    gpt.save_pretrained(out / "gpt")
    result = train.evaluate(loss_of, validation, accelerator)
    log(out, accelerator, clock, {"validation": result})
    train.draw_curves(out)
    return result


# The whole


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--minutes", type=float, default=11.0, help="from the start to the end of the training")
    parser.add_argument("--workers", type=int, default=max((os.cpu_count() or 5) - 4, 1), help="processes that render")
    parser.add_argument("--seed", type=int, default=262, help="of what is rendered (162: as for the embedded model)")
    parser.add_argument("--packers", type=int, default=2, help="processes that make batches")
    parser.add_argument("--held", type=int, default=150, help="clips that are kept for validation")
    parser.add_argument("--first", type=int, default=300, help="stills and clips that the tokenizer waits for")
    parser.add_argument("--tokenizer", default="stride8-pairs", help=f"its preset; {KEPT}: as it is, without training")
    parser.add_argument("--latent-frames", type=int, default=256, help="of a batch of the tokenizer")
    parser.add_argument(
        "--preset",
        default="",
        choices=list(PRESETS),
        help="of a GPT that begins from nothing; without it the embedded one goes on",
    )
    parser.add_argument("--tokens-per-batch", type=int, default=32_768, help="of the GPT")
    parser.add_argument("--shards", nargs="+", help=f"more to train on, with --tokenizer {KEPT}")
    parser.add_argument("--average", type=float, default=0.8, help=f"share of the new GPT, with --tokenizer {KEPT}")
    parser.add_argument("--beside", type=int, default=0, help="layers more of a second GPT that begins as the same")
    args = parser.parse_args(argv)
    if args.shards and args.tokenizer != KEPT:
        parser.error(f"--shards are of the embedded tokenizer: give --tokenizer {KEPT} too")
    config = json.loads((DEFAULT_FOLDER / "gpt" / "config.json").read_text())
    layers = (BASE | PRESETS[args.preset] if args.preset else config)["num_hidden_layers"]
    if not (0 <= args.average <= 1 and 0 <= args.beside <= layers):
        parser.error(f"--average is from 0 to 1, and --beside from 0 to {layers}, the layers that there are")
    return args


def main(argv: list[str] | None = None) -> None:
    """Renders, trains both models, and makes a bundle of them."""
    start, args = time.time(), parse(argv)
    if (args.out / "gpt").exists():
        raise SystemExit(f"{args.out} holds a run already: choose another --out")
    args.out.mkdir(parents=True, exist_ok=True)
    deadline = start + 60 * args.minutes
    is_kept = args.tokenizer == KEPT
    # ---- processes
    context = multiprocessing.get_context("spawn")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    embedded = VideoTokenizer.from_pretrained(DEFAULT_FOLDER / "tokenizer")
    preset = "" if is_kept else args.tokenizer
    training = TokenizerTraining(embedded, preset, len(KINDS), SCHEDULE, args.latent_frames, device)
    held = {"held": args.held, "held_talks": max(args.held // 3, 1)}
    order = Order(sets(args.seed), held, OFTEN, FOR_TOKENIZER, KINDS, training.model.config.shapes)
    renderers = RenderStream(context, args.workers, order)
    packers, batches, gpt_line = [context.Queue() for _ in range(args.packers)], context.Queue(24), context.Queue()
    for seed, packer in enumerate(packers):
        context.Process(target=pack, args=(seed, args.tokens_per_batch, packer, batches), daemon=True).start()
    line = (args.out / "gpt", args.preset, 0, args.tokens_per_batch, deadline, gpt_line, batches)
    gpt_process = context.Process(target=train_gpt, args=line, daemon=True)
    gpt_process.start()
    deep_line = context.Queue()
    if args.beside:
        line = (args.out / "deep", args.preset, args.beside, args.tokens_per_batch, deadline, deep_line, batches)
        deep_process = context.Process(target=train_gpt, args=line, daemon=True)
        deep_process.start()

    def progress() -> float:
        return (time.time() - start) / (deadline - start)

    # ---- the tokenizer, on what there is so far
    made: Made = []
    if not is_kept:
        made += trained_tokenizer(training, renderers, args.first, progress)
    while sum(name in HELD for name, _ in made) < sum(held.values()):
        time.sleep(0.2)
        made += renderers.take()
    training.settle(args.out / "tokenizer")
    renderers.settled.set()
    # ---- codes, the GPT on them, and the decoder beside it
    feed = Feed(training.model, packers)
    feed.add([one for one in made if one[0] in HELD])
    for line_to in (gpt_line, deep_line):
        line_to.put(feed.corpus(list(HELD)))
    if args.shards:
        feed.add_shards(read_shards(args.shards))
    waiting = [one for one in made if one[0] not in HELD]
    del made
    while gpt_process.is_alive() and (progress() < 1 or not feed.turn):
        feed.add(waiting)
        fed = time.time()
        while time.time() < fed + FEED_SECONDS and (progress() < 1 or not feed.turn):
            time.sleep(0.1) if is_kept else training.step(max(progress(), SCHEDULE.settled_at))
        waiting = renderers.take()
        if progress() > RENDERED_UNTIL and feed.turn:
            renderers.enough.set()
    gpt_process.join(timeout=120)
    if gpt_process.exitcode:
        raise SystemExit(f"the GPT's process ended with {gpt_process.exitcode}: see above")
    # ---- bundle
    facts: dict[str, Any] = {}
    if not is_kept:
        facts["tokenizer"] = training.facts
    facts["gpt"] = gpt_line.get(timeout=60)
    if args.beside:
        deep_process.join(timeout=120)
        if deep_process.exitcode == 0:
            facts["a deeper GPT beside it"] = deep_line.get(timeout=60)
        else:  # what it was beside is worth a bundle all the same
            print(f"the deeper GPT's process ended with {deep_process.exitcode}: see above", flush=True)
    facts["shards"] = {name: summary(feed.corpus([name])) for name in feed.kept}
    facts["mirrored"] = "every conversation that is not held out was shown in a mirror too, with words to match"
    training.save(args.out / "tokenizer")
    for packer in packers:
        packer.cancel_join_thread()  # what nobody reads any more need not be sent
    facts |= {"arguments": {name: value for name, value in vars(args).items() if name not in ("out", "shards")}}
    if is_kept and not args.preset:
        print(save_trained_on(args.out, args.out / "gpt" / "gpt", args.average, "recipes/one_gpu.py", facts))
    else:
        print(save(args.out, facts))


def trained_tokenizer(
    training: TokenizerTraining, renderers: RenderStream, first: int, progress: Callable[[], float]
) -> Made:
    """Trains until its encoder is to settle; returns what has come by then. `first`: stills and clips to begin with."""
    made: Made = []
    new: Made = []
    while not (training.stills.runs and training.clips.runs):
        time.sleep(0.2)
        new += renderers.take()
        if all(sum(name == each for name, _ in [*made, *new]) >= first for each in FOR_TOKENIZER):
            training.add(new)
            made, new = made + new, []
    while progress() < SCHEDULE.settled_at:
        training.step(progress())
        if training.steps % 50 == 0:
            new = renderers.take()
            training.add(new)
            made += new
    return made


def save(out: Path, facts: dict[str, Any]) -> str:
    """OUT/bundle; returns its hash."""
    from gpt_video.pairs import read_gpt

    video_tokenizer = VideoTokenizer.from_pretrained(out / "tokenizer")
    gpt = read_gpt(out / "gpt" / "gpt")
    alone, continued = latent_lengths(video_tokenizer)
    sampling: dict[str, Any] = {"temperature": 0.6, "top_p": 0.9, "guidance_scale": 4.0, "guidance_with_video": 3.0}
    settings = BundleSettings(WINDOW, alone, continued, shapes=tuple(video_tokenizer.config.shapes), **sampling)
    card = (
        "# A gpt-video model\n\nTrained by `recipes/one_gpu.py` on the wide world; training_data.json tells what on.\n"
    )
    text = TextTokenizer.load(DEFAULT_FOLDER / "text")
    pictures = [out / "gpt" / "loss.png"]
    before = json.loads((DEFAULT_FOLDER / "training_data.json").read_text("utf-8"))  # the tokenizer grew from that one
    run = {f"trained on from {model_hash(DEFAULT_FOLDER)[:12]}": {"recipe": "recipes/one_gpu.py", **facts}}
    manifest = before | {"world": WORLD} | run
    return save_bundle(
        out / "bundle", video_tokenizer, gpt, text, settings, card=card, manifest=manifest, pictures=pictures
    )


if __name__ == "__main__":
    main()
