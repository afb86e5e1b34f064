"""What models that predict tokens need measured: surprise, drift over a long video, and where their loss of quality comes from.

- `bits_per_token`: how surprised the GPT is by held-out clips, beside the same with the captions of other clips, and log2 K;
- `drift`: a long video second by second: colour, sharpness, motion, the judge's confidence, repetition;
- `anchored`: the tokenizer's and the model's distance to real videos, between two anchors of the same run: 0 is real against
  real, 1 is real videos with shuffled captions.

A Frechet distance of videos alone cannot see captions: shuffled ones leave the set of videos as it was. So `anchored` takes the
distance of pairs (video, caption), each half scaled to the same spread, as in the Frechet joint distance (DeVries et al. 2019).
Copies of training clips: copies.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log2

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce

from eval.frechet import frechet_distance
from eval.generators import codes_of
from eval.intervals import delete_block_jackknife, mean_interval, paired_bootstrap
from eval.judge import Judge
from eval.protocol import Protocol, Score, Setting
from gpt_video import sequence
from gpt_video.dataset import IGNORED
from gpt_video.generate import VideoGenerator
from gpt_video.learning import VideoLoss

FPS = 8
Clips = Sequence[np.ndarray]


# ---------------------------------------------------------------------------------------------------- bits per token


@torch.inference_mode()
def bits_per_token(generator: VideoGenerator, texts: Sequence[str], clips: Clips, batch_size: int = 4) -> np.ndarray:
    """bits_N: mean surprise, in bits, of each clip's video tokens after its text. clips: frames_THWC of trained lengths.

    Over the video tokens alone, at temperature 1 and without guidance: what training lowers.
    """
    if len(texts) != len(clips) or not clips:
        raise ValueError(f"{len(clips)} clips came with {len(texts)} texts: give one text for each, and at least one")
    rows = [_packed(generator, text, frames_THWC) for text, frames_THWC in zip(texts, clips, strict=True)]
    groups: dict[int, list[int]] = defaultdict(list)
    for index, ids_L in enumerate(rows):
        groups[len(ids_L)].append(index)
    bits_N = np.zeros(len(rows))
    for members in groups.values():
        for start in range(0, len(members), batch_size):
            batch = members[start : start + batch_size]
            bits_N[batch] = _bits(generator, np.stack([rows[i] for i in batch]))
    return bits_N


def _packed(generator: VideoGenerator, text: str, frames_THWC: np.ndarray) -> np.ndarray:
    words = tuple(generator.bundle.text_tokenizer.encode(text))
    return sequence.pack([sequence.Turn(words, "new", codes_of(generator, frames_THWC))], generator.bundle.vocabulary)


def _bits(generator: VideoGenerator, ids: np.ndarray) -> np.ndarray:
    gpt, vocabulary = generator.engine.gpt, generator.bundle.vocabulary
    ids_BL = torch.from_numpy(ids).to(generator.device)
    labels_BL = ids_BL.masked_fill(~sequence.video_mask(ids_BL, vocabulary), IGNORED)
    nats_N = VideoLoss(gpt, vocabulary)(ids_BL, labels_BL)
    return (nats_N.reshape(len(ids), -1).mean(dim=1) / np.log(2)).cpu().numpy()


def surprise_scores(generator: VideoGenerator, texts: Sequence[str], clips: Clips) -> list[Score]:
    """Bits per video token, and how many of them the words save: the same clips, each with the text of the next."""
    own_N = bits_per_token(generator, texts, clips).tolist()
    other_N = bits_per_token(generator, [*texts[1:], *texts[:1]], clips).tolist()
    codes = generator.bundle.vocabulary.codebook_size
    settings: dict[str, Setting] = {"tokenizer": generator.bundle.tokenizer_hash, "codes": codes}
    protocol = Protocol(
        "bits-per-token", fps=FPS, n=len(clips), statistic="mean over clips, temperature 1", extra=settings
    )
    found, saved = mean_interval(own_N), paired_bootstrap(own_N, other_N)
    note = f"log2 K is {log2(codes):.2f}"
    return [
        Score("bits per video token", found.value, len(clips), protocol, False, found.bounds, found.method, note=note),
        Score("bits saved by the words", saved.value, len(clips), protocol, True, saved.interval, saved.method),
    ]


# ------------------------------------------------------------------------------------------------------------- drift

MEASURES = ("colour", "sharpness", "motion", "confidence", "repetition")
THUMBNAIL = 16
SAME_LEVELS = 2.0  # of 255: two thumbnails that differ less on average show the same
APART = 2 * FPS  # frames: nearer ones are alike in any video


@dataclass(frozen=True, eq=False)
class Drift:
    """Each of MEASURES as an array (videos, seconds)."""

    measures: Mapping[str, np.ndarray]

    def curve(self, measure: str) -> np.ndarray:
        """Mean over videos, (seconds,)."""
        return self.measures[measure].mean(axis=0)

    def change(self, measure: str, last: int = 5) -> np.ndarray:
        """Of each video: mean of the `last` seconds over the first second, minus 1: 0 is no drift."""
        values_NS = self.measures[measure]
        return values_NS[:, -last:].mean(axis=1) / np.maximum(values_NS[:, 0], 1e-6) - 1

    def scores(self, protocol: Protocol, floor: Drift | None = None) -> list[Score]:
        """Mean absolute change of colour, sharpness and confidence, and the share of frames that were seen before.

        floor: of real videos of the same scenes, in which what moves changes colours and edges too.
        """
        floors = floor._rows() if floor else {}
        rows, out = self._rows(), []
        for name, values_N in rows.items():
            found = mean_interval(values_N.tolist()) if len(values_N) > 1 else None
            value = found.value if found else float(values_N.mean())
            bounds, method = (found.bounds, found.method) if found else (None, None)
            least = float(floors[name].mean()) if floors else None
            out.append(
                Score(name, value, len(values_N), replace(protocol, n=len(values_N)), False, bounds, method, least)
            )
        return out

    def _rows(self) -> dict[str, np.ndarray]:
        """values_N of each score."""
        rows = {f"drift of {name}": np.abs(self.change(name)) for name in ("colour", "sharpness", "confidence")}
        return rows | {"repetition, whole video": self.measures["repetition"].mean(axis=1)}


def drift(clips: Clips, judge: Judge) -> Drift:
    """Second by second of long videos of one length (uint8 frames_THWC at 8 fps; frames beyond whole seconds are left out).

    colour: mean difference of the largest and smallest channel; sharpness: mean step from pixel to pixel; motion: from frame to
    frame; all in levels of 255. confidence: the judge's. repetition: share of frames whose thumbnail was on screen two
    seconds or more before: 1 for a frozen video, so it is read beside motion.
    """
    lengths = {len(clip) // FPS for clip in clips}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"the clips last {sorted(lengths)} whole seconds: give clips of one length, a second or more")
    rows = [_measured(clip, judge, lengths.copy().pop()) for clip in clips]
    return Drift({name: np.stack([row[name] for row in rows]) for name in MEASURES})


def _measured(frames_THWC: np.ndarray, judge: Judge, seconds: int) -> dict[str, np.ndarray]:
    frames = frames_THWC[: seconds * FPS]
    levels = frames.astype(np.float32)
    grey = levels.mean(axis=-1)
    sharp_T = (np.abs(np.diff(grey, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2))) / 2
    motion_T = np.abs(np.diff(grey, axis=0, prepend=grey[:1])).mean(axis=(1, 2))
    colour_T = (levels.max(axis=-1) - levels.min(axis=-1)).mean(axis=(1, 2))
    by_second = {"colour": colour_T, "sharpness": sharp_T, "motion": motion_T, "repetition": _seen_before(levels)}
    out = {name: reduce(values, "(s f) -> s", "mean", f=FPS) for name, values in by_second.items()}
    pieces = [frames[start : start + FPS + 1] for start in range(0, len(frames), FPS)]
    return out | {"confidence": np.array([judge(piece).confidence for piece in pieces])}


def _seen_before(levels_THWC: np.ndarray) -> np.ndarray:
    small = F.adaptive_avg_pool2d(torch.from_numpy(levels_THWC).permute(0, 3, 1, 2), THUMBNAIL).flatten(1)
    apart_TT = torch.cdist(small, small, p=1) / small.shape[1]
    earlier_TT = torch.ones_like(apart_TT).tril(-APART) > 0
    return ((apart_TT < SAME_LEVELS) & earlier_TT).any(dim=1).float().numpy()


# ---------------------------------------------------------------------------------------- between the two anchors

PLACE = "0: as near as real videos, 1: as far as real videos with shuffled captions"


@dataclass(frozen=True, eq=False)
class Pairs:
    """N videos and their captions as features: videos_ND, words_NE."""

    videos_ND: np.ndarray
    words_NE: np.ndarray

    def __len__(self) -> int:
        return len(self.videos_ND)

    def shuffled(self, seed: int) -> Pairs:
        """Every video with the caption of another: a rotation of a random order, so that none keeps its own."""
        order = np.random.default_rng(seed).permutation(len(self))
        words_NE = np.empty_like(self.words_NE)
        words_NE[order] = self.words_NE[np.roll(order, 1)]
        return Pairs(self.videos_ND, words_NE)


def anchored(
    name: str, reference: Pairs, real: Pairs, made: Mapping[str, Pairs], protocol: Protocol, *, seed: int = 0
) -> list[Score]:
    """Two scores for each of `made`: its distance to the reference, with the floor; and where it lies between the anchors.

    name: of the features, such as "diorama-fvd". reference, real: two sets of real videos. made: e.g. {"tokenizer": the real
    ones through the tokenizer, "model": generated from the captions of `real`}, each as long as `real` and in its order.
    Place 0: as near as real videos are; 1: as far as real videos with wrong captions. ValueError where lengths differ.
    """
    lengths = {len(pairs) for pairs in (reference, real, *made.values())}
    if len(lengths) != 1:
        raise ValueError(f"the sets have {sorted(lengths)} videos: distances are compared at one size")
    scaled = _scaling(reference)
    near, far = scaled(real), scaled(real.shuffled(seed))
    target, width = scaled(reference), scaled(reference).shape[1]
    floor, top = _distance(target, near), _distance(target, far)
    if not top > floor:
        raise ValueError(f"shuffled captions are no farther ({top:.4g}) than real ones ({floor:.4g}): give more videos")
    out = []
    for what, pairs in made.items():
        rows = scaled(pairs)
        found = delete_block_jackknife(target, rows, _distance)
        note = f"shuffled captions {top:.4g}"
        size, settings = len(real), replace(protocol, n=len(real), n_reference=len(reference), ddof=1)
        out.append(
            Score(
                f"joint {name}, {what}",
                found.value,
                size,
                settings,
                False,
                found.bounds,
                found.method,
                floor,
                size,
                note=note,
            )
        )
        place = delete_block_jackknife(target, np.hstack([rows, near, far]), _place(width))
        out.append(
            Score(
                f"place of {what} between the anchors",
                place.value,
                size,
                settings,
                False,
                place.bounds,
                place.method,
                note="0 real, 1 shuffled captions",
            )
        )
    return out


def _distance(x_ND: np.ndarray, y_ND: np.ndarray) -> float:
    return frechet_distance(x_ND, y_ND, ddof=1)


def _place(width: int) -> Callable[[np.ndarray, np.ndarray], float]:
    """(made - floor) / (shuffled - floor), of rows in which the three stand side by side: a block leaves out the same scenes."""

    def place(target_ND: np.ndarray, rows_NM: np.ndarray) -> float:
        made, near, far = (_distance(target_ND, rows_NM[:, i * width : (i + 1) * width]) for i in range(3))
        return (made - near) / (far - near)

    return place


def _scaling(reference: Pairs) -> Callable[[Pairs], np.ndarray]:
    """Videos and words side by side, each part centred and of total variance 1 in the reference."""

    def fitted(rows_ND: np.ndarray) -> tuple[np.ndarray, float]:
        rows_ND = rows_ND.astype(np.float64)
        return rows_ND.mean(axis=0), float(np.sqrt(rows_ND.var(axis=0, ddof=1).sum()))

    (middle_D, spread), (centre_E, reach) = fitted(reference.videos_ND), fitted(reference.words_NE)
    return lambda pairs: np.hstack([(pairs.videos_ND - middle_D) / spread, (pairs.words_NE - centre_E) / reach])
