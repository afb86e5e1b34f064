"""A model with a sharper decoder: what `python -m tokenizer.sharpen` made of its tokenizer, in place of the one that it has.

    python -m tokenizer.sharpen --init gpt_video/weights/tokenizer --data CLIPS --validation HELD_OUT --out runs/sharp --minutes 60
    python recipes/sharper_bundle.py --tokenizer runs/sharp --data CLIPS --out runs/sharp/bundle

The GPT stays as it is: it knows the codes, and they are the same. A tokenizer that makes other codes is refused.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from gpt_video.bundle import Bundle, load_bundle, save_bundle
from gpt_video.shards import read_records
from tokenizer import VideoTokenizer
from tokenizer.loop import run_command
from tokenizer.sharpening import DRAWING


def makes_the_codes_of(new: VideoTokenizer, old: VideoTokenizer) -> bool:
    """Whether everything before the codes is the same, bit by bit."""
    after = tuple(f"{part}." for part in DRAWING)
    states = [
        {name: value for name, value in model.state_dict().items() if not name.startswith(after)}
        for model in (new, old)
    ]
    return states[0].keys() == states[1].keys() and all(
        torch.equal(value, states[1][name]) for name, value in states[0].items()
    )


def facts_of(run: Path, data: Path) -> dict[str, Any]:
    """How long the run took, its last evaluation, and what it was trained on."""
    last = json.loads((run / "log.jsonl").read_text("utf-8").splitlines()[-1])
    records = read_records(data)
    facts = {
        "steps": last["step"],
        "minutes": last["minutes"],
        "validation": last.get("validation"),
        "clips": len(records),
    }
    facts["licences"] = Counter(record.get("licence") or "not stated" for record in records)
    if (render := data / "render.json").is_file():
        facts["render"] = json.loads(render.read_text("utf-8"))
    return facts


def sharper(bundle: Bundle, run: Path, data: Path, out: Path) -> str:
    """OUT: the bundle with the tokenizer of RUN/model, its card and manifest with what was done; returns its hash."""
    video_tokenizer = VideoTokenizer.from_pretrained(run / "model")
    if not makes_the_codes_of(video_tokenizer, bundle.video_tokenizer):
        raise ValueError(f"{run / 'model'} makes other codes than the tokenizer of {bundle.folder}: sharpen that one")
    manifest = json.loads((bundle.folder / "training_data.json").read_text("utf-8"))
    manifest["sharpened"] = [*manifest.get("sharpened", []), {"from": bundle.model_hash, **facts_of(run, data)}]
    card = (bundle.folder / "MODEL_CARD.md").read_text("utf-8")
    pictures = sorted((bundle.folder / "pictures").glob("*"))
    parts = (video_tokenizer, bundle.gpt, bundle.text_tokenizer, bundle.settings)
    return save_bundle(out, *parts, card=card, manifest=manifest, pictures=pictures)


def main(argv: list[str] | None = None) -> None:
    """Prints the hash of the new model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="the bundle to begin with (default: the one in the package)")
    parser.add_argument("--tokenizer", required=True, type=Path, help="what tokenizer.sharpen has written: its --out")
    parser.add_argument(
        "--data", required=True, type=Path, help="the clips that it was trained on: told in training_data.json"
    )
    parser.add_argument("--out", required=True, type=Path)
    args = parser.parse_args(argv)
    bundle = load_bundle(args.model, dtype=torch.bfloat16, device="cpu")
    print(sharper(bundle, args.tokenizer, args.data, args.out))


if __name__ == "__main__":
    run_command(main)
