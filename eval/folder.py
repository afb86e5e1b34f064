"""A folder of videos, and the words that each was made from.

Enters: a folder. Leaves: `Video`s in the order of their names. The words are looked for in `metadata.jsonl` (lines of `file_name`
and `text`), then in the metadata that our own files carry, then in the file's name, where `-0`, `-1`, ... at its end is the
number of a sample and no word.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.clip_score import ClipNetwork
from eval.feature_set import SUFFIXES
from eval.protocol import digest
from tokenizer.video import VideoError, read_metadata, read_video

LONGEST = 65  # frames of a video that are looked at: 8 seconds of ours


@dataclass(frozen=True)
class Video:
    """name: the path inside its folder, with `/`. prompt: what it was made from, or its file name in words."""

    path: Path
    name: str
    prompt: str

    def frames(self) -> tuple[np.ndarray, float]:
        """frames_THWC and their rate, at most LONGEST of them. Raises VideoError."""
        return read_video(self.path, max_frames=LONGEST)


def videos_in(folder: str | Path) -> list[Video]:
    """All videos below a folder, by name. Raises ValueError where there is none, or where metadata.jsonl is not as it should be."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}: give one that holds videos")
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    paths = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not paths:
        raise ValueError(f"{folder} holds no video: expected files that end in {', '.join(SUFFIXES)}")
    texts = _texts(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    return [Video(path, name, texts.get(name) or _own_words(path)) for path, name in zip(paths, names, strict=True)]


def _texts(folder: Path) -> dict[str, str]:
    listing = folder / "metadata.jsonl"
    if not listing.is_file():
        return {}
    texts: dict[str, str] = {}
    for number, line in enumerate(listing.read_text("utf-8", errors="replace").splitlines(), 1):
        if line.strip():
            try:
                record = json.loads(line)
                texts[str(record["file_name"])] = str(record["text"])
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{listing}, line {number}: expected file_name and text ({error!r})") from error
    return texts


def _own_words(path: Path) -> str:
    try:
        prompt = read_metadata(path).get("prompt", "")
    except VideoError:  # counted where its frames are read
        prompt = ""
    return prompt or re.sub(r"-\d+$", "", path.stem).replace("_", " ").strip() or path.stem


class Frames(Sequence[np.ndarray]):
    """The frames of videos, one file in memory at a time, however many there are."""

    def __init__(self, videos: Sequence[Video]):
        self.videos = videos

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index):
        return Frames(self.videos[index]) if isinstance(index, slice) else self.videos[index].frames()[0]


def readable(
    videos: Sequence[Video], least: int = 2, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[list[Video], list[str]]:
    """Those with at least `least` frames that decode, and "name: reason" of the others. Raises ValueError where none is left."""
    kept: list[Video] = []
    skipped: list[str] = []
    for number, video in enumerate(videos, 1):
        try:
            frames = len(video.frames()[0])
            if frames < least:
                raise VideoError(f"has {frames} frame, and at least {least} are needed")
            kept.append(video)
        except VideoError as error:
            skipped.append(f"{video.name}: {error}")
        on_progress(number, len(videos))
    if not kept:
        raise ValueError(f"none of {len(videos)} videos can be read; the first: {skipped[0]}")
    return kept, skipped


@dataclass(frozen=True)
class RememberingClip(ClipNetwork):
    """A CLIP that keeps the features of each video in a folder: several scores look once, and what was cut off goes on."""

    memory: Path = Path()

    @classmethod
    def of(cls, network: ClipNetwork, folder: str | Path) -> RememberingClip:
        memory = Path(folder) / digest([network.sha256, str(network.law)])[:16]
        memory.mkdir(parents=True, exist_ok=True)
        return cls(**{**vars(network), "memory": memory})

    def frame_features(self, frames_THWC: np.ndarray) -> np.ndarray:
        pixels = np.ascontiguousarray(frames_THWC).tobytes() + str(frames_THWC.shape).encode()
        file = self.memory / f"{hashlib.sha256(pixels).hexdigest()}.npy"
        if file.is_file():
            return np.load(file)
        features_TD = super().frame_features(frames_THWC)
        draft = file.with_suffix(".partial.npy")
        np.save(draft, features_TD)
        draft.replace(file)
        return features_TD
