"""The embedded model's GPT trained on, on a few cores, with fresh clips of the wide world; tokenizer and codes stay.

    python recipes/train_on.py --out runs/on --minutes 42                  # twice that on two cores, for rendering too
    python recipes/train_on.py --out runs/try --share 0.001 --minutes 0.1

Every conversation is rendered in memory, made into codes, and once more in a mirror: OUT/tokens. OUT/gpt is the run of
`gpt_video.train`. OUT/bundle is the model: weight by weight a mean of what the GPT was and what it became, which knows
held-out data better than either (EXPERIMENTS.md). Started again with the same arguments it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpt_video.averaging import save_trained_on
from gpt_video.bundle import DEFAULT_FOLDER
from gpt_video.diorama.make import Choices, mirrored_row, rendered_turns, row_of
from gpt_video.diorama.stream import training_sets
from gpt_video.diorama.world import WIDE
from gpt_video.shards import summary, write_shards
from gpt_video.train import main as train_gpt
from tokenizer import VideoTokenizer
from tokenizer.loop import run_command
from tokenizer.video import fit, nearest_shape

WORLD = WIDE.name
# Of each set how many conversations, and how many make a parcel of work.
SETS = {
    "stills": (3000, 500),
    "clips": (700, 100),
    "long": (1600, 40),
    "talks": (240, 40),
    "changed": (600, 200),
    "moving": (400, 50),
}


HELD = {
    "held_clips": (Choices(44, held_out=True, world=WORLD), "clip"),
    "held_talks": (Choices(47, held_out=True, world=WORLD), "conversation"),
}
Turn = tuple[dict[str, Any], np.ndarray]


def render(out: Path, name: str, seed: int, start: int, stop: int) -> None:
    """One parcel of a set as shards in OUT/tokens, in a folder that is there only when it is whole."""
    folder = out / "tokens" / name / f"{start:06d}"
    if folder.is_dir():
        return
    torch.set_num_threads(1)
    video_tokenizer = VideoTokenizer.from_pretrained(DEFAULT_FOLDER / "tokenizer").eval()
    turns = list(_turns(video_tokenizer, name, seed, start, stop))
    if name not in HELD:
        turns += [_in_mirror(turn) for turn in turns]
    draft = folder.with_suffix(".partial")
    shutil.rmtree(draft, ignore_errors=True)
    write_shards(turns, draft, video_tokenizer)
    draft.rename(folder)


def _turns(video_tokenizer: VideoTokenizer, name: str, seed: int, start: int, stop: int) -> Iterator[Turn]:
    choices = {**training_sets(seed, WORLD), **HELD}[name]
    for index in range(start, stop):
        for one in rendered_turns(index, *choices, with_masks=False):
            frames_THWC = one.clip.frames_THWC
            height, width = frames_THWC.shape[1:3]
            yield row_of(one), fit(frames_THWC, *nearest_shape(height, width, video_tokenizer.config.shapes))


def _in_mirror(turn: Turn) -> Turn:
    row, frames_THWC = turn
    return mirrored_row(row) | {"conversation": f"{row['conversation']}-mirrored"}, frames_THWC[:, :, ::-1]


def render_all(out: Path, counts: dict[str, int], seed: int, workers: int) -> None:
    parcels = {name: parcel for name, (_, parcel) in SETS.items()}
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        jobs = [
            pool.submit(render, out, name, seed, start, min(start + parcels.get(name, 25), count))
            for name, count in counts.items()
            for start in range(0, count, parcels.get(name, 25))
        ]
        for number, job in enumerate(jobs, 1):
            job.result()
            print(f"rendered {number} of {len(jobs)} parcels", flush=True)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--minutes", type=float, default=42.0, help="of training")
    parser.add_argument("--share", type=float, default=1.0, help="of the clips that are rendered")
    parser.add_argument("--held", type=int, default=50, help="clips, and as many conversations, for validation")
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument("--tokens-per-batch", type=int, default=8192)
    parser.add_argument(
        "--average", type=float, default=0.6, help="share of the new weights in the mean of old and new"
    )
    parser.add_argument("--seed", type=int, default=462, help="of what is rendered")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that render")
    args = parser.parse_args(argv)
    if not (args.share > 0 and 0 <= args.average <= 1 and args.held > 0 and args.workers > 0):
        parser.error("--share, --held and --workers are more than 0, and --average is from 0 to 1")
    return args


def main(argv: list[str] | None = None) -> None:
    """Renders, trains the GPT on, and makes a bundle of it."""
    args = parse(argv)
    # ---- codes
    trained_on = {name: max(round(count * args.share), 1) for name, (count, _) in SETS.items()}
    held = dict.fromkeys(HELD, args.held)
    render_all(args.out, trained_on | held, args.seed, args.workers)
    shards, validation = ([str(args.out / "tokens" / name) for name in names] for names in (trained_on, held))
    # ---- GPT
    folders = ["--text", DEFAULT_FOLDER / "text", "--init", DEFAULT_FOLDER / "gpt", "--out", args.out / "gpt"]
    numbers = ["--minutes", args.minutes, "--learning-rate", args.learning_rate, "--short-share", 0]
    numbers += ["--tokens-per-batch", args.tokens_per_batch, "--evaluate-every", 200]
    train_gpt(["--shards", *shards, "--validation", *validation, *map(str, [*folders, *numbers])])
    # ---- bundle
    print(save(args.out, {name: summary(args.out / "tokens" / name) for name in trained_on}, vars(args)))


def save(out: Path, data: dict[str, Any], arguments: dict[str, Any]) -> str:
    """OUT/bundle; returns its hash."""
    lines = map(json.loads, (out / "gpt" / "log.jsonl").read_text("utf-8").splitlines())
    last = [line for line in lines if "validation" in line][-1]
    asked = {name: value for name, value in arguments.items() if name not in ("out", "workers")}
    facts = {"arguments": asked, "last": last, "data": data}
    return save_trained_on(out, out / "gpt" / "gpt", arguments["average"], "recipes/train_on.py", facts)


if __name__ == "__main__":
    run_command(main)
