"""Videos and prompts -> how well they fit, frame by frame; and how steady a video is, beside how much moves in it.

In: `frames_THWC` (uint8) and their prompts. Out: `Score`s, with the numbers of every frame and prompt kept.

Scales in use differ by a factor of 40 and more, so each score's name has its scale: "100 cos" (torchmetrics) or "2.5 cos" (Hessel
et al. 2021). Prompts over the model's limit (77 tokens) are cut with their end token kept, and the share of cut ones is
reported: left alone, they lose the token that the text feature is read from. Consistency is never given without motion, because
a still video is perfectly consistent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from einops import rearrange
from torch.nn import functional

from eval.features import InputLaw, model_folder, saved_law, weights_sha256
from eval.intervals import mean_interval
from eval.protocol import Protocol, Score, digest

if TYPE_CHECKING:
    from transformers import CLIPModel

SCALES = {
    "100 cos": "100 cos, its mean clamped at 0 (torchmetrics)",
    "2.5 cos": "2.5 max(cos, 0) of each frame (Hessel et al. 2021)",
}
MOTION_GRID = 32  # pixels of noise and compression average out before differences are taken
# OpenAI's statistics of their training pixels (Radford et al. 2021).
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class ClipNetwork:
    """A CLIP with its tokenizer and input law. name: what its scores are called after; only a standard CLIP is "CLIP"."""

    model: CLIPModel
    tokenizer: Any
    sha256: str
    law: InputLaw
    name: str = "CLIP"
    device: str = "cpu"

    @classmethod
    def from_pretrained(cls, source: str | Path, *, name: str = "CLIP", device: str = "cpu") -> ClipNetwork:
        """Any CLIPModel of transformers, by folder or hub id. Raises ValueError."""
        from transformers import AutoTokenizer, CLIPModel

        folder = model_folder(source)
        sha256 = weights_sha256(folder)
        model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        law = saved_law(folder, clip_law(model))
        return cls(model.to(device), AutoTokenizer.from_pretrained(folder), sha256, law, name, device)  # type: ignore[arg-type]

    def frame_features(self, frames_THWC: np.ndarray) -> np.ndarray:
        """`features_TD`, of length 1, float64: a function of this video alone."""
        pixels_TCHW = rearrange(self.law(frames_THWC), "c t h w -> t c h w").to(self.device)
        with torch.inference_mode():
            return _unit(self.model.get_image_features(pixel_values=pixels_TCHW))

    def text_features(self, text: str) -> tuple[np.ndarray, bool]:
        """`features_D`, of length 1, float64, and whether the text had to be cut."""
        config: Any = self.model.config.text_config
        limit = int(config.max_position_embeddings)
        long = len(self.tokenizer(text, verbose=False)["input_ids"]) > limit
        tokens = self.tokenizer(text, truncation=True, max_length=limit, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            features_BD = self.model.get_text_features(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
            )
        return _unit(features_BD)[0], long


@dataclass(frozen=True)
class Alignment:
    """Cosines of every frame with its prompt, one row a video; rows may differ in length."""

    prompts: tuple[str, ...]
    cosines: tuple[np.ndarray, ...]
    truncated_share: float

    def per_frame(self, scale: str) -> list[np.ndarray]:
        """The score of each frame of each video. Raises ValueError on an unknown scale."""
        _check_scale(scale)
        if scale == "100 cos":
            return [100 * row_T for row_T in self.cosines]
        return [2.5 * row_T.clip(min=0) for row_T in self.cosines]

    def per_video(self, scale: str) -> np.ndarray:
        """The mean over the frames of each video."""
        return np.array([row_T.mean() for row_T in self.per_frame(scale)])

    def per_prompt(self, scale: str) -> dict[str, float]:
        """The mean over the videos of each prompt."""
        rows: dict[str, list[float]] = {}
        for prompt, score in zip(self.prompts, self.per_video(scale), strict=True):
            rows.setdefault(prompt, []).append(float(score))
        return {prompt: float(np.mean(scores)) for prompt, scores in rows.items()}


def align(videos: Iterable[np.ndarray], prompts: Sequence[str], network: ClipNetwork, *, prefix: str = "") -> Alignment:
    """Cosines of every frame of `videos` (each `frames_THWC`) with the prompt of the same index. Raises ValueError."""
    texts = {prompt: network.text_features(prefix + prompt) for prompt in dict.fromkeys(prompts)}
    rows = [network.frame_features(frames_THWC) for frames_THWC in videos]
    if len(rows) != len(prompts) or not rows:
        raise ValueError(
            f"{len(rows)} videos came with {len(prompts)} prompts: give one prompt for each, and at least one"
        )
    cosines = tuple(row_TD @ texts[prompt][0] for row_TD, prompt in zip(rows, prompts, strict=True))
    return Alignment(tuple(prompts), cosines, float(np.mean([texts[prompt][1] for prompt in prompts])))


def clip_score(
    videos: Iterable[np.ndarray],
    prompts: Sequence[str],
    network: ClipNetwork,
    *,
    scale: str = "100 cos",
    prefix: str = "",
    codec: str = "arrays",
    seeds: Sequence[int] = (),
) -> tuple[Score, Alignment]:
    """The mean over prompts, with an interval over prompts, and all the numbers behind it. Raises ValueError.

    prefix: put before each prompt ("A photo depicts " in some publications); part of the protocol, as the prompts are.
    """
    _check_scale(scale)
    alignment = align(videos, prompts, network, prefix=prefix)
    protocol = _protocol("clip-score", network, prompts, f"mean over prompts of {SCALES[scale]}", codec, seeds, prefix)
    note = f"{alignment.truncated_share:.0%} of prompts cut at the model's limit" if alignment.truncated_share else ""
    score = _mean_score(f"{network.name} score ({scale})", alignment.per_video(scale), prompts, protocol, note)
    if scale == "100 cos" and score.value < 0:
        low, high = score.interval or (0.0, 0.0)
        interval = (max(low, 0.0), max(high, 0.0)) if score.interval else None
        score = Score(score.name, 0.0, score.n, protocol, True, interval, score.interval_method, note=note)
    return score, alignment


def adjacent_consistency(features_TD: np.ndarray) -> float:
    """Mean cosine of each frame with the next one. A still video has 1. Raises ValueError below two frames."""
    _check_frames(len(features_TD))
    return float((features_TD[1:] * features_TD[:-1]).sum(axis=1).mean())


def vbench_consistency(features_TD: np.ndarray) -> float:
    """VBench's form: mean of (max(0, cos with the frame before) + max(0, cos with the first frame)) / 2. A still video has 1."""
    _check_frames(len(features_TD))
    before_T = (features_TD[1:] * features_TD[:-1]).sum(axis=1).clip(min=0)
    first_T = (features_TD[1:] @ features_TD[0]).clip(min=0)
    return float((before_T + first_T).mean() / 2)


def motion(frames_THWC: np.ndarray) -> float:
    """Mean change from frame to frame on a coarse grid, in levels of 0 to 255: 0 for a still video. Flicker counts as motion."""
    _check_frames(len(frames_THWC))
    frames_TCHW = rearrange(torch.from_numpy(np.ascontiguousarray(frames_THWC)), "t h w c -> t c h w").float()
    height, width = frames_TCHW.shape[2:]
    coarse_TChw = functional.adaptive_avg_pool2d(frames_TCHW, (min(height, MOTION_GRID), min(width, MOTION_GRID)))
    return float(coarse_TChw.double().diff(dim=0).abs().mean())


def consistency_scores(
    videos: Sequence[np.ndarray],
    prompts: Sequence[str],
    network: ClipNetwork,
    *,
    codec: str = "arrays",
    seeds: Sequence[int] = (),
) -> list[Score]:
    """Adjacent consistency, VBench's form of it, and motion: always the three together. Raises ValueError."""
    features = [network.frame_features(frames_THWC) for frames_THWC in videos]
    moves = [motion(frames_THWC) for frames_THWC in videos]
    if len(videos) != len(prompts) or not features:
        raise ValueError(f"{len(videos)} videos came with {len(prompts)} prompts: give one for each, and at least one")
    note = f"a still video has 1; the motion beside it is {np.mean(moves):.3g} levels a frame"
    columns = {
        f"{network.name} frame consistency": ([adjacent_consistency(row) for row in features], note),
        f"{network.name} frame consistency (VBench form)": ([vbench_consistency(row) for row in features], note),
        "motion": (moves, "levels of 255 from frame to frame; a still video has 0, flicker counts"),
    }
    scores = []
    for name, (values, remark) in columns.items():
        statistic = f"mean over prompts of {name}"
        protocol = _protocol("frame-consistency", network, prompts, statistic, codec, seeds, "")
        scores.append(_mean_score(name, np.array(values), prompts, protocol, remark))
    return scores


def clip_law(model: CLIPModel) -> InputLaw:
    """What CLIP was trained on: short side and centre crop, bicubic, OpenAI's mean and std."""
    config: Any = model.config.vision_config
    side = int(config.image_size)
    return InputLaw((side, side), side, "bicubic", True, CLIP_MEAN, CLIP_STD)


def _unit(features: Any) -> np.ndarray:
    # transformers 5 gives an output with `pooler_output` where earlier versions gave the tensor.
    features_BD = getattr(features, "pooler_output", features).double()
    return functional.normalize(features_BD, dim=-1).cpu().numpy()


def _protocol(
    name: str,
    network: ClipNetwork,
    prompts: Sequence[str],
    statistic: str,
    codec: str,
    seeds: Sequence[int],
    prefix: str,
) -> Protocol:
    return Protocol(
        name,
        codec=codec,
        input_law=str(network.law),
        extractor=network.name,
        extractor_sha256=network.sha256,
        statistic=statistic,
        n=len(prompts),
        reference_sha256=digest(sorted(prompts)),
        seeds=tuple(seeds),
        extra={"prompts": len(set(prompts)), "prefix": prefix},
    )


def _mean_score(name: str, values_N: np.ndarray, prompts: Sequence[str], protocol: Protocol, note: str) -> Score:
    if len(set(prompts)) < 2:
        remark = "; ".join(part for part in (note, "one prompt: no interval can be given") if part)
        return Score(name, float(values_N.mean()), len(values_N), protocol, True, note=remark)
    interval = mean_interval(values_N.tolist(), prompts)
    return Score(name, interval.value, len(values_N), protocol, True, interval.bounds, interval.method, note=note)


def _check_scale(scale: str) -> None:
    if scale not in SCALES:
        raise ValueError(f"there is no scale {scale!r}: give one of {list(SCALES)}")


def _check_frames(frames: int) -> None:
    if frames < 2:
        raise ValueError(f"{frames} frame has no frame after it: consistency and motion need at least two")
