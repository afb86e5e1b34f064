"""A conversation as one zip file and back; a branch of it as one film.

    conversation.json            title, language, the tree of versions with their settings, comparisons
    versions/ID/NAME             videos, thumbnails, codes, settings

An imported conversation belongs to whoever imports it, and everything in it gets a new id. Nothing in a zip file is trusted:
names are built here and only looked up there, sizes are bounded, every record is checked.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sqlite3
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chat_app.database import Database
from chat_app.jobs import LONGEST_MESSAGE
from chat_app.records import ACTIONS, COMPLETE, FAILED, PARTIAL, WAITING, Conversation, Step, Version
from chat_app.store import TITLE_LENGTH, Store, read_conversation, step_of, step_record
from chat_app.storyboard import MOST_PARTS
from chat_app.turn import request_of
from chat_app.version_files import KINDS, new_id, read_turns, version_folder
from chat_app.words import LANGUAGES, Refusal, to_record
from gpt_video.disk import draft_of, is_full, write_bytes
from gpt_video.request import PastTurn

FORMAT = 1
INDEX = "conversation.json"
MOST_BYTES = 2 * 2**30
MOST_INDEX_BYTES = 16 * 2**20
MOST_VERSIONS = 2000
MOST_FILM_SECONDS = 600
_NAMES = {
    "video": r"[0-9a-f]{16}\.mp4",
    "settings": r"[0-9a-f]{16}\.mp4\.json",
    "thumbnail": r"[0-9a-f]{16}\.webp",
    "codes": r"[0-9a-f]{16}\.npz",
    "image": "image",
    "upload": "upload",
}
_NUMBERS = ("created", "finished", "fps", "frames", "latents")
# What a reply may say beside the result, and of what type it is.
_NOTES: dict[str, type | tuple[type, ...]] = {
    "from": (int, float),
    "took": (int, float),
    "tokens": int,
    "read_as": str,
    "unknown": list,
    "resumed": bool,
    "shortened": bool,
}


def export_conversation(database: Database, owner: str, conversation_id: str, path: Path) -> None:
    """Writes the zip file, under a temporary name first. A video that is still being made is exported as not made."""
    connection = database.connection()
    conversation = read_conversation(connection, owner, conversation_id)
    rows = connection.execute(
        "SELECT * FROM versions WHERE conversation = ? ORDER BY number", (conversation_id,)
    ).fetchall()
    compared = connection.execute(
        "SELECT better, worse, consent, created FROM preferences WHERE conversation = ? ORDER BY id", (conversation_id,)
    ).fetchall()
    versions = [_version_record(row) for row in rows]
    index = {
        "format": FORMAT,
        "conversation": {n: getattr(conversation, n) for n in ("title", "language", "created", "updated", "current")},
        "versions": versions,
        "preferences": [dict(row) for row in compared],
    }
    with draft_of(path) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(INDEX, json.dumps(index, ensure_ascii=False, indent=1))
        for record in versions:
            folder = version_folder(database.folder, record["id"])
            for name in record["files"].values():
                archive.write(folder / name, f"versions/{record['id']}/{name}")


def _version_record(row: sqlite3.Row) -> dict[str, Any]:
    record = {name: row[name] for name in row.keys() if name not in ("conversation", "step", "files")}  # noqa: SIM118
    record |= {"step": json.loads(row["step"]), "files": json.loads(row["files"])}
    if row["state"] == WAITING:
        record |= {"state": FAILED, "error": to_record(Refusal("was_waiting")), "finished": time.time()}
    return record


def import_conversation(database: Database, owner: str, path: Path, *, most_bytes: int = MOST_BYTES) -> Conversation:
    """Reads a zip file that `export_conversation` wrote into a new conversation of `owner`, all of it or nothing.

    Raises Refusal, in one sentence, on any other file, and where the disk is full.
    """
    folders: list[Path] = []
    try:
        with zipfile.ZipFile(path) as archive:
            index = _read_index(archive, most_bytes)
            ids = {record["id"]: new_id() for record in index["versions"]}
            for record in index["versions"]:
                folders.append(version_folder(database.folder, ids[record["id"]]))
                _unpack(archive, record, folders[-1])
        return _insert(database, owner, index, ids)
    except BaseException as error:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, Refusal) or not isinstance(error, Exception):
            raise
        if is_full(error):
            raise Refusal("disk_full") from error
        reason = str(error) if isinstance(error, KeyError | ValueError | TypeError) else type(error).__name__
        raise Refusal("not_an_archive", reason=reason[:200] or "?") from error


def _read_index(archive: zipfile.ZipFile, most_bytes: int) -> dict[str, Any]:
    if sum(entry.file_size for entry in archive.infolist()) > most_bytes:
        raise Refusal("archive_too_large", most=most_bytes // 2**20)
    if archive.getinfo(INDEX).file_size > MOST_INDEX_BYTES:
        raise Refusal("archive_too_large", most=MOST_INDEX_BYTES // 2**20)
    index = json.loads(archive.read(INDEX))
    if not isinstance(index["format"], int) or index["format"] > FORMAT:
        raise Refusal("archive_newer", version=index["format"])
    _check_index(index)
    return index


def _unpack(archive: zipfile.ZipFile, record: Mapping[str, Any], folder: Path) -> None:
    folder.mkdir(mode=0o700)
    for kind, name in record["files"].items():
        data = archive.read(f"versions/{record['id']}/{name}")
        write_bytes(folder / name, data)
        good = {
            "video": data[4:8] == b"ftyp",
            "thumbnail": data[:4] == b"RIFF" and data[8:12] == b"WEBP",
            "settings": kind != "settings" or isinstance(json.loads(data), dict),
            "codes": kind != "codes" or bool(read_turns(folder / name).turns),
        }
        _must(good.get(kind, True), f"{name} is not what its name says")


def _insert(database: Database, owner: str, index: Mapping[str, Any], ids: Mapping[str, str]) -> Conversation:
    conversation_id, about = new_id(), index["conversation"]
    with database.write() as connection:
        connection.execute(
            "INSERT INTO conversations VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(conversation_id, owner, about["title"], about["language"], about["created"], time.time()),
                ids.get(about["current"]),
            ),
        )
        for record in index["versions"]:
            parent = ids.get(record["parent"])
            columns = {name: record[name] for name in (*_NUMBERS, "number", "state", "error", "model", "tokenizer")}
            columns |= {name: record[name] for name in ("rating", "rating_consent")}
            columns |= {"id": ids[record["id"]], "conversation": conversation_id, "parent": parent}
            columns["step"] = json.dumps(record["step"], ensure_ascii=False)
            columns["files"] = json.dumps(record["files"])
            places = ", ".join("?" * len(columns))
            connection.execute(
                f"INSERT INTO versions ({', '.join(columns)}) VALUES ({places})", tuple(columns.values())
            )
        for pair in index["preferences"]:
            connection.execute(
                "INSERT INTO preferences (conversation, better, worse, consent, created) VALUES (?, ?, ?, ?, ?)",
                (conversation_id, ids[pair["better"]], ids[pair["worse"]], pair["consent"], pair["created"]),
            )
    return Store(database).conversation(owner, conversation_id)


# ---------------------------------------------------------------------------------------------------- checks


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _is_number(value: object, least: float = 0) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= least


def _check_index(index: Mapping[str, Any]) -> None:
    """Raises ValueError, KeyError or TypeError unless every record is one that this program could have written."""
    about, versions = index["conversation"], index["versions"]
    _must(isinstance(about["title"], str) and len(about["title"]) <= TITLE_LENGTH, "the title is too long")
    _must(about["language"] in LANGUAGES and _is_number(about["created"]), "its language or date is unknown")
    _must(isinstance(versions, list) and len(versions) <= MOST_VERSIONS, "it has too many versions")
    seen: dict[str, int] = {}
    for record in versions:
        version_id, number = record["id"], record["number"]
        _must(isinstance(version_id, str) and bool(re.fullmatch(r"[0-9a-f]{32}", version_id)), "an id is damaged")
        _must(version_id not in seen and _is_number(number, 1) and number not in seen.values(), "an id is there twice")
        _must(record["parent"] is None or seen.get(record["parent"], number) < number, "a parent is missing")
        seen[version_id] = number
        _check_version(record)
    _must(about["current"] is None or about["current"] in seen, "the current version is missing")
    for pair in index["preferences"]:
        _must(pair["better"] in seen and pair["worse"] in seen and pair["better"] != pair["worse"], "a pair is damaged")
        _must(pair["consent"] in (0, 1) and _is_number(pair["created"]), "a pair is damaged")


def _check_version(record: dict[str, Any]) -> None:
    _must(record["state"] in (COMPLETE, PARTIAL, FAILED), "a version has no end")
    _must(all(_is_number(record[name]) for name in _NUMBERS), "a number is missing")
    _must(
        all(isinstance(record[n], str) and len(record[n]) < 5000 for n in ("error", "model", "tokenizer")),
        "a text is damaged",
    )
    _must(record["rating"] in (-1, 0, 1) and record["rating_consent"] in (0, 1), "a rating is damaged")
    files = record["files"]
    _must(
        all(kind in KINDS and bool(re.fullmatch(_NAMES[kind], files[kind])) for kind in files),
        "a file has a strange name",
    )
    if record["state"] != FAILED:
        _must({"video", "thumbnail", "codes"} <= files.keys(), "a video is missing")
        _must(record["frames"] >= 1 and record["latents"] >= 1 and record["fps"] > 0, "a video has no length")
    step = step_of(record["step"], record["parent"])
    _check_step(step)
    # Written again, so that only what was checked is kept.
    record["step"] = step_record(replace(step, notes={n: v for n, v in step.notes.items() if _is_note(n, v)}))


def _is_note(name: str, value: object) -> bool:
    return name in _NOTES and isinstance(value, _NOTES[name]) and len(json.dumps(value)) < 5000


def _check_step(step: Step) -> None:
    _must(step.action in ACTIONS, "an action is unknown")
    _must(isinstance(step.message, str) and len(step.message) <= LONGEST_MESSAGE, "a message is too long")
    _must(1 <= len(step.segments) <= MOST_PARTS, "a message has no words")
    _must(
        all(isinstance(s.prompt, str) and len(s.prompt) <= LONGEST_MESSAGE for s in step.segments), "words are damaged"
    )
    _must(isinstance(step.seed, int), "a seed is no whole number")
    _must(step.kept is None or (isinstance(step.kept, int) and step.kept >= 1), "a moment is damaged")
    nothing = PastTurn("", "new", np.zeros((max(1, step.kept or 1), 1, 1), np.int64))
    if step.action not in ("loop", "upload"):
        for i in range(len(step.segments)):
            request_of(step, i, (nothing,))


# ---------------------------------------------------------------------------------------------------- films


def write_film(store: Store, owner: str, version_id: str, path: Path) -> None:
    """Writes the branch that ends with this version as one mp4: its videos one after another, each in its last form.

    A video that another one continues is part of that one. All are fitted to the size of the last.
    """
    from tokenizer.video import fit, read_video, write_video

    takes = _takes(store.path(owner, version_id))
    files = [store.file(owner, version.id, "video") for version in takes]
    if not files:
        raise Refusal("nothing_to_show")
    seconds = sum(version.seconds for version in takes)
    if seconds > MOST_FILM_SECONDS:
        raise Refusal("film_too_long", seconds=round(seconds), most=MOST_FILM_SECONDS)
    if len(files) == 1:
        write_bytes(path, files[0].read_bytes())
        return
    last_THWC, fps = read_video(files[-1])
    earlier = [fit(read_video(file, fps=fps)[0], *last_THWC.shape[1:3]) for file in files[:-1]]
    write_video(path, np.concatenate([*earlier, last_THWC]), fps)


def _takes(path: Sequence[Version]) -> list[Version]:
    """The versions of a path that have a video and are not part of a later one."""
    takes: list[Version] = []
    for version in (version for version in path if version.has_video):
        if takes and version.action in ("continue", "from_here", "loop"):
            takes.pop()
        takes.append(version)
    return takes
