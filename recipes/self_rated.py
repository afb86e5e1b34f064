"""Preferences without people: a program rates what the model makes of random scenes, and the best and the worst become a pair.

    python -m eval.train judge --data DIR --validation DIR --out runs/judge --minutes 60     # not the judge that measures
    python recipes/self_rated.py --judge runs/judge/model --out runs/rated --conversations 500 --workers 2
    python -m gpt_video.preference --pairs runs/rated/*.jsonl --out runs/liked

A conversation is a new video and edits of it, of scenes that training may show. Each turn is made several times with other seeds.
A video's rating is the probability, in the eyes of the judge, of what its words ask for, and of an edit also of what it should
keep: of that, what the judge sees in the video before is what counts. Which of them the conversation goes on from is drawn.

Writes a file for every few conversations, in the form of the chat's export. Started again, it makes those that are not there yet.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from eval.generators import trained_size
from eval.judge import Judge, Judgement
from eval.rating import BLOCK, check_worlds, rating, talk
from gpt_video.disk import write_text
from gpt_video.files import turn_record
from gpt_video.generate import VideoGenerator
from gpt_video.request import GeneratedVideo, GenerateRequest, PastTurn, size_name
from tokenizer.loop import run_command
from tokenizer.video import fit


def make(args: argparse.Namespace, first: int) -> str:
    """The file of the conversations from `first` on: JSONL, a pair a line."""
    generator, judge = tools(args.model, args.judge)
    known = {name for name in judge.ceiling if judge.counts(name)}
    talks = [
        talk(n, args.turns, judge.world)
        for n in range(first, min(first + args.together, args.first + args.conversations))
    ]
    context: dict[int, tuple[PastTurn, ...]] = {one.number: () for one in talks}
    seen: dict[int, Judgement] = {}
    lines = []
    for turn in range(args.turns):
        requests = [
            GenerateRequest(
                one.steps[turn].text,
                seconds=one.seconds,
                size=size_name(trained_size(generator, one.size)),
                seed=1000 * one.number + 10 * turn + candidate,
                action="edit" if turn else "new",
                context=context[one.number],
            )
            for one in talks
            for candidate in range(args.candidates)
        ]
        videos = generator.generate_many(requests, batch_size=args.together * args.candidates)
        for one in talks:
            mine, videos = videos[: args.candidates], videos[args.candidates :]
            judgements = [judge(fit(video.frames_THWC, *one.size)) for video in mine]
            was = (seen[one.number], one.steps[turn - 1].scene) if turn else None
            ratings = [rating(known, one.steps[turn], was, judgement) for judgement in judgements]
            if record := pair(mine, ratings, context[one.number], args.margin):
                lines.append(json.dumps(record | {"conversation": one.number}, ensure_ascii=False) + "\n")
            drawn = Random(f"drawn {one.number} {turn}").randrange(args.candidates)
            context[one.number] += (mine[drawn].turn,)
            seen[one.number] = judgements[drawn]
    return "".join(lines)


def pair(
    videos: Sequence[GeneratedVideo], ratings: Sequence[float], context: Sequence[PastTurn], margin: float
) -> dict[str, Any] | None:
    """The best and the worst of the videos as the chat exports them; None where they are no further apart than `margin`."""
    best, worst = int(np.argmax(ratings)), int(np.argmin(ratings))
    if not ratings[best] - ratings[worst] > margin:
        return None
    return {
        "kind": "pair",
        "prompt": videos[0].turn.prompt,
        "action": videos[0].turn.action,
        "kept": None,
        "context": [turn_record(turn) for turn in context],
        "chosen": _answer(videos[best], ratings[best]),
        "rejected": _answer(videos[worst], ratings[worst]),
        "same_question": True,
    }


def _answer(video: GeneratedVideo, score: float) -> dict[str, Any]:
    made_by = {"seed": video.seed, "model": video.model_hash, "tokenizer": video.tokenizer_hash}
    return made_by | {"rating": round(score, 4), "turns": [turn_record(video.turn)]}


@cache
def tools(model: str | None, judge_folder: str) -> tuple[VideoGenerator, Judge]:
    """The model and the judge, loaded once a process. ValueError if they are of two worlds."""
    generator, judge = VideoGenerator.from_pretrained(model), Judge.load(judge_folder)
    check_worlds(judge, generator)
    return generator, judge


def _file(args: argparse.Namespace, first: int) -> Path:
    return Path(args.out) / f"pairs-{first:07d}.jsonl"


def _make_file(task: tuple[argparse.Namespace, int]) -> int:
    args, first = task
    write_text(_file(args, first), make(args, first))
    return first


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="the bundle that makes the videos (default: the one in the package)")
    parser.add_argument(
        "--judge", required=True, help="folder of a judge of the model's world, which nothing is measured with"
    )
    parser.add_argument("--out", required=True)
    parser.add_argument("--conversations", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="number of the first conversation")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=4, help="videos of each turn")
    parser.add_argument("--margin", type=float, default=0.15, help="ratings that are no further apart make no pair")
    parser.add_argument(
        "--together", type=int, default=BLOCK, help="conversations made at once, a file of pairs; 64 for a GPU"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Makes the files that are not there yet."""
    args = parse(argv)
    Path(args.out).mkdir(parents=True, exist_ok=True)
    starts = range(args.first, args.first + args.conversations, args.together)
    tasks = [(args, first) for first in starts if not _file(args, first).exists()]
    if args.workers == 1:
        for task in tasks:
            print(_file(args, _make_file(task)), flush=True)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the workers, which start anew
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
        for first in pool.imap_unordered(_make_file, tasks):
            print(_file(args, first), flush=True)


if __name__ == "__main__":
    run_command(main)
