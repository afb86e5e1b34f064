"""Rendered clips with their labels in memory -> batches for the networks of `eval/`, degraded as videos are in real life.

Enters: data-set folders that `gpt-video data render` made (`scene` and `mask` in each line of metadata.jsonl). Leaves: batches
of every second frame (4 a second), what is true of them, and which kind is in which cell. Everything is decoded once and kept
as uint8. A batch is a function of (seed, step) alone, so a resumed run sees what an uninterrupted one would.

Degraded means blur, noise, another size and back, other light, and H.264 at several qualities (done once, when a clip is
read). Reconstructions of the tokenizer are never shown to a network that judges them.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor

from eval.attributes import claims, is_seen_at_first, values_of
from eval.judge_net import CELL, OF_KIND, OF_SCENE, PAIRS
from gpt_video.diorama.scene import Scene, from_json
from gpt_video.diorama.world import ACTORS, WIDE
from tokenizer.video import frames_to_clip, read_video, write_video

STRIDE, FPS = 2, 8.0  # every second frame of 8 a second
QUALITIES = (18, 23, 28, 33, 38)  # H.264 CRF: from hardly visible to poor
UNKNOWN = -1
# numpy reads a header with ast.literal_eval, which in Python 3.11 can fail when two threads are in it.
ONE_AT_A_TIME = Lock()
Labels = dict[str, np.ndarray]
Degrade = Callable[[Tensor, np.random.Generator], Tensor]
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Clip:
    """frames_THWC uint8 (already every second one); kinds_TKhw uint8: share of each cell that each kind covers, of 255."""

    scene: Scene
    texts: tuple[str, ...]
    frames_THWC: np.ndarray
    kinds_TKhw: np.ndarray
    labels: Labels


@dataclass(frozen=True)
class Batch:
    """clip_BTCHW float [-1, 1]; cells_BTKhw float (background and kinds, sums to 1); labels stacked over B.

    told_BTKhw: for clips whose cells the network is told, the kinds' part of them; -1 elsewhere.
    """

    clip_BTCHW: Tensor
    cells_BTKhw: Tensor
    labels: dict[str, Tensor]
    told_BTKhw: Tensor | None = None


def sampled(frames_THWC: np.ndarray) -> np.ndarray:
    """The frames that the networks look at: every second one, the first among them."""
    return frames_THWC[::STRIDE]


def network_input(frames_THWC: np.ndarray) -> Tensor:
    """Sampled uint8 frames_THWC -> clip_TCHW float [-1, 1]: the one input law of the networks here, with no resizing."""
    return rearrange(frames_to_clip(frames_THWC), "C T H W -> T C H W")


def labels_of(scene: Scene) -> Labels:
    """What is true of the scene, as indices into its world's values by kind; -1 where an attribute cannot be judged.

    colour: shares over colours for each kind, two halves where two records are of one kind. relation: first kind, second
    kind, index into PAIRS.
    """
    values = values_of(scene.world)
    kinds = values["kind"]
    out: Labels = {name: np.full(len(kinds), UNKNOWN) for name in OF_KIND[2:] if name in values}
    out |= {
        "count": np.zeros(len(kinds), np.int64),
        "colour": np.zeros((len(kinds), len(values["colour"])), np.float32),
    }
    out |= {name: np.array(UNKNOWN) for name in OF_SCENE if name in values} | {"relation": np.full(3, UNKNOWN)}
    for claim in claims(scene):
        index, kind = values[claim.attribute].index(claim.value), kinds.index(scene.subjects[claim.subject].kind)
        if claim.attribute == "colour":
            out["colour"][kind, index] += 1
        elif claim.attribute == "relation":
            if claim.value in PAIRS:
                other = kinds.index(scene.subjects[1].kind)
                out["relation"] = np.array([kind, other, PAIRS.index(claim.value)])
        elif claim.attribute in OF_SCENE:
            out[claim.attribute] = np.array(index)
        elif claim.attribute != "kind":
            out[claim.attribute][kind] = index
    out["colour"] /= np.maximum(out["colour"].sum(axis=1, keepdims=True), 1)
    if "activity" in values:  # nobody claims it of these, but where one is there instead of an actor it is asked
        for one in scene.subjects:
            if one.kind not in ACTORS:
                out["activity"][kinds.index(one.kind)] = values["activity"].index(_SHOWN.get(one.kind, "none"))
    return out


_SHOWN = {"cyclist": "bicycle"}


def mirrored(labels: Labels) -> Labels:
    """The labels of the mirrored clip: left and right change places."""
    swaps = {"direction": ("left", "right"), "camera": ("pan left", "pan right")}
    values, out = values_of(WIDE.name), dict(labels)  # which begin with those of the core
    for name, (left, right) in swaps.items():
        out[name] = _swapped(labels[name], values[name].index(left), values[name].index(right))
    first, second, pair = labels["relation"]
    out["relation"] = np.array([first, second, {0: 1, 1: 0}.get(int(pair), int(pair))])
    return out


def _swapped(values: np.ndarray, a: int, b: int) -> np.ndarray:
    return np.where(values == a, b, np.where(values == b, a, values))


class RenderedClips:
    """The clips of data-set folders, in memory. `world`: of all their scenes.

    ValueError where a folder is no rendered data set, or where scenes are of two worlds.
    """

    def __init__(
        self,
        folders: Sequence[str | Path],
        *,
        coded_share: float = 0.0,
        most: int | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ):
        """coded_share: of clips that are encoded once more with H.264, each at one of QUALITIES. most: clips of each folder."""
        rows = [row for folder in folders for row in _rows(Path(folder))[:most]]
        worlds = sorted({from_json(row["scene"]).world for row in rows})
        if len(worlds) > 1:
            names = ", ".join(map(str, folders))
            raise ValueError(f"{names} hold clips of the worlds {' and '.join(worlds)}: give folders of one of them")
        self.world = worlds[0]
        self.clips: list[Clip] = []
        with ThreadPoolExecutor(2) as pool, tempfile.TemporaryDirectory() as scratch:
            jobs = ((number, row, coded_share, Path(scratch)) for number, row in enumerate(rows))
            for clip in pool.map(_read, jobs):
                self.clips.append(clip)
                if on_progress:
                    on_progress(len(self.clips), len(rows))
        self.by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, clip in enumerate(self.clips):
            self.by_shape[clip.frames_THWC.shape].append(index)

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, rng: np.random.Generator, frames: int, degrade: Degrade | None = None) -> Batch:
        """About `frames` frames of clips of one shape, half of them mirrored; each is given to `degrade`, by default `degraded`."""
        shapes = sorted(self.by_shape)
        # Between one scene one vote (stills: many looks for little work) and one frame one vote.
        weights = np.array([len(self.by_shape[shape]) * shape[0] ** 0.5 for shape in shapes])
        shape = shapes[rng.choice(len(shapes), p=weights / weights.sum())]
        members = self.by_shape[shape]
        count = max(2, frames // shape[0])
        chosen = [self.clips[members[i]] for i in rng.choice(len(members), count, replace=count > len(members))]
        pixels, cells, labels = [], [], []
        for clip in chosen:
            turn = rng.random() < 0.5
            way = slice(None, None, -1 if turn else 1)
            pixels.append((degrade or degraded)(network_input(clip.frames_THWC[:, :, way]), rng))
            cells.append(clip.kinds_TKhw[..., way])
            labels.append(mirrored(clip.labels) if turn else clip.labels)
        kinds_BTKhw = torch.from_numpy(np.stack(cells)).float() / 255
        background = 1 - kinds_BTKhw.sum(dim=2, keepdim=True)
        cells_BTKhw = torch.cat([background.clamp_min(0), kinds_BTKhw], dim=2)
        return Batch(torch.stack(pixels), cells_BTKhw, stacked(labels))


def stacked(labels: Sequence[Labels]) -> dict[str, Tensor]:
    """The labels of several clips, each as one tensor over B."""
    return {name: torch.from_numpy(np.stack([label[name] for label in labels])) for name in labels[0]}


def ahead(make: Callable[[int], Item], first_step: int) -> Generator[Item, None, None]:
    """make(first_step), make(first_step + 1), ...: each prepared in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as pool:
        step = first_step
        waiting = pool.submit(make, step)
        while True:
            ready, step = waiting, step + 1
            item = ready.result()
            waiting = pool.submit(make, step)
            yield item


# ----------------------------------------------------------------------------------------------------- reading


def _rows(folder: Path) -> list[dict[str, Any]]:
    listing = folder / "metadata.jsonl"
    if not listing.is_file():
        raise ValueError(f"{folder} holds no metadata.jsonl: give a folder that `gpt-video data render` made")
    rows = [json.loads(line) for line in listing.read_text("utf-8").splitlines() if line.strip()]
    if not rows or any("scene" not in row or "mask" not in row for row in rows):
        raise ValueError(
            f"{listing} has lines without a scene or a mask: give a folder that `gpt-video data render` made"
        )
    return [row | {"folder": str(folder)} for row in rows]


def _read(job: tuple[int, dict[str, Any], float, Path]) -> Clip:
    number, row, coded_share, scratch = job
    folder, scene = Path(row["folder"]), from_json(row["scene"])
    frames_THWC, _ = read_video(folder / row["file_name"])
    rng = np.random.default_rng(number)
    if rng.random() < coded_share:
        frames_THWC = coded(frames_THWC, int(rng.choice(QUALITIES)), scratch / f"{number}.mp4")
    with ONE_AT_A_TIME, np.load(folder / row["mask"]) as file:
        masks_THW = sampled(file["masks"])
    kinds = values_of(scene.world)["kind"]
    records = [kinds.index(subject.kind) for subject in scene.subjects]
    texts = tuple(row.get("texts") or [row["text"]])
    kinds_TKhw = _kinds_in_cells(masks_THW, records, len(kinds))
    labels = labels_of(scene)
    if labels["relation"][2] == UNKNOWN and is_seen_at_first(scene) and len(scene.subjects) > 1:
        labels["relation"] = _side_by_side(masks_THW[0], records)
    return Clip(scene, texts, np.ascontiguousarray(sampled(frames_THWC)), kinds_TKhw, labels)


def _side_by_side(mask_HW: np.ndarray, records: Sequence[int]) -> np.ndarray:
    """The relation of the first two records where the scene does not say: whose mask is further left in the first frame."""
    columns = [np.flatnonzero((mask_HW == record + 1).any(axis=0)) for record in (0, 1)]
    if records[0] == records[1] or any(len(found) == 0 for found in columns):
        return np.full(3, UNKNOWN)
    is_left = columns[0].mean() < columns[1].mean()
    return np.array([*records[:2], PAIRS.index("left of" if is_left else "right of")])


def _kinds_in_cells(masks_THW: np.ndarray, records: Sequence[int], kinds: int) -> np.ndarray:
    frames, height, width = masks_THW.shape
    out = np.zeros((frames, kinds, height // CELL, width // CELL), np.uint8)
    for record, kind in enumerate(records):
        covered = (masks_THW == record + 1).astype(np.float32)
        out[:, kind] += (255 * reduce(covered, "T (h y) (w x) -> T h w", "mean", y=CELL, x=CELL)).astype(np.uint8)
    return out


# ---------------------------------------------------------------------------------------------------- degrading


def coded(frames_THWC: np.ndarray, crf: int, path: str | Path) -> np.ndarray:
    """The frames after H.264 at quality `crf`, by way of the file `path` (.mp4), which is removed."""
    write_video(path, frames_THWC, FPS, crf=crf)
    out, _ = read_video(path)
    Path(path).unlink()
    return out[:, : frames_THWC.shape[1], : frames_THWC.shape[2]]


def degraded(clip_TCHW: Tensor, rng: np.random.Generator, clean_share: float = 0.3) -> Tensor:
    """A clip in [-1, 1] blurred, made smaller and back, made noisy, in other light; each of them or not."""
    if rng.random() < clean_share:
        return clip_TCHW
    if rng.random() < 0.5:
        clip_TCHW = blurred(clip_TCHW, float(rng.uniform(0.3, 2.2)))
    if rng.random() < 0.4:
        clip_TCHW = resized_and_back(clip_TCHW, float(rng.uniform(0.4, 0.95)))
    if rng.random() < 0.4:
        gain, shift = float(rng.uniform(0.85, 1.15)), float(rng.uniform(-0.08, 0.08))
        clip_TCHW = clip_TCHW * gain + shift
    if rng.random() < 0.4:
        noise = rng.standard_normal(clip_TCHW.shape, dtype=np.float32)
        clip_TCHW = clip_TCHW + float(rng.uniform(0.01, 0.12)) * torch.from_numpy(noise)
    return clip_TCHW.clamp(-1, 1)


def blurred(clip_TCHW: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of `sigma` pixels, edges repeated."""
    reach = max(1, round(2.5 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).repeat(clip_TCHW.shape[1], 1)
    padded = F.pad(clip_TCHW, (reach, reach, reach, reach), mode="replicate")
    padded = F.conv2d(padded, kernel[:, None, :, None], groups=len(kernel))
    return F.conv2d(padded, kernel[:, None, None, :], groups=len(kernel))


def resized_and_back(clip_TCHW: Tensor, scale: float) -> Tensor:
    """Shrunk to `scale` of its size and stretched again."""
    height, width = clip_TCHW.shape[-2:]
    small = F.interpolate(clip_TCHW, (round(height * scale), round(width * scale)), mode="bilinear", antialias=True)
    return F.interpolate(small, (height, width), mode="bilinear")
