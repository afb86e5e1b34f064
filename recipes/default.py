"""The whole pipeline: from nothing, or from your own clips, to a model that `gpt-video` loads.

    python recipes/default.py --budget smoke --out runs/smoke                     # minutes: does everything work here?
    python recipes/default.py --budget cpu --out runs/night                       # a night on two cores
    python recipes/default.py --budget cpu --share 0.05 --out runs/rehearsal      # the same in half an hour: will it go well?
    python recipes/default.py --budget cpu --data my_clips/ --out runs/mine       # your clips, with captions

`my_clips/` holds videos and `metadata.jsonl` with a line {"file_name": ..., "text": ...} for each. Without --data the diorama
is rendered, which needs no PyAV. OUT/bundle is the model, in files under 16 MiB, OUT/contact_sheet.png what it makes. Started
again with the same arguments, the recipe goes on where it stopped: a finished stage leaves OUT/done/STAGE.json and is skipped,
so stages may run on different machines.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpt_video.disk import file_sha256, write_text

HELD_OUT_EVERY = 20  # of a user's own clips, one in so many is for validation
VOCABULARY = 2000  # text tokens


@dataclass(frozen=True)
class Budget:
    """How much of everything: clips to render, arguments of the three training loops, videos on the contact sheet."""

    clips: int
    stills: int
    conversations: int
    long: int
    held_out: int
    tokenizer: str
    sharpen: str
    gpt: str
    samples: int

    def part(self, share: float) -> Budget:
        """The same with this share of the rendered clips, of the minutes, and of the steps from one checkpoint to the next."""

        def fewer(count: int) -> int:
            return max(round(count * share), 2)

        def shorter(arguments: str) -> str:
            arguments = re.sub(r"(?<=--minutes )\S+", lambda minutes: f"{float(minutes[0]) * share:g}", arguments)
            return re.sub(r"(?<=--evaluate-every )\S+", lambda steps: str(fewer(int(steps[0]))), arguments)

        return replace(
            self,
            clips=fewer(self.clips),
            stills=fewer(self.stills),
            conversations=fewer(self.conversations),
            long=fewer(self.long),
            held_out=fewer(self.held_out),
            tokenizer=shorter(self.tokenizer),
            sharpen=shorter(self.sharpen),
            gpt=shorter(self.gpt),
        )


BUDGETS = {
    "smoke": Budget(
        clips=16,
        stills=8,
        conversations=6,
        long=2,
        held_out=2,
        tokenizer="--preset tiny --steps 60 --stills 0.5 --latent-frames 8 --frames 5 --evaluate-every 60 --validation-clips 2",
        sharpen="--steps 4 --latent-frames 2 --frames 5 --evaluate-every 10 --validation-clips 2",
        gpt="--preset tiny --steps 40 --tokens-per-batch 1024 --evaluate-every 40",
        samples=2,
    ),
    "cpu": Budget(
        clips=6000,
        stills=3000,
        conversations=2500,
        long=1000,
        held_out=200,
        tokenizer="--preset stride8-long --minutes 80 --frames 17 --latent-frames 18 --evaluate-every 1000",
        sharpen="--minutes 40 --evaluate-every 1000",
        gpt="--preset 5m --minutes 300 --evaluate-every 1000",
        samples=24,
    ),
    "gpu": Budget(
        clips=12000,
        stills=6000,
        conversations=5000,
        long=2000,
        held_out=200,
        tokenizer="--preset stride8-long --minutes 5 --frames 17 --latent-frames 256 --evaluate-every 1000",
        sharpen="--minutes 2 --latent-frames 256 --evaluate-every 1000",
        gpt="--preset 40m --minutes 12 --tokens-per-batch 32768 --evaluate-every 1000",
        samples=24,
    ),
}


def main(argv: list[str] | None = None) -> None:
    """Runs every stage that is not done yet."""
    args = parse(argv)
    budget, out = BUDGETS[args.budget].part(args.share), Path(args.out)
    same_run_or_refuse(out, args)
    # ---- data: OUT/data/train and OUT/data/held_out, folders of clips with metadata.jsonl
    if args.data:
        stage(out, "data", lambda: split_own_clips(Path(args.data), out / "data"))
    else:
        stage(out, "data", lambda: render_diorama(budget, out / "data", args.workers, args.world))
    train, held_out = out / "data" / "train", out / "data" / "held_out"
    # ---- tokenizer: pixels <-> codes
    stage(out, "tokenizer", lambda: train_tokenizer(budget, train, held_out, out / "tokenizer"))
    # ---- sharp: its decoder once more, against a critic
    stage(out, "sharp", lambda: sharpen(budget, train, held_out, out))
    # ---- tokens: every clip as codes, in Parquet shards
    stage(out, "tokens", lambda: tokenize([train, held_out], out / "tokens", out / "sharp" / "model"))
    # ---- text: the words of the captions as ids
    stage(out, "text", lambda: train_text(train, out / "text"))
    # ---- gpt: words and codes -> codes
    stage(out, "gpt", lambda: train_gpt(budget, out))
    # ---- bundle: all parts as one model
    stage(out, "bundle", lambda: make_bundle(out, args))
    # ---- sheet: what the model makes of captions that it was not trained on
    stage(out, "sheet", lambda: make_sheet(out, budget.samples))
    print(
        f"done: gpt-video generate '...' --model {out / 'bundle'} -o out.mp4; pictures in {out / 'contact_sheet.png'}"
    )


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", choices=list(BUDGETS), default="smoke")
    parser.add_argument("--data", help="your folder of clips with metadata.jsonl; without it the diorama is rendered")
    parser.add_argument("--world", choices=["core", "wide"], default="core", help="which diorama is rendered")
    parser.add_argument("--out", required=True)
    parser.add_argument("--share", type=float, default=1.0, help="of the budget's clips and minutes: to rehearse it")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that render")
    args = parser.parse_args(argv)
    if not 0 < args.share <= 1:
        parser.error(f"--share {args.share:g} is not a part of a budget: give more than 0 and at most 1")
    return args


# Stages


def same_run_or_refuse(out: Path, args: argparse.Namespace) -> None:
    """Remembers what OUT is for. ValueError if it is for something else."""
    own = str(Path(args.data).resolve()) if args.data else None
    wanted = {"budget": args.budget, "share": args.share, "data": own, "world": None if own else args.world}
    record = out / "recipe.json"
    if record.exists() and (found := {"share": 1.0} | json.loads(record.read_text("utf-8"))) != wanted:
        raise ValueError(f"{out} belongs to a run with {found}, not {wanted}: choose another --out")
    write_json(record, wanted)


def stage(out: Path, name: str, run: Callable[[], Any]) -> None:
    """Runs a stage unless it is done; keeps what it returns, with its minutes, in OUT/done/NAME.json."""
    done = out / "done" / f"{name}.json"
    if done.exists():
        print(f"-- {name}: done before", flush=True)
        return
    print(f"-- {name}", flush=True)
    start = time.monotonic()
    result = run()
    write_json(done, {"minutes": round((time.monotonic() - start) / 60, 2), "result": result})


def render_diorama(budget: Budget, folder: Path, workers: int, world: str) -> None:
    from gpt_video.diorama.make import render_dataset

    common: dict[str, Any] = {"workers": workers, "world": world}
    many = (budget.clips, budget.conversations, budget.stills, budget.long)
    render_dataset(folder / "train", *many, seed=0, **common)
    count = budget.held_out
    render_dataset(folder / "held_out", count, count, seed=1, held_out=True, **common)


def split_own_clips(data: Path, folder: Path) -> dict[str, int]:
    """Writes the two halves of a user's folder as lists of its files; a conversation stays whole. Copies no video."""
    from gpt_video.shards import read_records

    records = read_records(data)
    conversations = list(dict.fromkeys(record["conversation"] for record in records))
    for_validation = set(conversations[HELD_OUT_EVERY // 2 :: HELD_OUT_EVERY] or conversations[-1:])
    halves: dict[str, list[dict]] = {"train": [], "held_out": []}
    for record in records:
        for field in ("file_name", "mask"):
            if record.get(field):
                record[field] = str((data / record[field]).resolve())
        halves["held_out" if record["conversation"] in for_validation else "train"].append(record)
    if not halves["train"]:
        raise ValueError(f"{data} holds one clip or conversation: at least two are needed, one of them to measure with")
    for name, rows in halves.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        write_text(folder / name / "metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return {name: len(rows) for name, rows in halves.items()}


def train_tokenizer(budget: Budget, train: Path, held_out: Path, out: Path) -> dict[str, float]:
    from tokenizer.train import main as train_loop

    return train_loop(
        ["--data", str(train), "--validation", str(held_out), "--out", str(out), *budget.tokenizer.split()]
    )


def sharpen(budget: Budget, train: Path, held_out: Path, out: Path) -> dict[str, float]:
    from tokenizer.sharpen import main as train_loop

    folders = ["--init", out / "tokenizer" / "model", "--data", train, "--validation", held_out, "--out", out / "sharp"]
    return train_loop([*map(str, folders), *budget.sharpen.split()])


def tokenize(folders: list[Path], out: Path, model: Path) -> dict[str, Any]:
    import torch

    from gpt_video.dataset import summary, tokenize_folder
    from tokenizer import VideoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    video_tokenizer = VideoTokenizer.from_pretrained(model).to(device).eval()
    for folder in folders:
        tokenize_folder(folder, out / folder.name, video_tokenizer)
    return {folder.name: summary(out / folder.name) for folder in folders}


def train_text(train: Path, out: Path) -> dict[str, int]:
    from gpt_video.shards import read_records
    from gpt_video.text import TextTokenizer

    texts = [text for record in read_records(train) for text in record["texts"]]
    text_tokenizer = TextTokenizer.train(texts, vocab_size=VOCABULARY)
    text_tokenizer.save(out)
    return {"text_tokens": text_tokenizer.vocab_size}


def train_gpt(budget: Budget, out: Path) -> dict[str, float]:
    from gpt_video.train import main as train_loop

    tokens, text, tokenizer = out / "tokens", out / "text", out / "sharp" / "model"
    folders = [
        "--shards",
        tokens / "train",
        "--validation",
        tokens / "held_out",
        "--text",
        text,
        "--tokenizer",
        tokenizer,
    ]
    return train_loop([*map(str, folders), "--out", str(out / "gpt"), *budget.gpt.split()])


def make_bundle(out: Path, args: argparse.Namespace) -> dict[str, str]:
    from gpt_video.bundle import save_bundle
    from gpt_video.pairs import read_gpt
    from gpt_video.text import TextTokenizer
    from tokenizer import VideoTokenizer

    gpt = read_gpt(out / "gpt" / "gpt")
    video_tokenizer = VideoTokenizer.from_pretrained(out / "sharp" / "model")
    name = save_bundle(
        out / "bundle",
        video_tokenizer,
        gpt,
        TextTokenizer.load(out / "text"),
        trained_settings(out, video_tokenizer, gpt.config.max_position_embeddings),
        card=CARD.format(data=args.data or "the diorama", budget=args.budget),
        manifest=manifest(out, args),
        pictures=[path for path in (out / "gpt" / "loss.png", out / "sharp" / "sheet-last.png") if path.exists()],
    )
    return {"model": name}


def trained_settings(out: Path, video_tokenizer, window: int):
    """What the data really held: the shapes, and the lengths up to the longest clip."""
    from gpt_video.bundle import BundleSettings
    from gpt_video.pieces import latent_lengths

    grids = [tuple(map(int, grid.split("x"))) for grid in result_of(out, "tokens")["train"]["grids"]]
    shapes = tuple(
        shape
        for shape in video_tokenizer.config.shapes
        if video_tokenizer.grid(1, *shape)[1:] in {grid[1:] for grid in grids}
    )
    longest = max(grid[0] for grid in grids)
    alone, continued = latent_lengths(video_tokenizer)
    return BundleSettings(window, tuple(t for t in alone if t <= longest), continued, shapes=shapes)


def manifest(out: Path, args: argparse.Namespace) -> dict[str, Any]:
    """What the model was trained on: counts, licences, and for own clips the hash of every file."""
    from gpt_video.shards import read_records

    records = read_records(out / "data" / "train")
    facts = {
        "source": args.data or "diorama",
        "world": None if args.data else args.world,
        "budget": args.budget,
        "share": args.share,
        "licences": Counter(record.get("licence") or "not stated" for record in records),
        "stages": {name: result_of(out, name) for name in ("tokenizer", "sharp", "tokens", "text", "gpt")},
    }
    if args.data:
        facts["files"] = {Path(r["file_name"]).name: file_sha256(Path(r["file_name"])) for r in records}
    return facts


def make_sheet(out: Path, count: int) -> None:
    """Held-out captions and what the model makes of them: first, middle and last frame; before an edit, its source."""
    from gpt_video.generate import GenerateRequest, VideoGenerator
    from gpt_video.shards import read_records
    from gpt_video.sheets import contact_sheet

    generator = VideoGenerator.from_pretrained(out / "bundle")
    records = read_records(out / "data" / "held_out")
    rows: list[tuple[str, list]] = []
    first = None
    for record in records:
        if len(rows) == count:
            break
        if record["action"] == "new":
            first = generator.generate(GenerateRequest(record["text"], seed=len(rows)))
            rows.append((record["text"], [first.frames_THWC[i] for i in (0, len(first.frames_THWC) // 2, -1)]))
        elif record["action"] == "edit" and first is not None and record["parent"] == 0:
            edit = replace(GenerateRequest(record["text"], seed=len(rows)), action="edit", context=first.turns)
            made = generator.generate(edit).frames_THWC
            rows.append((record["text"], [first.frames_THWC[-1], made[len(made) // 2], made[-1]]))
    contact_sheet(rows, out / "contact_sheet.png")


# Files


CARD = """---
pipeline_tag: text-to-video
library_name: gpt-video
---

# A gpt-video model

Trained by `recipes/default.py` at the budget "{budget}" on {data}. `training_data.json` beside this card lists the data and the
results; nothing else was used. Words and things that are not in that data are not understood.
"""


def result_of(out: Path, name: str) -> Any:
    """What a finished stage returned."""
    return json.loads((out / "done" / f"{name}.json").read_text("utf-8"))["result"]


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    from tokenizer.loop import run_command

    run_command(main)
