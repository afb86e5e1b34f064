"""A model with its GPT trained on: its weights a mean of what they were and what they became.

Such a mean knows held-out data better than either end does (Wortsman et al. 2022, arXiv 2203.05482; EXPERIMENTS.md).

Enters: the folder of a GPT that was trained on from the model's own. Leaves: a bundle.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3ForCausalLM

from gpt_video.bundle import load_bundle, save_bundle
from gpt_video.pairs import read_gpt
from tokenizer import VideoTokenizer


def averaged(old: Path, new: Path, share: float) -> Qwen3ForCausalLM:
    """The GPT whose every weight is (1 - share) of the old one's and `share` of the new one's."""
    was, gpt = (read_gpt(path) for path in (old, new))
    became = gpt.state_dict()
    gpt.load_state_dict({name: torch.lerp(weight, became[name], share) for name, weight in was.state_dict().items()})
    return gpt


def save_trained_on(out: Path, gpt: Path, share: float, recipe: str, facts: dict[str, Any]) -> str:
    """The bundle OUT/bundle: the embedded model, its GPT the mean with the one in the folder `gpt`; returns its hash.

    `recipe`: what trained it; `facts`: what training_data.json will say of that, beside all it said before. Its curves
    are taken from OUT/gpt/loss.png.
    """
    old = load_bundle()
    before = json.loads((old.folder / "training_data.json").read_text("utf-8"))
    manifest = before | {f"trained on from {old.model_hash[:12]}": {"recipe": recipe, **facts}}
    card = f"# A gpt-video model\n\nModel {old.model_hash[:12]}, its GPT trained on by `{recipe}`; see training_data.json.\n"
    return save_bundle(
        out / "bundle",
        VideoTokenizer.from_pretrained(old.folder / "tokenizer"),
        averaged(old.folder / "gpt", gpt, share),
        old.text_tokenizer,
        old.settings,
        card=card,
        manifest=manifest,
        pictures=[out / "gpt" / "loss.png"],
    )
