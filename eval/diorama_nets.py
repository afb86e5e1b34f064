"""Two small networks that were trained on diorama renders and come with the package: `diorama-clip` and `diorama-features`.

`diorama-clip` is a transformers CLIPModel with a tokenizer, in a folder like any other, so the code that computes a CLIP score
with standard weights computes one with these. `diorama-features` is an `Extractor` like I3D. They know the diorama alone:
their numbers are called `diorama-clip score` and `diorama-fvd`, and are never a CLIP score or an FVD.

Why the features are not the judge's: the judge looks at what it found, kind by kind, and is trained to see through blur and
noise; a distance between sets of videos must see how the whole frame looks and moves. So this network is apart, has no masks,
and is trained to name what was done to a clip (blur, noise, another size; frozen, shuffled, reversed, twice as fast) beside
what is in it. 64 numbers and not 400: a Frechet distance needs several times as many videos as it has numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor, nn

from eval.attributes import values_of
from eval.clip_score import ClipNetwork
from eval.clips import STRIDE
from eval.features import Extractor, InputLaw
from eval.judge_net import OF_SCENE, Norm, Residual, SpaceTime
from eval.store import WEIGHTS, load_network, rebuilt
from gpt_video.diorama.world import CORE
from gpt_video.text import normalise

if TYPE_CHECKING:
    from transformers import CLIPModel, PreTrainedTokenizerFast

CLIP_FOLDER = "diorama-clip"  # in the folder of a world's networks
SIDE = 128
LAW = InputLaw(size=(SIDE, SIDE), antialias=True)  # wide and tall frames are stretched to a square: nothing is cut off
LONGEST_TEXT = 64
EMBEDDING = 128
CLIP_RECORD = "diorama-clip.json"
SPECIALS = ("<pad>", "<unk>", "<start>", "<end>")
FEATURES = 64
COLOURS = 3
TAMPERING = ("as it is", "frozen", "shuffled", "reversed", "fast")
QUALITIES = ("blur", "noise", "size")


# ------------------------------------------------------------------------------------------------------ diorama-clip


def build_clip(vocabulary: int) -> CLIPModel:
    """A CLIPModel of about 2 million parameters with random weights. vocabulary: tokens of its tokenizer."""
    from transformers import CLIPConfig, CLIPModel

    text = {
        "vocab_size": vocabulary, "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 3,
        "num_attention_heads": 4, "max_position_embeddings": LONGEST_TEXT, "projection_dim": EMBEDDING,
        "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3,
    }  # fmt: skip
    vision = {
        "hidden_size": 160, "intermediate_size": 640, "num_hidden_layers": 4, "num_attention_heads": 5,
        "image_size": SIDE, "patch_size": 16, "projection_dim": EMBEDDING,
    }  # fmt: skip
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=EMBEDDING))


def build_clip_tokenizer(texts: Iterable[str], vocabulary: int = 1200) -> PreTrainedTokenizerFast:
    """Byte pairs of the captions, in lower case and without accents, between a start and an end token."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(
        map(normalise, texts),
        trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=list(SPECIALS), show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 2), ("<end>", 3)]
    )
    names = dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), SPECIALS, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=LONGEST_TEXT, **names)


def diorama_clip(folder: str | Path = WEIGHTS / CLIP_FOLDER) -> ClipNetwork:
    """The tiny CLIP, for `clip_score` and `align`. Raises ValueError if it is missing or damaged."""
    folder = Path(folder)
    try:
        record = json.loads((folder / CLIP_RECORD).read_text("utf-8"))
        network = ClipNetwork.from_pretrained(folder, name="diorama-clip")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no readable diorama-clip in {folder} ({error}): train one with `python -m eval.train`"
        ) from error
    if network.sha256 != record["sha256"]:
        raise ValueError(f"{folder / 'model.safetensors'} is damaged: its hash is not the one in {CLIP_RECORD}")
    return replace(network, law=LAW)


# -------------------------------------------------------------------------------------------------- diorama-features


class FeatureNet(nn.Module):
    """clip_BCTHW in [-1, 1], 128 x 128, at 8 fps -> features_BD, averaged over every second frame and over space.

    Beside what convolutions see, how much changes from frame to frame is measured and told: left to find that by itself, the
    network learnt nothing of the order of frames.
    """

    def __init__(self, width: int = 64):
        super().__init__()
        self.width, narrow = width, width // 2
        self.fold = nn.PixelUnshuffle(4)
        self.still = nn.Sequential(
            nn.Conv2d(48, narrow, 3, padding=1), Residual(narrow), nn.Conv2d(narrow, width, 3, stride=2, padding=1)
        )
        self.fine = nn.ModuleList(SpaceTime(width) for _ in range(2))
        self.coarser = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.coarse = nn.ModuleList(SpaceTime(2 * width) for _ in range(2))
        self.norm = Norm(2 * width)
        self.out = nn.Linear(3 * width + 3 * COLOURS, FEATURES)

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        clip_BCTHW = clip_BCTHW[:, :, ::STRIDE]
        frames = clip_BCTHW.shape[2]
        folded = self.fold(rearrange(clip_BCTHW, "B C T H W -> (B T) C H W"))
        fine_NChw = self.still(folded.contiguous(memory_format=torch.channels_last))
        for mix in self.fine:
            fine_NChw = mix(fine_NChw, frames)
        coarse_NChw = self.coarser(F.relu(fine_NChw))
        for mix in self.coarse:
            coarse_NChw = mix(coarse_NChw, frames)
        parts = [F.relu(fine_NChw), F.relu(self.norm(coarse_NChw))]
        pooled = [reduce(part, "(B T) C h w -> B C", "mean", T=frames) for part in parts]
        return self.out(torch.cat([*pooled, change(clip_BCTHW)], dim=1)).float()


def change(clip_BCTHW: Tensor) -> Tensor:
    """(B, 3 C): log of the mean step to the next frame, to the one after it, and of how much the step itself changes.

    Of areas of 8 x 8 pixels, in which noise is an eighth of what it is in a pixel. 0 steps, in a clip of one or two frames, are as
    those of one that stands still.
    """
    areas_BCThw = F.avg_pool3d(clip_BCTHW, (1, 8, 8))
    steps = [areas_BCThw.diff(dim=2), areas_BCThw[:, :, 2:] - areas_BCThw[:, :, :-2], areas_BCThw.diff(n=2, dim=2)]
    still_BC = clip_BCTHW.new_zeros(clip_BCTHW.shape[:2])
    means = [step.abs().mean(dim=(2, 3, 4)) if step.shape[2] else still_BC for step in steps]
    return torch.cat(means, dim=1).add(1e-3).log()


class FeatureHeads(nn.Module):
    """What the features must tell, by one matrix each: kept only while training."""

    def __init__(self, world: str = CORE.name) -> None:
        super().__init__()
        sizes, values = {"tampering": len(TAMPERING), "quality": len(QUALITIES)}, values_of(world)
        sizes |= {
            name: len(values[name]) for name in ("kind", "colour", "action", *OF_SCENE, "activity") if name in values
        }
        self.heads = nn.ModuleDict({name: nn.Linear(FEATURES, size) for name, size in sizes.items()})

    def forward(self, features_BD: Tensor) -> dict[str, Tensor]:
        return {name: head(features_BD) for name, head in self.heads.items()}


def diorama_extractor(folder: str | Path = WEIGHTS) -> Extractor:
    """The features behind `diorama-fvd`. Raises ValueError if the weights are missing or damaged."""
    record, tensors, sha256 = load_network(folder, "diorama-features")
    net = rebuilt(lambda: FeatureNet(record["width"]), tensors, folder)
    world = record.get("world", CORE.name)
    diorama = "diorama" if world == CORE.name else f"{world} diorama"
    settings = f"{FEATURES} numbers, every second frame, trained on the {diorama}"
    return Extractor("diorama-features", sha256, FEATURES, LAW, net.eval(), settings=settings)
