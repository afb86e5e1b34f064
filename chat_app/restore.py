"""A video file that this program made -> the message and the choices that made it: "load from this video"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from chat_app.jobs import LONGEST_MESSAGE
from chat_app.turn import Choice
from chat_app.words import Refusal


@dataclass(frozen=True)
class Restored:
    """What a person would type and choose to have the video again."""

    message: str
    choice: Choice


def restore(path: Path) -> Restored:
    """Reads the settings in an mp4 or gif of ours; Refusal if there are none. Wrong values are left out, not believed."""
    from tokenizer.video import VideoError, read_metadata

    try:
        record = {name: str(value) for name, value in read_metadata(path).items()}
    except VideoError as error:
        raise Refusal("not_a_video") from error
    message = (record.get("message") or record.get("prompt", ""))[:LONGEST_MESSAGE].strip()
    if not message or "seed" not in record:
        raise Refusal("not_ours")
    size, action = record.get("size", ""), record.get("chat_action")
    return Restored(
        message,
        Choice(
            action=action if action in ("new", "board") else None,
            # Of a storyboard the file knows the length of the last part only.
            seconds=_number(record, "seconds") if action != "board" else None,
            size=size if re.fullmatch(r"\d{1,4}x\d{1,4}", size) else None,
            seed=_whole(record, "seed"),
            temperature=_number(record, "temperature"),
            top_k=_whole(record, "top_k"),
            top_p=_number(record, "top_p"),
            guidance_scale=_number(record, "guidance_scale"),
        ),
    )


def _number(record: dict[str, str], name: str) -> float | None:
    return float(record[name]) if re.fullmatch(r"\d{1,6}(?:\.\d{1,17})?", record.get(name, "")) else None


def _whole(record: dict[str, str], name: str) -> int | None:
    return int(record[name]) if re.fullmatch(r"\d{1,18}", record.get(name, "")) else None
