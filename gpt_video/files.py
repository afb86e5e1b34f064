"""Generated videos on disk: the video, what made it in its metadata, and a JSON sidecar beside it.

Enters: a `GeneratedVideo` and a path ending in .mp4 or .gif. Leaves: OUT and OUT.json. The sidecar holds the request, the hash of
the model and the whole conversation with its codes, so that a video of ours is continued or edited from its exact codes; any
other video, or one that was changed since, is encoded from its frames.
"""

from __future__ import annotations

import base64
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gpt_video.disk import file_sha256, write_text
from gpt_video.generate import VideoGenerator
from gpt_video.request import GeneratedVideo, PastTurn
from gpt_video.sequence import narrow
from tokenizer.video import VideoError, write_video

SUFFIXES = (".mp4", ".gif")
SETTINGS = ("prompt", "action", "seconds", "size", "seed", "temperature", "top_k", "top_p", "guidance_scale")


def check_output(path: str | Path) -> Path:
    """The path, if a video can be written there; ValueError if not. Asked before anything is computed."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"cannot write {path}: expected a name that ends in {' or '.join(SUFFIXES)}")
    if path.is_dir():
        raise ValueError(f"cannot write {path}: it is a folder; name a file")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return path
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror} ({path.parent}); choose another folder") from error


def save_video(
    video: GeneratedVideo,
    path: str | Path,
    frames_THWC: np.ndarray | None = None,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Writes the video and its sidecar, each under a temporary name first.

    `frames_THWC`: frames to write in place of the video's own, such as the whole film of a continuation (`VideoGenerator.film`).
    `notes`: plain values to keep with the settings, in the video and in the sidecar.
    Raises VideoError (a ValueError) if the place cannot be written.
    """
    path = check_output(path)
    record = settings_of(video) | dict(notes or {})
    frames_THWC = video.frames_THWC if frames_THWC is None else frames_THWC
    write_video(path, frames_THWC, video.fps, metadata={name: str(value) for name, value in record.items()})
    record |= {
        "fps": video.fps,
        "stopped": video.stopped,
        "first_frames_seconds": round(video.timings.first_frames, 3),
        "total_seconds": round(video.timings.total, 3),
        "tokens_per_second": round(video.timings.tokens_per_second, 1),
        "tokenizer_hash": video.tokenizer_hash,
        "video_sha256": file_sha256(path),
        "turns": [turn_record(turn) for turn in video.turns],
    }
    sidecar = sidecar_of(path)
    try:
        write_text(sidecar, json.dumps(record, ensure_ascii=False, indent=2) + "\n")
    except OSError as error:
        what_now = "check the folder, its permissions and the free space"
        raise VideoError(f"cannot write {sidecar} ({error.strerror}): {what_now}") from error


def settings_of(video: GeneratedVideo) -> dict[str, Any]:
    """What made the video, as plain values."""
    return {name: getattr(video.request, name) for name in SETTINGS} | {"model": video.model_hash}


def sidecar_of(path: str | Path) -> Path:
    """out.mp4 -> out.mp4.json"""
    return Path(f"{path}.json")


def read_turns(generator: VideoGenerator, path: str | Path, action: str) -> tuple[PastTurn, ...]:
    """A video file as context for `action` ("edit" or "continue").

    A video of ours with its sidecar gives the whole conversation with its exact codes, if the same tokenizer made them;
    any other file gives one turn without words, encoded from its frames.
    """
    exact = _exact_turns(Path(path), generator.bundle.tokenizer_hash)
    return exact or (generator.past_turn_from_video(path, action=action),)


def _exact_turns(path: Path, tokenizer_hash: str) -> tuple[PastTurn, ...]:
    try:
        record = json.loads(sidecar_of(path).read_text("utf-8"))
        if record["tokenizer_hash"] != tokenizer_hash or record["video_sha256"] != file_sha256(path):
            return ()
        return tuple(turn_of_record(turn) for turn in record["turns"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()  # no sidecar, or not one of ours: the frames themselves are what counts


def turn_record(turn: PastTurn) -> dict[str, Any]:
    """A turn as JSON, its codes as base64 of little-endian integers of two bytes, or of four where one needs them."""
    codes_thw = narrow(turn.codes_thw)
    codes = base64.b64encode(codes_thw.astype(codes_thw.dtype.newbyteorder("<")).tobytes()).decode("ascii")
    return {"prompt": turn.prompt, "action": turn.action, "grid": list(turn.codes_thw.shape), "codes": codes}


def turn_of_record(record: dict[str, Any]) -> PastTurn:
    """The inverse of `turn_record`. KeyError, TypeError or ValueError where it is no such record."""
    data, grid = base64.b64decode(record["codes"]), record["grid"]
    codes_thw = np.frombuffer(data, f"<u{len(data) // math.prod(grid)}").reshape(grid).astype(np.int64)
    return PastTurn(record["prompt"], record["action"], codes_thw)
