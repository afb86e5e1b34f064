"""What each small network of `eval/` learns: its batches, losses, optimizers, evaluation and files, for train.py's loop.

Enters: `RenderedClips`. Leaves: named losses of a batch, accuracies on held-out clips, and files on disk.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from eval import diorama_nets as nets
from eval.attributes import values_of
from eval.clips import UNKNOWN, Batch, Clip, RenderedClips, blurred, degraded, resized_and_back, stacked
from eval.judge import Judge, accuracy
from eval.judge_net import OF_KIND, OF_SCENE, JudgeConfig, JudgeNet, Logits, channels_last
from eval.store import save_network
from gpt_video.disk import file_sha256, write_text
from tokenizer.optimizer import Muon, make_optimizers

CELLS_WEIGHT = 4.0  # against a dozen other losses: what is not found cannot be looked at
SUBJECT_CELL_WEIGHT = 4.0  # a cell of a subject counts so much more than one of the background
# Clips in which the network is told where each kind is: so it learns to look before it has learnt to find.
TOLD_SHARE = 0.5
ABSENT_WEIGHT = 0.3  # in the count: most kinds are absent from most clips


class Task(ABC):
    """One network and how it is trained. `batch(step)` depends on the seed and the step alone."""

    model: nn.Module

    def __init__(self, clips: RenderedClips, seed: int, frames: int):
        self.clips, self.seed, self.frames = clips, seed, frames

    def rng(self, step: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, step))

    @abstractmethod
    def batch(self, step: int) -> Any: ...

    @abstractmethod
    def losses(self, model: nn.Module, batch: Any) -> dict[str, Tensor]: ...

    @abstractmethod
    def evaluate(self, held_out: RenderedClips) -> dict[str, Any]:
        """Numbers on clips that were not trained on."""

    @abstractmethod
    def save(self, folder: Path, result: dict[str, Any], training: dict[str, Any]) -> None: ...

    def start_from(self, folder: str | Path) -> None:
        """Takes over what a trained network knows. ValueError where that is not possible."""
        raise ValueError("--init is for the judge: the other networks are trained from nothing")

    def average_with(self, folder: str | Path) -> None:
        """Halfway back to what `start_from` gave.

        Two trainings from one start differ in their errors, and the mean of the weights has fewer (model soups, arXiv 2203.05482).
        """
        trained = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.start_from(folder)
        with torch.no_grad():
            for name, tensor in self.model.state_dict().items():
                tensor.lerp_(trained[name], 0.5)

    def optimizers(self, learning_rate: float) -> list[torch.optim.Optimizer]:
        return make_optimizers(self.model, learning_rate)

    @staticmethod
    def moved(batch: Any, device: torch.device) -> Any:
        """The batch, a (nested) record of tensors, on the device."""
        if isinstance(batch, Tensor):
            return batch.to(device)
        if isinstance(batch, dict):
            return {name: Task.moved(value, device) for name, value in batch.items()}
        if isinstance(batch, Batch):
            return replace(batch, **{name: Task.moved(value, device) for name, value in vars(batch).items()})
        return batch


# -------------------------------------------------------------------------------------------------------------- judge


class JudgeTask(Task):
    """Find the kinds, and name all that is known of them."""

    def __init__(self, clips: RenderedClips, seed: int, frames: int):
        super().__init__(clips, seed, frames)
        self.model: JudgeNet = channels_last(JudgeNet(JudgeConfig(world=clips.world)))

    def batch(self, step: int) -> Batch:
        rng = self.rng(step)
        batch = self.clips.batch(rng, self.frames)
        is_told_B = torch.from_numpy(rng.random(len(batch.clip_BTCHW)) < TOLD_SHARE)
        kinds_BTKhw = batch.cells_BTKhw[:, :, 1:]
        told_BTKhw = torch.where(is_told_B[:, None, None, None, None], kinds_BTKhw, -torch.ones_like(kinds_BTKhw))
        return replace(batch, told_BTKhw=told_BTKhw)

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return judge_losses(model(batch.clip_BTCHW, batch.told_BTKhw), batch)

    def start_from(self, folder: str | Path) -> None:
        """The weights of a judge of this world or of one that this world widens: new values come after those it knew."""
        known = Judge.load(folder)
        theirs, ours = values_of(known.world), values_of(self.model.config.world)
        if any(name not in ours or ours[name][: len(values)] != values for name, values in theirs.items()):
            raise ValueError(f"the judge in {folder} is of a world that {self.model.config.world} does not widen")
        with torch.no_grad():
            mine = self.model.state_dict()
            for name, tensor in known.net.state_dict().items():
                mine[name][: len(tensor)] = tensor

    def evaluate(self, held_out: RenderedClips) -> dict[str, Any]:
        found = accuracy(Judge(self.model, {}), held_out.clips)
        self.model.train()
        shares = {name: round(share, 4) for name, (share, _) in found.items()}
        mean = round(float(np.mean(list(shares.values()))), 4)
        return {"accuracy": shares, "n": {name: n for name, (_, n) in found.items()}, "mean": mean}

    def save(self, folder: Path, result: dict[str, Any], training: dict[str, Any]) -> None:
        Judge(self.model, {"training": training, **result}).save(folder)


def judge_losses(logits: Logits, batch: Batch) -> dict[str, Tensor]:
    """Cross entropies, each over what is known: attributes of kinds that are there, relations of pairs that have one."""
    labels = batch.labels
    weights = 1 + SUBJECT_CELL_WEIGHT * (1 - batch.cells_BTKhw[:, :, 0])
    surprise = -(batch.cells_BTKhw * logits["cells"].log_softmax(dim=2)).sum(dim=2)
    terms = {"cells": CELLS_WEIGHT * (weights * surprise).sum() / weights.sum()}
    count_weights = torch.tensor([ABSENT_WEIGHT, 1.0, 1.0, 1.0], device=surprise.device)
    terms["count"] = F.cross_entropy(logits["count"].flatten(0, 1), labels["count"].flatten(), count_weights)
    there = labels["colour"].sum(dim=-1) > 0
    terms["colour"] = F.cross_entropy(logits["colour"][there], labels["colour"][there])
    for name in (*OF_KIND[2:], *OF_SCENE):
        if name in labels:
            terms[name] = _known(logits[name], labels[name])
    first, second, pair = labels["relation"].unbind(-1)
    rows = torch.arange(len(pair), device=pair.device)
    seen, inverse = logits["relation"], torch.where(pair == UNKNOWN, pair, pair ^ 1)  # PAIRS come in opposites
    forth = _known(seen[rows, first.clamp_min(0), second.clamp_min(0)], pair)
    back = _known(seen[rows, second.clamp_min(0), first.clamp_min(0)], inverse)
    terms["relation"] = (forth + back) / 2
    return terms


def _known(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy where there is a label; 0, with a gradient of 0, where there is none."""
    known = labels != UNKNOWN
    return F.cross_entropy(logits[known], labels[known]) if known.any() else logits.sum() * 0


# --------------------------------------------------------------------------------------------------------------- CLIP


class ClipAndHeads(nn.Module):
    """The CLIPModel, and matrices that read labels off its two embeddings: they speed the start up, and are not kept."""

    def __init__(self, vocabulary: int, world: str):
        super().__init__()
        self.clip, values = nets.build_clip(vocabulary), values_of(world)
        labels = [name for name in CLIP_LABELS if name in values]
        self.heads = nn.ModuleDict({name: nn.Linear(nets.EMBEDDING, len(values[name])) for name in labels})

    def forward(self, pixels_BCHW: Tensor, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image and text embeddings before they are normalised, and the scale of their cosines."""
        image_BD = self.clip.get_image_features(pixel_values=pixels_BCHW).pooler_output
        text_BD = self.clip.get_text_features(input_ids=ids_BL, attention_mask=mask_BL).pooler_output
        return image_BD.float(), text_BD.float(), self.clip.logit_scale.clamp(max=4.6).exp()


CLIP_LABELS = ("kind", "colour", "place", "time", "weather", "style", "activity")  # what one frame shows


class ClipTask(Task):
    """One frame and one caption of each of many scenes: find who belongs to whom."""

    def __init__(self, clips: RenderedClips, seed: int, frames: int):
        super().__init__(clips, seed, frames)
        self.tokenizer = nets.build_clip_tokenizer(text for clip in clips.clips for text in clip.texts)
        self.model: ClipAndHeads = ClipAndHeads(len(self.tokenizer), clips.world)

    def optimizers(self, learning_rate: float) -> list[torch.optim.Optimizer]:
        inner = [p for name, p in self.model.named_parameters() if p.ndim == 2 and ".layers." in name]
        outer = [p for name, p in self.model.named_parameters() if not (p.ndim == 2 and ".layers." in name)]
        muon = Muon(inner, lr=12 * learning_rate, weight_decay=0.01)
        adamw = torch.optim.AdamW(outer, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.01)
        return [muon, adamw]

    def batch(self, step: int) -> dict[str, Any]:
        rng = self.rng(step)
        count = min(self.frames, len(self.clips))
        chosen = [self.clips.clips[i] for i in rng.choice(len(self.clips), count, replace=False)]
        pixels = [degraded(frame_input(clip, int(rng.integers(len(clip.frames_THWC)))), rng)[0] for clip in chosen]
        texts = [str(rng.choice(clip.texts)) for clip in chosen]
        return {"pixels": torch.stack(pixels), "labels": stacked([c.labels for c in chosen]), **self.encoded(texts)}

    def encoded(self, texts: Sequence[str]) -> dict[str, Tensor]:
        found = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=nets.LONGEST_TEXT, return_tensors="pt"
        )
        return {"ids": found["input_ids"], "mask": found["attention_mask"]}

    def losses(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
        image_BD, text_BD, scale = model(batch["pixels"], batch["ids"], batch["mask"])
        cosines_BB = F.normalize(image_BD, dim=-1) @ F.normalize(text_BD, dim=-1).T
        target = torch.arange(len(cosines_BB), device=cosines_BB.device)
        both = F.cross_entropy(scale * cosines_BB, target) + F.cross_entropy(scale * cosines_BB.T, target)
        terms = {"contrast": both / 2}
        for side, embedding_BD in (("image", image_BD), ("text", text_BD)):
            heads = {name: head(embedding_BD) for name, head in self.model.heads.items()}
            terms[side] = sum(_content(heads, batch["labels"]).values(), torch.zeros((), device=target.device))
        return terms

    @torch.inference_mode()
    def evaluate(self, held_out: RenderedClips, group: int = 100) -> dict[str, Any]:
        """How often the right caption of `group` is nearest to a frame, in each language as it comes."""
        self.model.eval()
        clips = held_out.clips[: len(held_out) // group * group or len(held_out)]
        hits, own, other = [], [], []
        for start in range(0, len(clips), group):
            some = clips[start : start + group]
            pixels = torch.cat([frame_input(clip, len(clip.frames_THWC) // 2) for clip in some])
            words = self.encoded([clip.texts[0] for clip in some])
            device = next(self.model.parameters()).device
            image_BD, text_BD, _ = self.model(*(part.to(device) for part in (pixels, words["ids"], words["mask"])))
            cosines_BB = (F.normalize(image_BD, dim=-1) @ F.normalize(text_BD, dim=-1).T).cpu().numpy()
            hits += (cosines_BB.argmax(axis=1) == np.arange(len(some))).tolist()
            own.append(cosines_BB.diagonal().mean())
            other.append((cosines_BB.sum() - cosines_BB.trace()) / (cosines_BB.size - len(some)))
        self.model.train()
        numbers = {"right caption first": np.mean(hits), "cosine, own": np.mean(own), "cosine, others": np.mean(other)}
        return {"group": min(group, len(clips)), **{name: round(float(value), 4) for name, value in numbers.items()}}

    def save(self, folder: Path, result: dict[str, Any], training: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.model.clip.half().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        record: dict[str, Any] = {"sha256": file_sha256(folder / "model.safetensors"), "world": self.clips.world}
        record |= {"training": training, "validation": result}
        write_text(folder / nets.CLIP_RECORD, json.dumps(record, indent=1) + "\n")


def frame_input(clip: Clip, frame: int) -> Tensor:
    """One frame (1, C, H, W) as the tiny CLIP sees it."""
    return rearrange(nets.LAW(clip.frames_THWC[frame : frame + 1]), "C T H W -> T C H W")


# ----------------------------------------------------------------------------------------------------------- features


class FeaturesAndHeads(nn.Module):
    """The feature network, and the matrices that read off its features what they must hold."""

    def __init__(self, world: str) -> None:
        super().__init__()
        self.net, self.heads = nets.FeatureNet(), nets.FeatureHeads(world)

    def forward(self, clip_BCTHW: Tensor) -> dict[str, Tensor]:
        return self.heads(self.net(clip_BCTHW))


class FeatureTask(Task):
    """Say what is in a clip, and what was done to it."""

    def __init__(self, clips: RenderedClips, seed: int, frames: int):
        super().__init__(clips, seed, frames)
        self.model: FeaturesAndHeads = channels_last(FeaturesAndHeads(clips.world))

    def batch(self, step: int) -> dict[str, Any]:
        rng, done = self.rng(step), []

        def tamper(clip_TCHW: Tensor, rng: np.random.Generator) -> Tensor:
            clip_TCHW, what = tampered(clip_TCHW, rng)
            done.append(what)
            return clip_TCHW

        found = self.clips.batch(rng, self.frames, tamper)
        labels = found.labels | stacked(done)
        clip_BCTHW = rearrange(found.clip_BTCHW, "B T C H W -> B C T H W")
        return {"clip": clip_BCTHW.repeat_interleave(2, dim=2)[:, :, :-1], "labels": labels}  # sampled again inside

    def losses(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
        heads, labels = model(batch["clip"]), batch["labels"]
        terms = _content(heads, labels) | {"camera": _known(heads["camera"], labels["camera"])}
        actions_BV = _any_of(labels["action"], heads["action"].shape[1])
        moving = actions_BV.sum(dim=1) > 0
        action = F.binary_cross_entropy_with_logits(heads["action"], actions_BV, reduction="none").mean(dim=1)
        terms["action"] = 3 * (action * moving).mean()
        terms["tampering"] = _known(heads["tampering"], labels["tampering"])
        terms["quality"] = F.mse_loss(heads["quality"], labels["quality"])
        return terms

    @torch.inference_mode()
    def evaluate(self, held_out: RenderedClips) -> dict[str, Any]:
        """Shares of clips in which the place, the time, and what was done to them are named rightly."""
        self.model.eval()
        device = next(self.model.parameters()).device
        right = {name: [0, 0] for name in ("tampering", *OF_SCENE) if name in self.model.heads.heads}
        others = FeatureTask(held_out, self.seed + 1, self.frames)
        for step in range(min(24, 1 + len(held_out) // 8)):
            batch = self.moved(others.batch(step), device)
            heads = self.model(batch["clip"])
            for name, count in right.items():
                known = batch["labels"][name] != UNKNOWN
                count[0] += int((heads[name].argmax(dim=1) == batch["labels"][name])[known].sum())
                count[1] += int(known.sum())
        self.model.train()
        return {name: round(hits / max(n, 1), 4) for name, (hits, n) in right.items()}

    def save(self, folder: Path, result: dict[str, Any], training: dict[str, Any]) -> None:
        record: dict[str, Any] = {"width": self.model.net.width, "world": self.clips.world}
        record |= {"training": training, "validation": result}
        save_network(folder, "diorama-features", self.model.net.state_dict(), record)


def tampered(clip_TCHW: Tensor, rng: np.random.Generator) -> tuple[Tensor, dict[str, np.ndarray]]:
    """A clip with something done to its order and to its quality, fitted to the features' size; and what was done.

    tampering: index into TAMPERING, -1 for stills and for what rests so that nobody could tell. quality: blur in pixels, noise
    x 10, and 2 x the share of its size that was taken away.
    """
    frames, height, width = len(clip_TCHW), *clip_TCHW.shape[-2:]
    what = int(rng.choice(len(nets.TAMPERING), p=(0.5, 0.1, 0.15, 0.1, 0.15))) if frames > 4 else 0
    moves = frames > 4 and float((clip_TCHW[1:] - clip_TCHW[:-1]).abs().mean()) > 0.01
    order = np.arange(frames)
    if nets.TAMPERING[what] == "shuffled":
        order = rng.permutation(order)
    elif nets.TAMPERING[what] == "reversed":
        order = order[::-1]
    elif nets.TAMPERING[what] == "frozen":
        order = np.full(frames, rng.integers(frames))
    elif nets.TAMPERING[what] == "fast":
        order = np.minimum(2 * order, 2 * (frames - 1) - 2 * order)  # twice as fast, there and back
    clip_TCHW = clip_TCHW[order.copy()]
    blur, noise, lost = (float(rng.uniform(0, most)) if rng.random() < 0.4 else 0.0 for most in (2.0, 0.12, 0.6))
    clip_TCHW = blurred(clip_TCHW, blur) if blur > 0.2 else clip_TCHW
    clip_TCHW = resized_and_back(clip_TCHW, 1 - lost) if lost > 0.05 else clip_TCHW
    if (height, width) != (nets.SIDE, nets.SIDE):
        clip_TCHW = F.interpolate(clip_TCHW, (nets.SIDE, nets.SIDE), mode="bilinear", antialias=True)
    clip_TCHW = clip_TCHW + noise * torch.from_numpy(rng.standard_normal(clip_TCHW.shape, dtype=np.float32))
    known = what if moves or (what == 0 and frames > 4) else UNKNOWN
    quality = np.array([blur, 10 * noise, 2 * lost], np.float32)
    return clip_TCHW.clamp(-1, 1), {"tampering": np.array(known), "quality": quality}


def _content(heads: dict[str, Tensor], labels: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of what is there: kinds, colours and activities as sets, what is true of the scene as one of its values."""
    there = {"kind": (labels["count"] > 0).float(), "colour": (labels["colour"].sum(dim=1) > 0).float()}
    if "activity" in labels:
        there["activity"] = _any_of(labels["activity"], heads["activity"].shape[1])
    terms = {name: 3 * F.binary_cross_entropy_with_logits(heads[name], target) for name, target in there.items()}
    return terms | {name: _known(heads[name], labels[name]) for name in OF_SCENE if name in labels and name != "camera"}


def _any_of(labels_BK: Tensor, values: int) -> Tensor:
    """(B, values) 1 where any kind has the value."""
    return F.one_hot(labels_BK + 1, values + 1).amax(dim=1)[:, 1:].float()


TASKS: dict[str, type[Task]] = {"judge": JudgeTask, "clip": ClipTask, "features": FeatureTask}
