"""The embedded GPT trained on by its own videos: of several of the same words, those that a judge rates higher become likelier.

    python -m eval.train judge --data DIR --validation DIR --out runs/judge --minutes 40        # not the judge that measures
    python recipes/rewarded.py --judge runs/judge/model --shards DIR... --out runs/rewarded --minutes 11
    python recipes/rewarded.py --judge runs/judge/model --shards DIR... --out runs/try --minutes 1 --talks 2 --candidates 2

One large GPU, or patience. Again and again: take conversations that are alike in size and length, make each of their turns several
times with the settings of the model, decode and rate all of them (`eval/rating.py`), and take one step that makes codes
likelier by how far their video's rating lies above the mean of its question (policy gradient with the mean of a group as its
baseline: Shao et al. 2024, arXiv 2402.03300; each video is used once, so nothing is clipped). What becomes likelier is what is
drawn: the distribution with guidance, whose half without words is held fixed within a step. In the same step the GPT learns from
--shards as it did in training, so that what no rating sees stays as it is.

Leaves OUT/bundle, whose GPT is a mean of before and after, OUT/gpt (the GPT after it, the ratings as a picture), and OUT/log.jsonl.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Queue
from random import Random
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor
from transformers import Qwen3ForCausalLM

from eval.clips import STRIDE
from eval.judge import Judge, Judgement
from eval.rating import Talk, check_worlds, rating, talk
from gpt_video import sequence
from gpt_video.averaging import save_trained_on
from gpt_video.bundle import find_bundle, load_bundle
from gpt_video.dataset import PackedBatches
from gpt_video.decoder import Decoder
from gpt_video.diorama.language import noisy
from gpt_video.engine import Sampling, sample
from gpt_video.generate import VideoGenerator
from gpt_video.learning import VideoLoss, check_finite, make_optimizers, quiet
from gpt_video.sequence import Grid, Turn, Vocabulary
from gpt_video.sheets import curves
from gpt_video.text import TextTokenizer
from tokenizer import VideoTokenizer
from tokenizer.data import FPS
from tokenizer.loop import Clock, log, run_command, set_learning_rate
from tokenizer.precision import mixed_precision
from tokenizer.video import nearest_shape

TURNS = 2  # a new video and an edit of it
KNOWN = 0.65  # an attribute that the judge gets right less often is not rated
ROWS_AT_ONCE, CLIPS_AT_ONCE = 128, 256  # of a forward and backward pass, and decoded and judged together
WARM_UP, SAVED_EVERY = 8, 20  # steps


# Questions


class Alike(NamedTuple):
    """What conversations share that are made together: (height, width) for the judge, frames, ids of each turn's slot."""

    size: tuple[int, int]
    frames: int
    slots: tuple[int, ...]


def pool(numbers: Sequence[int], world: str, encode: Any) -> dict[Alike, list[Talk]]:
    """The conversations of these numbers, those that can be made together in one list."""
    found: dict[Alike, list[Talk]] = defaultdict(list)
    for one in (talk(number, TURNS, world) for number in numbers):
        try:
            slots = tuple(sequence.slot_length(len(encode(step.text))) for step in one.steps)
        except ValueError:
            continue  # more words than the model reads
        found[Alike(one.size, 1 + round(one.seconds * FPS), slots)].append(one)
    return found


def parcels(talks: dict[Alike, list[Talk]], size: int, seed: int) -> Iterator[tuple[Alike, list[Talk]]]:
    """`size` conversations that can be made together, in another order every pass; ValueError where there are none."""
    starts = [(alike, start) for alike, some in talks.items() for start in range(0, len(some) - size + 1, size)]
    if not starts:
        raise ValueError(f"no {size} conversations are alike: give more with --pool, or fewer --talks")
    random = Random(seed)

    def passes() -> Iterator[tuple[Alike, list[Talk]]]:
        while True:
            random.shuffle(starts)
            yield from ((alike, talks[alike][start : start + size]) for alike, start in starts)

    return passes()  # so that what is wrong is said by the call and not by the first of them


# Videos


@torch.inference_mode()
def made(
    gpt: Qwen3ForCausalLM,
    vocabulary: Vocabulary,
    prompts: Sequence[np.ndarray],
    candidates: int,
    grid: Grid,
    sampling: Sampling,
) -> Tensor:
    """codes_PCthw: `candidates` videos of each prompt. Each prompt is read once; noise is of the global generator."""
    device = gpt.device
    decoder = Decoder(gpt)
    rows = [*prompts, *(sequence.without_words(ids_L, vocabulary) for ids_L in prompts)]
    ids_QL = torch.from_numpy(np.stack(rows)).to(device)
    t, h, w = grid
    length = ids_QL.shape[1] + t * sequence.frame_stride(h, w)
    short, cache = decoder.new_cache(len(rows), ids_QL.shape[1]), decoder.new_cache(len(rows) * candidates, length)
    hidden_RD = decoder.read(ids_QL, short).repeat_interleave(candidates, dim=0)
    for once, all_of_them in zip([*short.keys, *short.values], [*cache.keys, *cache.values], strict=True):
        all_of_them[:, :, : short.length] = once.repeat_interleave(candidates, dim=0)
    cache.length = short.length
    video_rows_KD = gpt.lm_head.weight[vocabulary.video_slice]
    codes: list[Tensor] = []
    for cell in range(t * h * w):
        if cell:
            hidden_RD = decoder.step(vocabulary.video_ids(codes[-1]).repeat(2), cache)
            if cell % (h * w) == 0:
                hidden_RD = decoder.step(torch.full_like(codes[-1], vocabulary.frame).repeat(2), cache)
        logits_RK = F.linear(hidden_RD, video_rows_KD).float()
        noise_BK = -torch.empty_like(logits_RK[: len(logits_RK) // 2]).exponential_().log()
        codes.append(sample(logits_RK, noise_BK, sampling))
    return rearrange(torch.stack(codes, dim=1), "(P C) (t h w) -> P C t h w", C=candidates, t=t, h=h)


@torch.inference_mode()
def judged(judge: Judge, video_tokenizer: VideoTokenizer, codes_Bthw: Tensor, size: tuple[int, int]) -> list[Judgement]:
    """What the judge sees in each video at (height, width): as the benchmark looks, but many at a time."""
    found: list[Judgement] = []
    for codes in codes_Bthw.split(CLIPS_AT_ONCE):
        clip_BCTHW = video_tokenizer.decode(codes)[:, :, ::STRIDE].clamp(-1, 1)
        frames = rearrange(clip_BCTHW, "B C T H W -> (B T) C H W")
        frames = F.interpolate(frames, size=size, mode="bicubic", antialias=True, align_corners=False)
        levels = frames.add(1).mul(127.5).round().clamp(0, 255).div(127.5).sub(1)
        logits = judge.net(rearrange(levels, "(B T) C H W -> B T C H W", B=len(codes)))
        tables = {name: v.softmax(dim=-1).cpu().numpy() for name, v in logits.items() if name != "cells"}
        found += [Judgement({name: values[i] for name, values in tables.items()}) for i in range(len(codes))]
    return found


# Learning


def log_likelihoods(
    gpt: Qwen3ForCausalLM, vocabulary: Vocabulary, ids_BL: Tensor, free_BL: Tensor, cells: int, sampling: Sampling
) -> Tensor:
    """nats_BN of the last `cells` codes of each row under what is drawn from: guided, without `top_p`.

    free_BL: the same rows without words; no gradient goes through them.
    """
    video = vocabulary.video_slice
    is_code_L = sequence.video_mask(ids_BL[0, 1:], vocabulary)
    places_N = is_code_L.nonzero()[-cells:, 0]

    def logits(rows_BL: Tensor) -> Tensor:
        hidden_BLD = gpt.model(input_ids=rows_BL[:, :-1], use_cache=False).last_hidden_state
        return F.linear(hidden_BLD[:, places_N], gpt.lm_head.weight[video]).float()

    with torch.no_grad():
        free_BNK = logits(free_BL)
    guided_BNK = free_BNK + sampling.guidance_scale * (logits(ids_BL) - free_BNK)
    wanted_BN = ids_BL[:, 1:][:, places_N] - video.start
    nats = F.cross_entropy((guided_BNK / sampling.temperature).flatten(0, 1), wanted_BN.flatten(), reduction="none")
    return -nats.view_as(wanted_BN)


def advantages(ratings_PC: np.ndarray) -> np.ndarray:
    """How far each rating lies over the mean of its question, in spreads of all; 0 where a question has no ratings."""
    above = np.nan_to_num(ratings_PC - ratings_PC.mean(axis=1, keepdims=True))
    return above / max(float(above.std()), 1e-6)


class Rehearsal:
    """Batches of --shards as in ordinary training, made beside it by a thread. ValueError if they are of another tokenizer."""

    def __init__(self, args: argparse.Namespace, learner: Learner):
        sizes: dict[str, Any] = {"tokens_per_batch": args.tokens_per_batch, "text_noise": noisy}
        bundle = learner.bundle
        sizes["window"] = bundle.settings.window
        self.stream = PackedBatches(args.shards, bundle.vocabulary, bundle.text_tokenizer, seed=args.seed, **sizes)
        if self.stream.tokenizer != bundle.tokenizer_hash:
            raise ValueError("--shards were made by another tokenizer: tokenize the clips with this model's")
        self.ready: Queue = Queue(8)
        Thread(target=self._fill, daemon=True).start()

    def _fill(self) -> None:
        for batch in self.stream:
            self.ready.put(batch)

    def __next__(self) -> tuple[Tensor, Tensor]:
        batch = self.ready.get()
        return batch["ids_BL"], batch["labels_BL"]


class Learner:
    """The GPT, its optimizers and what it is rated with."""

    def __init__(self, args: argparse.Namespace):
        from accelerate import Accelerator

        self.accelerator = Accelerator(mixed_precision=mixed_precision())
        device = self.accelerator.device
        self.bundle = load_bundle(args.model, dtype=torch.float32, device="cpu")
        self.vocabulary, self.settings = self.bundle.vocabulary, self.bundle.settings
        self.generator, self.judge = VideoGenerator(self.bundle), Judge.load(args.judge)
        check_worlds(self.judge, self.generator)
        self.judge.net.to(device)
        self.video_tokenizer = self.bundle.video_tokenizer.to(device).eval()
        self.gpt = self.bundle.gpt.to(device).train()
        loss_of = VideoLoss(self.gpt, self.vocabulary)
        loss_of, *self.optimizers = self.accelerator.prepare(loss_of, *make_optimizers(self.gpt, args.learning_rate))
        self.loss_of = loss_of

    def drawing(self) -> Qwen3ForCausalLM:
        """The GPT as it is now, to draw with."""
        dtype = torch.bfloat16 if self.accelerator.mixed_precision == "bf16" else torch.float32
        return copy.deepcopy(self.gpt).to(dtype).eval()  # type: ignore[arg-type]

    def prompt(self, words: Sequence[str], films: Sequence[np.ndarray], grid: Grid) -> np.ndarray:
        """ids_L of what a turn reads: words and codes_thw of the turns before it, and its own words."""
        ids = [tuple(self.bundle.text_tokenizer.encode(text)) for text in words]
        actions = ["new"] + ["edit"] * (len(words) - 1)
        before = [Turn(*turn) for turn in zip(ids, actions, films, strict=False)]
        return sequence.prompt(before, ids[-1], actions[-1], grid, self.vocabulary)

    def step(
        self, prompts: Sequence[np.ndarray], codes_PCthw: Tensor, weights_PC: np.ndarray, sampling: Sampling
    ) -> float:
        """Gradients of the ratings, added up; the mean log-likelihood of a code, in nats."""
        device, candidates = self.accelerator.device, codes_PCthw.shape[1]
        codes = codes_PCthw.flatten(0, 1).cpu().numpy()
        rows = [
            sequence.append_frames(prompts[i // candidates], one, self.vocabulary)[:-1] for i, one in enumerate(codes)
        ]
        free = [sequence.without_words(ids_L, self.vocabulary) for ids_L in rows]
        weight_B = torch.from_numpy(weights_PC.flatten()).float().to(device)
        cells, total = int(codes[0].size), 0.0
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            ids_BL, free_BL = (torch.from_numpy(np.stack(some[part])).to(device) for some in (rows, free))
            with self.accelerator.autocast():
                nats_BN = log_likelihoods(self.gpt, self.vocabulary, ids_BL, free_BL, cells, sampling)
            self.accelerator.backward(-(weight_B[part, None] * nats_BN).sum() / (len(rows) * cells))
            total += float(nats_BN.detach().sum())
        return total / (len(rows) * cells)

    def rehearse(self, batch: tuple[Tensor, Tensor]) -> float:
        """Gradients of ordinary training, added; bits a video token."""
        with self.accelerator.autocast():
            loss = self.loss_of(*(part.to(self.accelerator.device) for part in batch)).mean()
        self.accelerator.backward(loss)
        return float(loss.detach()) / float(np.log(2))

    def descend(self) -> float:
        """One step down all gradients; their norm before it was cut to 1."""
        norm = self.accelerator.clip_grad_norm_(self.gpt.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return float(norm)


# The ratings, in processes of their own

_TALKS: dict[int, Talk] = {}
_KNOWN: set[str] = set()


def _rated(task: tuple[int, int, Judgement | None, list[Judgement]]) -> list[float]:
    number, turn, before, candidates = task
    steps = _TALKS[number].steps
    was = None if before is None else (before, steps[turn - 1].scene)
    return [rating(_KNOWN, steps[turn], was, one) for one in candidates]


# The whole


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--judge", required=True, help="folder of a judge of the model's world, which nothing is measured with"
    )
    parser.add_argument("--shards", required=True, nargs="+", help="token shards of the model's tokenizer, to rehearse")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--model", help="the bundle to begin from (default: the one in the package)")
    parser.add_argument("--minutes", type=float, default=11.0)
    parser.add_argument("--talks", type=int, default=96, help="conversations of a step")
    parser.add_argument("--candidates", type=int, default=8, help="videos of each turn")
    parser.add_argument("--pool", type=int, default=20_000, help="conversations to choose from")
    parser.add_argument("--first", type=int, default=100_000, help="number of the first conversation")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--tokens-per-batch", type=int, default=16_384, help="of what is rehearsed")
    parser.add_argument("--average", type=float, default=1.0, help="share of the GPT after it in OUT/bundle")
    parser.add_argument("--workers", type=int, default=2, help="processes that rate")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.talks < 1 or args.candidates < 2:
        parser.error("--talks must be 1 or more, and --candidates 2 or more: a rating is compared with others")
    return args


def main(argv: list[str] | None = None) -> None:
    """Trains until the time is up, and makes a bundle."""
    start, args = time.time(), parse(argv)
    if (args.out / "gpt").exists():
        raise SystemExit(f"{args.out} holds a run already: choose another --out")
    quiet()
    torch.backends.cuda.enable_cudnn_sdp(False)  # it makes a plan for every length, also in training
    torch.manual_seed(args.seed)
    # ---- questions; the processes that rate begin before the GPU is touched
    judge, text_tokenizer = Judge.load(args.judge), TextTokenizer.load(find_bundle(args.model) / "text")
    _KNOWN.update(name for name, share in judge.ceiling.items() if share >= KNOWN)
    talks = pool(range(args.first, args.first + args.pool), judge.world, text_tokenizer.encode)
    questions = parcels(talks, args.talks, args.seed)
    _TALKS.update({one.number: one for some in talks.values() for one in some})
    raters = multiprocessing.get_context("fork").Pool(args.workers)
    learner = Learner(args)
    rehearsal = Rehearsal(args, learner)
    (args.out / "gpt").mkdir(parents=True)
    print(f"{len(_TALKS)} conversations; rated: {', '.join(sorted(_KNOWN))}", flush=True)
    # ---- loop
    clock, deadline = Clock(), start + 60 * args.minutes
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for alike, some in questions:
        films: list[list[np.ndarray]] = [[] for _ in some]
        was: list[Judgement | None] = [None] * len(some)
        for turn in range(TURNS):
            began = time.time()
            shape = nearest_shape(*alike.size, learner.settings.shapes)
            grid = learner.video_tokenizer.grid(alike.frames, *shape)
            prompts = [
                learner.prompt([one.text for one in each.steps[: turn + 1]], before, grid)
                for each, before in zip(some, films, strict=True)
            ]
            # -- make, rate
            sampling = learner.generator.sampling("edit" if turn else "new")
            drawing = learner.drawing()
            codes_PCthw = made(drawing, learner.vocabulary, prompts, args.candidates, grid, sampling)
            drawn = time.time()
            seen = judged(learner.judge, learner.video_tokenizer, codes_PCthw.flatten(0, 1), alike.size)
            groups = [seen[i : i + args.candidates] for i in range(0, len(seen), args.candidates)]
            tasks = [(each.number, turn, w, group) for each, w, group in zip(some, was, groups, strict=True)]
            ratings_PC = np.array(raters.map(_rated, tasks, chunksize=8))
            rated = time.time()
            # -- learn
            progress = (time.time() - start) / (deadline - start)
            set_learning_rate(learner.optimizers, clock.step, progress, WARM_UP)
            nats = learner.step(prompts, codes_PCthw, advantages(ratings_PC), sampling)
            bits = learner.rehearse(next(rehearsal))
            norm = learner.descend()
            check_finite(norm, clock.step)
            # -- log
            means_P = ratings_PC.mean(axis=1)
            rest = {"best": float(np.nanmean(ratings_PC.max(axis=1))), "nats": nats, "bits": bits, "norm": norm}
            times = {"draw": drawn - began, "rate": rated - drawn, "learn": time.time() - rated}
            numbers = {"rating": float(np.nanmean(means_P)), **rest, **times}
            clock.minutes = (time.time() - start) / 60
            log(args.out, learner.accelerator, clock, {"turn": turn, "frames": alike.frames, **numbers})
            lines["edit" if turn else "new"].append((clock.step, numbers["rating"]))
            if clock.step % SAVED_EVERY == 0:
                learner.gpt.save_pretrained(args.out / "gpt" / "gpt")
            clock.step += 1
            # -- go on from one of them
            for i, codes_Cthw in enumerate(codes_PCthw.cpu().numpy()):
                chosen = Random(f"drawn {some[i].number} {turn}").randrange(args.candidates)
                films[i].append(codes_Cthw[chosen])
                was[i] = groups[i][chosen]
        if time.time() > deadline:
            break
    # ---- the end
    raters.terminate()
    learner.gpt.save_pretrained(args.out / "gpt" / "gpt")
    curves({name: smoothed(line) for name, line in lines.items()}, args.out / "gpt" / "loss.png", "rating, by step")
    asked = {name: value for name, value in vars(args).items() if name not in ("out", "shards", "judge", "model")}
    facts = {
        "arguments": asked,
        "steps": clock.step,
        "videos": clock.step * args.talks * args.candidates,
        "judge": judge.sha256,
    }
    print(save_trained_on(args.out, args.out / "gpt" / "gpt", args.average, "recipes/rewarded.py", facts, args.model))


def smoothed(line: Sequence[tuple[float, float]], over: int = 8) -> list[tuple[float, float]]:
    """A running mean: one step's questions are easier than another's."""
    return [(x, float(np.mean([y for _, y in line[max(0, i - over + 1) : i + 1]]))) for i, (x, _) in enumerate(line)]


if __name__ == "__main__":
    run_command(main)
