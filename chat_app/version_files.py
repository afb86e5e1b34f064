"""The files of one version: where they lie, what they are called, how its codes are written and read.

A version has a folder whose name is its id, drawn at random, so that it says nothing and cannot be guessed. Everything is
written under a temporary name and renamed; a run that is taken up again writes new names beside the old ones.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpt_video.disk import write_bytes
from gpt_video.request import PastTurn
from gpt_video.sequence import narrow

# video: what is shown. settings: its sidecar. thumbnail: its middle frame. codes: the turns that this version adds to the
# film of its parent. image: the first frame that was given. upload: the file that was brought.
KINDS = ("video", "settings", "thumbnail", "codes", "image", "upload")
# While it is made: the newest frames as a moving picture, the codes so far.
MOVING, DRAFT = "moving.webp", "draft.npz"
_ID = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """32 hexadecimal digits that nobody can guess."""
    return secrets.token_hex(16)


def version_folder(data_folder: Path, version_id: str) -> Path:
    assert _ID.fullmatch(version_id), version_id
    return data_folder / "versions" / version_id


def write_turns(path: Path, turns: Sequence[PastTurn], *, model: str, tokenizer: str) -> None:
    """Keeps turns with their exact codes, and the hashes of the model and the tokenizer that they are codes of."""
    words = [[turn.prompt, turn.action] for turn in turns]
    header = json.dumps({"turns": words, "model": model, "tokenizer": tokenizer})
    data = io.BytesIO()
    codes = {f"codes_{i}": narrow(turn.codes_thw) for i, turn in enumerate(turns)}
    np.savez_compressed(data, header=np.frombuffer(header.encode(), np.uint8), **codes)  # type: ignore[arg-type]
    write_bytes(path, data.getvalue())


@dataclass(frozen=True)
class KeptTurns:
    """What `write_turns` kept."""

    turns: tuple[PastTurn, ...]
    model: str
    tokenizer: str


def read_turns(path: Path) -> KeptTurns:
    """Raises ValueError if the file is damaged or not one of ours, OSError if it is not there."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            header = json.loads(arrays["header"].tobytes())
            codes = [arrays[f"codes_{i}"] for i in range(len(header["turns"]))]
        if any(c.dtype not in (np.uint16, np.uint32) or c.ndim != 3 or 0 in c.shape for c in codes):
            raise ValueError("codes are integers of shape (t, h, w)")
        turns = [PastTurn(str(p), str(a), c.astype(np.int64)) for (p, a), c in zip(header["turns"], codes, strict=True)]
        return KeptTurns(tuple(turns), str(header["model"]), str(header["tokenizer"]))
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} holds no codes that can be read: {error}") from error


def remove_work(folder: Path) -> None:
    """Removes what only served while the video was made."""
    for name in (MOVING, DRAFT):
        (folder / name).unlink(missing_ok=True)
