"""Train a model on what people liked: two videos that answer one question, of which one is the better.

    python -m gpt_video.preference --pairs ratings.jsonl --out runs/liked --minutes 20
    gpt-video chat --model runs/liked/bundle

Enters: a bundle, and JSONL as the chat exports it (a "pair" a line; of "rating" lines each thumb up makes a pair with each thumb
down that answers the same question). Leaves: OUT/bundle, the same model with a GPT that finds the better ones likelier;
out/log.jsonl and out/checkpoint-*/. Started again with the same --out, it goes on where it stopped.

The loss is that of direct preference optimisation (arXiv 2305.18290): -log sigmoid(beta (gain of the better - gain of the worse)),
where the gain of a video is by how much its log-likelihood has risen since the start. Where there are pairs enough, every tenth
question is held out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator

from gpt_video import sequence
from gpt_video.bundle import load_bundle, save_bundle
from gpt_video.dataset import IGNORED
from gpt_video.files import turn_of_record
from gpt_video.generate import VideoGenerator
from gpt_video.learning import VideoLoss, check_finite, make_optimizers, quiet
from gpt_video.request import GenerateRequest, PastTurn, size_name
from tokenizer.loop import Clock, begin, descend, log, resume, run_command, save_checkpoint, set_learning_rate

HELD_OUT, FEWEST = 10, 20  # every so many questions one is not trained on, where there are that many pairs
ALIKE = 8  # batches that are sorted by length together
LOG_EVERY = 20


class Answer(NamedTuple):
    """A video after its question: ids_L, and labels_L that are IGNORED but at its own video ids."""

    ids_L: np.ndarray
    labels_L: np.ndarray


class Pair(NamedTuple):
    """The better and the worse answer to one question, and whether the question is held out."""

    better: Answer
    worse: Answer
    held_out: bool


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", required=True, nargs="+", help="JSONL files that the chat exported")
    parser.add_argument("--model", help="the bundle that made the videos (default: the one in the package)")
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=20.0, help="training time; ignored with --steps")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--beta", type=float, default=0.1, help="how little likelihoods may move: higher is closer")
    parser.add_argument("--pairs-per-batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--evaluate-every", type=int, default=100, help="steps")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train; returns the last evaluation on held-out pairs (of all pairs, where too few are there to hold any out)."""
    args = parse(argv)
    # ---- setup
    quiet()
    out, accelerator = begin(args)
    # ---- model and data
    generator = VideoGenerator(load_bundle(args.model, dtype=torch.float32, device="cpu"))
    pairs, left_out = read_pairs(args.pairs, generator)
    accelerator.print(f"pairs: {len(pairs)}" + "".join(f"; left out: {n} {why}" for why, n in left_out.items()))
    enough = len(pairs) >= FEWEST
    held_out = [index for index, pair in enumerate(pairs) if pair.held_out and enough]
    training = [index for index, pair in enumerate(pairs) if not (pair.held_out and enough)]
    if not training:
        raise ValueError(f"{', '.join(args.pairs)}: no pair to learn from; rate two answers to the same question first")
    bundle = generator.bundle
    loss_of = VideoLoss(bundle.gpt.train(), bundle.vocabulary)
    optimizers = make_optimizers(bundle.gpt, args.learning_rate)
    loss_of, *optimizers = accelerator.prepare(loss_of, *optimizers)
    before_P2 = all_likelihoods(loss_of, pairs, args.pairs_per_batch, accelerator)
    clock = Clock()
    resume(out, accelerator, clock)
    # ---- loop
    judged = held_out or training
    result: dict[str, float] = {}
    while clock.progress(args) < 1:
        start = time.monotonic()
        # -- step
        batch = drawn(pairs, training, args.pairs_per_batch, (args.seed, accelerator.process_index), clock.step)
        set_learning_rate(optimizers, clock.step, clock.progress(args))
        now_P2 = likelihoods(loss_of, [pairs[i] for i in batch], accelerator)
        margin_P = margins(now_P2, before_P2[batch])
        loss = -F.logsigmoid(args.beta * margin_P).mean()
        descend(loss, loss_of, optimizers, accelerator)
        clock.tick(time.monotonic() - start, accelerator)
        check_finite(float(loss.detach()), clock.step)
        # -- log, evaluate, save
        if clock.step % LOG_EVERY == 0:
            won = float((margin_P > 0).float().mean())
            log(out, accelerator, clock, {"loss": float(loss.detach()), "won": won})
        if clock.step % args.evaluate_every == 0 or clock.progress(args) >= 1:
            result = evaluate(loss_of, [pairs[i] for i in judged], before_P2[judged], args, accelerator)
            log(out, accelerator, clock, {"held_out" if held_out else "all": result})
            save_checkpoint(out, accelerator, clock.step)
    # ---- the end
    result = result or evaluate(loss_of, [pairs[i] for i in judged], before_P2[judged], args, accelerator)
    if accelerator.is_main_process:
        facts = {"pairs": len(pairs), "left_out": dict(left_out), "steps": clock.step, "beta": args.beta, **result}
        print(verdict(result, bool(held_out)))
        print(save(out, generator, facts))
    return result


# Data


def read_pairs(paths: Sequence[str | Path], generator: VideoGenerator) -> tuple[list[Pair], Counter[str]]:
    """The pairs of the files as this model reads them, and how many were left out for which reason.

    ValueError names the file and the line that is no such record.
    """
    records = [(record, f"{path}, line {n}") for path in paths for n, record in _records(Path(path))]
    left_out: Counter[str] = Counter()
    pairs = []
    for question, better, worse, where in [*_pairs(records, left_out), *_thumbs(records)]:
        try:
            answers = [_answer(question, answer, generator) for answer in (better, worse)]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{where} is no record of the chat's export ({error!r}): export the ratings again"
            ) from error
        except _Unfit as reason:
            left_out[str(reason)] += 1
            continue
        pairs.append(Pair(answers[0], answers[1], int(_key(question), 16) % HELD_OUT == 0))
    return pairs, left_out


class _Unfit(Exception):
    """A pair that this model cannot learn from; the message says why."""


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number} is not JSON: give what the chat exported as ratings") from error
        if not isinstance(record, dict):
            raise ValueError(f"{path}, line {number} is no record of the chat's export: export the ratings again")
        yield number, record


def _pairs(records: Iterable[tuple[Mapping[str, Any], str]], left_out: Counter[str]) -> Iterator[tuple]:
    for record, where in records:
        if record.get("kind") == "pair" and record.get("same_question"):
            yield record, record.get("chosen"), record.get("rejected"), where
        elif record.get("kind") == "pair":
            left_out["answers to different questions"] += 1


def _thumbs(records: Iterable[tuple[Mapping[str, Any], str]]) -> Iterator[tuple]:
    by_question: dict[str, list[tuple[Mapping[str, Any], str]]] = defaultdict(list)
    for record, where in records:
        if record.get("kind") == "rating":
            by_question[_key(record)].append((record, where))
    for same in by_question.values():
        liked = [(record, where) for record, where in same if record.get("rating") == 1]
        disliked = [record for record, _ in same if record.get("rating") == -1]
        yield from ((up, up.get("answer"), down.get("answer"), where) for up, where in liked for down in disliked)


def _key(question: Mapping[str, Any]) -> str:
    """A name of the question: 64 bits of its hash."""
    parts = [question.get(name) for name in ("prompt", "action", "kept", "context")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _answer(question: Mapping[str, Any], answer: Mapping[str, Any], generator: VideoGenerator) -> Answer:
    if answer["tokenizer"] != generator.bundle.tokenizer_hash:
        raise _Unfit("of another tokenizer")
    context = tuple(turn_of_record(turn) for turn in question["context"])
    turns = [turn_of_record(turn) for turn in answer["turns"]]
    if len(turns) != 1:
        raise _Unfit("of several turns or none")
    ids_L = _packed(turns[0], context, generator)
    labels_L = np.full_like(ids_L, IGNORED)
    own = np.flatnonzero(sequence.video_mask(ids_L, generator.bundle.vocabulary))[-turns[0].codes_thw.size :]
    labels_L[own] = ids_L[own]
    return Answer(ids_L, labels_L)


def _packed(turn: PastTurn, context: tuple[PastTurn, ...], generator: VideoGenerator) -> np.ndarray:
    """The prompt that the model reads when it makes the turn, and the turn's codes."""
    t, h, w = turn.codes_thw.shape
    try:
        seconds = generator.lengths(turn.action).seconds(t)
        size = size_name(generator.tokenizer.clip_shape(t, h, w)[1:]) if turn.action == "new" else None
        plan = generator.plan(
            GenerateRequest(turn.prompt, seconds=seconds, size=size, action=turn.action, context=context)
        )
    except ValueError as error:
        raise _Unfit("not what this model can make") from error
    window = generator.first_window(plan)
    if window.is_rolled or window.grid != (t, h, w):
        raise _Unfit("longer than a window")
    return sequence.append_frames(window.ids_L, turn.codes_thw, generator.bundle.vocabulary)[:-1]


# Optimization


def drawn(pairs: Sequence[Pair], training: Sequence[int], size: int, seeds: tuple[int, int], step: int) -> list[int]:
    """The pairs of a step, a function of the seeds and the step: every pass goes through all of them in another order.

    Those of a step are of like length, so that little of a batch is padding.
    """
    size = min(size, len(training))
    steps = len(training) // size
    epoch, position = divmod(step, steps)
    rng = np.random.default_rng((*seeds, epoch))
    order = rng.permutation(training).tolist()
    pools = (order[start : start + ALIKE * size] for start in range(0, len(order), ALIKE * size))
    alike = [index for pool in pools for index in sorted(pool, key=lambda i: len(pairs[i].better.ids_L))]
    first = size * int(rng.permutation(steps)[position])
    return alike[first : first + size]


@torch.no_grad()
def all_likelihoods(loss_of: VideoLoss, pairs: Sequence[Pair], size: int, accelerator: Accelerator) -> torch.Tensor:
    """`likelihoods` of any number of pairs, `size` at a time, those of like length together."""
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i].better.ids_L))
    parts = [
        likelihoods(loss_of, [pairs[i] for i in order[start : start + size]], accelerator)
        for start in range(0, len(pairs), size)
    ]
    return torch.cat(parts)[torch.tensor(order).argsort()]


def likelihoods(loss_of: VideoLoss, pairs: Sequence[Pair], accelerator: Accelerator) -> torch.Tensor:
    """Log-likelihoods, in nats, of the better and the worse answers: (pairs, 2)."""
    answers = [answer for pair in pairs for answer in (pair.better, pair.worse)]
    longest = max(len(answer.ids_L) for answer in answers)
    # The model is causal: what stands behind an answer changes nothing.
    ids_BL = np.stack([np.pad(answer.ids_L, (0, longest - len(answer.ids_L))) for answer in answers])
    labels_BL = np.stack(
        [np.pad(answer.labels_L, (0, longest - len(answer.ids_L)), constant_values=IGNORED) for answer in answers]
    )
    on_device = [torch.from_numpy(part).to(accelerator.device) for part in (ids_BL, labels_BL)]
    with accelerator.autocast():
        nats_N = loss_of(*on_device)
    row_N = (on_device[1][:, 1:] != IGNORED).nonzero()[:, 0]
    return -nats_N.new_zeros(len(answers)).index_add(0, row_N, nats_N).view(-1, 2)


def margins(now_P2: torch.Tensor, before_P2: torch.Tensor) -> torch.Tensor:
    """By how many nats more the better answer of each pair gained than the worse, from log-likelihoods: margin_P."""
    gain_P2 = now_P2 - before_P2
    return gain_P2[:, 0] - gain_P2[:, 1]


def evaluate(
    loss_of: VideoLoss,
    pairs: Sequence[Pair],
    before_P2: torch.Tensor,
    args: argparse.Namespace,
    accelerator: Accelerator,
) -> dict[str, float]:
    """won: the share of pairs whose better answer gained more; loss; gain: of the better ones' log-likelihood, nats a code."""
    now_P2 = all_likelihoods(loss_of, pairs, args.pairs_per_batch, accelerator)
    margin_P = margins(now_P2, before_P2)
    codes = sum(int((pair.better.labels_L != IGNORED).sum()) for pair in pairs)
    return {
        "won": float((margin_P > 0).float().mean()),
        "loss": float(-F.logsigmoid(args.beta * margin_P).mean()),
        "gain": float((now_P2 - before_P2)[:, 0].sum()) / codes,
        "of": len(pairs),
    }


def verdict(result: Mapping[str, float], are_held_out: bool) -> str:
    """One sentence: whether what was learnt holds for pairs that were not trained on."""
    if not are_held_out:
        return "no question was held out, so nobody knows what this model learnt: rate more before you use it"
    found = f"held-out pairs: the better answer gained more in {result['won']:.0%} of {result['of']:.0f}"
    if result["loss"] < math.log(2):
        return found
    return f"{found}, but on the whole they are no likelier told apart: give more pairs, or a lower --learning-rate"


def save(out: Path, generator: VideoGenerator, facts: Mapping[str, Any]) -> str:
    """OUT/bundle: the model with its new GPT, its card and manifest with what it was trained on since; returns its hash."""
    bundle = generator.bundle
    manifest = json.loads((bundle.folder / "training_data.json").read_text("utf-8"))
    manifest["preferences"] = [*manifest.get("preferences", []), {"from": bundle.model_hash, **facts}]
    card = (bundle.folder / "MODEL_CARD.md").read_text("utf-8")
    card += f"\nThen trained on {facts['pairs']} preferences by `python -m gpt_video.preference`; training_data.json tells more.\n"
    pictures = sorted((bundle.folder / "pictures").glob("*"))
    parts = (bundle.video_tokenizer, bundle.gpt, bundle.text_tokenizer, bundle.settings)
    return save_bundle(out / "bundle", *parts, card=card, manifest=manifest, pictures=pictures)


if __name__ == "__main__":
    run_command(main)
