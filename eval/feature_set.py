"""A set of videos -> a table of features, under one way of choosing frames, kept on disk if wanted.

In: a folder, a list of files, or a list of `frames_THWC`. Out: a `FeatureSet`.

Which videos and which frames are taken depends on the files' contents and the seed, never on their names, order or place, so the
same set gives the same number everywhere. The cache is keyed by the network, its input law, the choice of frames and the contents
of all files; it is written in shards, so that what was cut off goes on from there.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from eval.features import Extractor
from eval.protocol import digest
from gpt_video.disk import draft_of, file_sha256
from tokenizer.video import VideoError, fit, read_video

SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".mpg", ".mpeg", ".ts")
SHARD = 64  # videos whose features are written to disk together
Source = str | Path | Sequence[str | Path] | Sequence[np.ndarray]


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are looked at.

    frames: how many, `stride` apart, at `fps` (None: as stored; arrays are taken to be at that rate). choice: "first", "centre",
    "random" (a start that depends on the seed and the video's contents), or "spread" over the whole video, which needs no stride.
    size: (height, width) that every video is fitted to; None takes them as they are, and then all must be equal.
    """

    frames: int = 16
    stride: int = 1
    fps: float | None = None
    choice: str = "first"
    seed: int = 0
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.choice not in ("first", "centre", "random", "spread") or self.frames < 1 or self.stride < 1:
            raise ValueError(
                f"{self} is no choice of frames: first, centre, random or spread, frames and stride from 1"
            )

    @property
    def span(self) -> int:
        """Frames from the first to the last one taken."""
        return self.frames if self.choice == "spread" else (self.frames - 1) * self.stride + 1

    def pick(self, frames_THWC: np.ndarray, key: str) -> np.ndarray:
        """The chosen frames; `key` names the contents. Raises VideoError on a video that is too short."""
        spare = len(frames_THWC) - self.span
        if spare < 0:
            raise VideoError(f"has {len(frames_THWC)} frames, but {self.span} are needed")
        if self.choice == "spread":
            return frames_THWC[np.linspace(0, len(frames_THWC) - 1, self.frames).round().astype(int)]
        random = int(hashlib.sha256(f"{self.seed}:{key}".encode()).hexdigest(), 16) % (spare + 1)
        start = {"first": 0, "centre": spare // 2, "random": random}[self.choice]
        return frames_THWC[start : start + self.span : self.stride]


@dataclass(frozen=True)
class FeatureSet:
    """Features of a set of videos, row by row, with what must be known to compare them.

    keys: SHA-256 of each video. names: of the files in their folder, or numbers of arrays. skipped: "name: reason" of those that
    could not be used. size: (height, width) of all of them.
    """

    features_ND: np.ndarray
    keys: tuple[str, ...]
    names: tuple[str, ...]
    skipped: tuple[str, ...]
    size: tuple[int, int]
    decoder: str

    def __len__(self) -> int:
        return len(self.keys)


def features_of(
    source: Source,
    extractor: Extractor,
    sampling: Sampling,
    *,
    limit: int | None = None,
    cache: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureSet:
    """Features of at most `limit` videos of a folder, a list of files, or a list of `frames_THWC`.

    cache: a folder that keeps features between calls and lets an interrupted one go on. progress: called with (done, total).
    A file that cannot be read, or is too short, is skipped and counted. Raises ValueError if there is none, or if sizes differ.
    """
    videos, decoder = _listed(source)
    keys = sorted(videos, key=lambda key: hashlib.sha256(f"{sampling.seed}:{key}".encode()).digest())
    total = len(keys) if limit is None else min(limit, len(keys))
    folder = _cache_folder(cache, keys, extractor, sampling, decoder)
    rows: list[np.ndarray] = []
    used: list[str] = []
    skipped: list[str] = []
    size: tuple[int, int] | None = None
    for start in range(0, len(keys), SHARD):
        part = {key: videos[key][1] for key in keys[start : start + SHARD]}
        shard = _shard(part, extractor, sampling, folder and folder / f"{start:08d}.npz")
        for key, row_D, shape, reason in shard:
            if reason:
                skipped.append(f"{videos[key][0]}: {reason}")
                continue
            if size is not None and shape != size:
                raise ValueError(
                    f"{videos[key][0]} has {shape[0]}x{shape[1]} pixels and the videos before it {size[0]}x{size[1]}: "
                    "give Sampling a size that all are fitted to"
                )
            size = shape
            rows.append(row_D)
            used.append(key)
        if progress:
            progress(min(len(rows), total), total)
        if len(rows) >= total:
            break
    if size is None:
        raise ValueError(f"none of {len(keys)} videos could be used; the first: {skipped[0]}")
    names = tuple(videos[key][0] for key in used[:total])
    return FeatureSet(np.stack(rows[:total]), tuple(used[:total]), names, tuple(skipped), size, decoder)


def _listed(source: Source) -> tuple[dict[str, tuple[str, Path | np.ndarray]], str]:
    """The name and place of every video under the SHA-256 of its contents, and what reads them."""
    items: list[Path | np.ndarray]
    if isinstance(source, str | Path):
        folder = Path(source)
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}")
        items = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    else:
        items = [item if isinstance(item, np.ndarray) else Path(item) for item in source]
    if not items:
        raise ValueError(
            f"{source if isinstance(source, str | Path) else 'the list'} holds no video: give {', '.join(SUFFIXES)}"
        )
    base = Path(source) if isinstance(source, str | Path) else None
    videos: dict[str, tuple[str, Path | np.ndarray]] = {}
    copies: Counter[str] = Counter()
    for index, item in enumerate(items):
        key = _key(item)
        name = f"array {index}" if isinstance(item, np.ndarray) else str(item.relative_to(base) if base else item.name)
        videos[f"{key}-{copies[key]}" if copies[key] else key] = (name, item)  # a copy counts again, as another video
        copies[key] += 1
    return videos, "arrays" if isinstance(items[0], np.ndarray) else f"PyAV {version('av')}"


def _key(video: Path | np.ndarray) -> str:
    if isinstance(video, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(video).tobytes()).hexdigest()
    try:
        return file_sha256(video)
    except OSError as error:
        raise ValueError(f"{video} cannot be read ({error.strerror})") from error


def _cache_folder(
    cache: str | Path | None, keys: list[str], extractor: Extractor, sampling: Sampling, decoder: str
) -> Path | None:
    if cache is None:
        return None
    network = [extractor.description, extractor.sha256, str(extractor.law)]
    folder = Path(cache) / digest([network, asdict(sampling), decoder, keys])[:24]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _shard(
    videos: dict[str, Path | np.ndarray], extractor: Extractor, sampling: Sampling, file: Path | None
) -> list[tuple[str, np.ndarray, tuple[int, int], str]]:
    """(key, features, (height, width), reason to skip it or "") of each video, from the cache if they are there."""
    if file is not None and file.is_file():
        with np.load(file) as stored:
            shapes = [(int(height), int(width)) for height, width in stored["sizes"]]
            return list(zip(videos, stored["features"], shapes, map(str, stored["reasons"]), strict=True))
    rows = [(key, *_row(video, key, extractor, sampling)) for key, video in videos.items()]
    if file is not None:
        columns = {
            "features": np.stack([row[1] for row in rows]),
            "sizes": np.array([row[2] for row in rows]),
            "reasons": np.array([row[3] for row in rows]),
        }
        with draft_of(file) as draft, draft.open("wb") as stream:
            np.savez(stream, **columns)  # type: ignore[arg-type]
    return rows


def _row(
    video: Path | np.ndarray, key: str, extractor: Extractor, sampling: Sampling
) -> tuple[np.ndarray, tuple[int, int], str]:
    try:
        if isinstance(video, Path):
            most = sampling.span if sampling.choice == "first" else None
            video, _ = read_video(video, fps=sampling.fps, size=sampling.size, max_frames=most)
        frames_THWC = sampling.pick(video, key)
        if sampling.size is not None:
            frames_THWC = fit(frames_THWC, *sampling.size)
    except VideoError as error:
        return np.zeros(extractor.dim), (0, 0), str(error)
    height, width = frames_THWC.shape[1:3]
    return extractor([frames_THWC])[0], (height, width), ""
