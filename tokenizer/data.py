"""A folder of clips -> batches of clip_BCTHW for the tokenizer, with the subjects' masks where the folder has them.

The folder is the data set of the whole project: videos beside `metadata.jsonl` (`file_name`, optional `mask`, and
`mask_classes`: of what kind the mask's values 1, 2, ... are). A batch is a function of (seed, step) alone, so a resumed run sees
exactly what an uninterrupted one would.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from tokenizer.video import VideoError, fit, nearest_shape, read_video

# What clips become, here and in token shards: frames a second, and the frames of a clip that stands alone, and of one that goes on
# from another. All presets' temporal strides divide them. Sizes in pixels are the tokenizer's own.
FPS = 8.0
FRAMES, CONTINUED_FRAMES = (1, 9, 17, 25, 33), (8, 16)
CACHE_BYTES = 6 * 1024**3
UNNAMED = 255  # in a mask: a subject of no known class


class Batch(NamedTuple):
    """clip_BCTHW float [-1,1]; masks_BTHW uint8, or None where a clip of the batch has no mask.

    Of a mask: 0 is background, 1 + k a subject of class k of the folder, UNNAMED one whose class is not known.
    """

    clip_BCTHW: Tensor
    masks_BTHW: Tensor | None


def windows_in(latent_frames: int, frames: int, temporal_stride: int) -> int:
    """How many windows of so many frames make a batch of so many latent frames: at least one."""
    return max(latent_frames // (1 + (frames - 1) // temporal_stride), 1)


class ClipFolder:
    """The clips of a folder, fitted to the nearest of `shapes` and resampled to `fps`; decoded once, kept while memory lasts."""

    def __init__(self, folder: str | Path, shapes: Sequence[tuple[int, int]], fps: float = FPS):
        self.folder, self.fps = Path(folder), fps
        self.rows: list[dict] = []
        self.skipped: list[str] = []
        self.by_shape: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row in _rows(self.folder):
            try:
                _, height, width, _ = read_video(self.folder / row["file_name"], max_frames=1)[0].shape
            except VideoError as error:
                self.skipped.append(str(error))
                continue
            self.by_shape[nearest_shape(height, width, shapes)].append(len(self.rows))
            self.rows.append(row)
        if not self.rows:
            raise ValueError(f"{self.folder} holds no readable clip: put videos there, and name them in metadata.jsonl")
        self.classes = tuple(sorted({name for row in self.rows for name in row.get("mask_classes", ())}))
        self._shape_of = {i: shape for shape, rows in self.by_shape.items() for i in rows}
        self._kept: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.rows)

    def clip(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """frames_THWC uint8 and masks_THW uint8 (None where the folder has none) of one clip, whole."""
        if index not in self._kept:
            row, shape = self.rows[index], self._shape_of[index]
            frames, _ = read_video(self.folder / row["file_name"], fps=self.fps, size=shape)
            found = frames, self._masks(row, frames)
            size = frames.nbytes * 4 // 3
            if self._bytes + size > CACHE_BYTES:
                return found
            self._kept[index], self._bytes = found, self._bytes + size
        return self._kept[index]

    def batch(self, seed: int, step: int, clips: int, frames: int) -> Batch:
        """`clips` random windows of `frames` frames, all of one shape, half of them mirrored."""
        rng = np.random.default_rng((seed, step))
        shapes = list(self.by_shape)
        counts = np.array([len(self.by_shape[s]) for s in shapes])
        members = self.by_shape[shapes[rng.choice(len(shapes), p=counts / counts.sum())]]
        windows = [self._window(i, frames, rng) for i in self._drawn(members, clips, frames, rng)]
        pixels = torch.from_numpy(np.stack([w[0] for w in windows])).float()
        clip_BCTHW = rearrange(pixels / 127.5 - 1, "B T H W C -> B C T H W")
        if any(w[1] is None for w in windows):
            return Batch(clip_BCTHW, None)
        return Batch(clip_BCTHW, torch.from_numpy(np.stack([w[1] for w in windows if w[1] is not None])))

    def batches(self, seed: int, first_step: int, plan: Callable) -> Generator[Batch, None, None]:
        """Batches from `first_step` on, one prepared ahead in a thread. `plan(step)` -> (clips, frames)."""
        with ThreadPoolExecutor(1) as pool:
            step = first_step
            ahead = pool.submit(self.batch, seed, step, *plan(step))
            while True:
                ready, step = ahead, step + 1
                batch = ready.result()
                ahead = pool.submit(self.batch, seed, step, *plan(step))
                yield batch

    def _drawn(self, members: list[int], clips: int, frames: int, rng: np.random.Generator) -> list[int]:
        """Indices of `clips` clips that have all the frames; shorter ones only where there are none (stills do not move)."""
        order = rng.permutation(members).tolist()
        fitting = islice((i for i in order if len(self.clip(i)[0]) >= frames), clips)
        return list(islice(cycle(list(fitting) or order), clips))

    def _window(self, index: int, frames: int, rng) -> tuple[np.ndarray, np.ndarray | None]:
        clip, masks = self.clip(index)
        start = int(rng.integers(max(len(clip) - frames, 0) + 1))
        picks = np.minimum(np.arange(start, start + frames), len(clip) - 1)  # a short clip holds its last frame
        turn = slice(None, None, -1 if rng.random() < 0.5 else 1)
        return clip[picks][:, :, turn], None if masks is None else masks[picks][:, :, turn]

    def _masks(self, row: dict, frames: np.ndarray) -> np.ndarray | None:
        if not row.get("mask"):
            return None
        with np.load(self.folder / row["mask"]) as file:
            masks = next(iter(file.values()))
        if len(masks) != len(frames):
            raise ValueError(f"{row['mask']} has {len(masks)} masks for {len(frames)} frames: make the data set again")
        named = [1 + self.classes.index(name) for name in row.get("mask_classes", ())]
        out = np.zeros(frames.shape[:3], np.uint8)
        for value in np.unique(masks[masks > 0]):  # one by one: a mean of the values 1 and 3 is no 2
            covered = fit(np.repeat(255 * (masks == value)[..., None].astype(np.uint8), 3, axis=-1), *frames.shape[1:3])
            out[covered[..., 0] > 127] = named[value - 1] if value <= len(named) else UNNAMED
        return out


def _rows(folder: Path) -> list[dict]:
    listing = folder / "metadata.jsonl"
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: give a folder of videos with metadata.jsonl")
    if not listing.is_file():
        raise ValueError(f'{listing} is missing: it names each video as {{"file_name": ..., "text": ...}}, a line each')
    lines = enumerate(listing.read_text("utf-8").splitlines(), start=1)
    return [_row(line, f"{listing}, line {number}") for number, line in lines if line.strip()]


def _row(line: str, where: str) -> dict:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where} is not JSON ({error}): write one object of names and values there") from error
    if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
        raise ValueError(f'{where} has no text in the field "file_name": name the video there')
    return row
