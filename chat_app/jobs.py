"""The page's side of the queue: steps become versions that wait, and jobs; their progress is read, and they are cancelled.

claims.py is the workers' side.
"""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from chat_app.claims import LEASE_SECONDS, Outcome, end_job, served
from chat_app.database import Database
from chat_app.records import (
    FAILED,
    QUEUED,
    RUNNING,
    WAITING,
    Job,
    ModelFacts,
    Step,
    WorkerState,
)
from chat_app.store import Store, read_conversation, read_version, step_record
from chat_app.version_files import MOVING, new_id, version_folder
from chat_app.words import Refusal, to_record
from gpt_video.disk import is_full, write_bytes

LONGEST_MESSAGE = 2000
MOST_PIXELS = 40 * 10**6


@dataclass(frozen=True)
class Limits:
    """How many jobs may wait or run: of one owner, and of all; how large a video that is brought may be."""

    of_owner: int = 16
    of_all: int = 256
    upload_bytes: int = 50 * 2**20


class Queue:
    """The jobs of one data folder."""

    def __init__(self, database: Database, limits: Limits = Limits()) -> None:
        self.database = database
        self.limits = limits

    # ------------------------------------------------------------------------------------------------ the page's side

    def submit(
        self,
        owner: str,
        conversation_id: str,
        steps: Sequence[Step],
        *,
        image: bytes | None = None,
        upload: Path | None = None,
    ) -> list[Job]:
        """A waiting version and a queued job for each step, all or none.

        `image`: the file of a first frame (png, jpeg, webp), else that of the version that a step names; `upload`: a video file,
        copied. They belong to the steps of that action. The first of the versions becomes the current one when it is done.
        Raises Refusal when too many wait, on an image that cannot be read, or where the disk is full.
        """
        for step in steps:
            if len(step.message) > LONGEST_MESSAGE:
                raise Refusal("message_too_long", n=len(step.message), most=LONGEST_MESSAGE)
        versions = [new_id() for _ in steps]
        try:
            files = [self._bring(owner, v, s, image, upload) for v, s in zip(versions, steps, strict=True)]
            with self.database.write() as connection:
                conversation = read_conversation(connection, owner, conversation_id)
                self._check_room(connection, owner, len(steps))
                for version_id, step, brought in zip(versions, steps, files, strict=True):
                    self._insert(
                        connection, conversation.id, owner, version_id, step, brought, version_id == versions[0]
                    )
                title = conversation.title or " ".join(steps[0].message.split())[:60]
                connection.execute(
                    "UPDATE conversations SET title = ?, updated = ? WHERE id = ?",
                    (title, time.time(), conversation_id),
                )
        except BaseException as error:
            for version_id in versions:
                shutil.rmtree(version_folder(self.database.folder, version_id), ignore_errors=True)
            if is_full(error):
                raise Refusal("disk_full") from error
            raise
        return [self.job_of_version(owner, version_id) for version_id in versions]

    def _bring(
        self, owner: str, version_id: str, step: Step, image: bytes | None, upload: Path | None
    ) -> dict[str, str]:
        """Copies what the person gave into the folder of its version."""
        folder = version_folder(self.database.folder, version_id)
        folder.mkdir(mode=0o700)
        if step.action == "image":
            if image is None and "image_of" in step.notes:
                image = Store(self.database).file(owner, step.notes["image_of"], "image").read_bytes()
            write_bytes(folder / "image", _checked_image(image))
            return {"image": "image"}
        if step.action == "upload":
            if upload is None or upload.stat().st_size > self.limits.upload_bytes:
                raise Refusal("upload_too_large", most=self.limits.upload_bytes // 2**20)
            shutil.copyfile(upload, folder / "upload")
            return {"upload": "upload"}
        return {}

    def _check_room(self, connection: sqlite3.Connection, owner: str, n: int) -> None:
        count = "SELECT COUNT(*) FROM jobs WHERE state IN (?, ?)"
        (of_all,) = connection.execute(count, (QUEUED, RUNNING)).fetchone()
        (of_owner,) = connection.execute(count + " AND owner = ?", (QUEUED, RUNNING, owner)).fetchone()
        if of_owner + n > self.limits.of_owner:
            raise Refusal("your_queue_full", n=of_owner)
        if of_all + n > self.limits.of_all:
            raise Refusal("queue_full", n=of_all)

    @staticmethod
    def _insert(
        connection: sqlite3.Connection,
        conversation_id: str,
        owner: str,
        version_id: str,
        step: Step,
        files: dict[str, str],
        focus: bool,
    ) -> None:
        if step.parent is not None and read_version(connection, owner, step.parent)["conversation"] != conversation_id:
            raise Refusal("unknown_version")
        (number,) = connection.execute(
            "SELECT COALESCE(MAX(number), 0) + 1 FROM versions WHERE conversation = ?", (conversation_id,)
        ).fetchone()
        step = replace(step, notes={name: note for name, note in step.notes.items() if name != "image_of"})
        record, now = json.dumps(step_record(step), ensure_ascii=False), time.time()
        connection.execute(
            "INSERT INTO versions (id, conversation, parent, number, step, state, created, files) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (version_id, conversation_id, step.parent, number, record, WAITING, now, json.dumps(files)),
        )
        connection.execute(
            "INSERT INTO jobs (id, owner, conversation, version, state, focus, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (new_id(), owner, conversation_id, version_id, QUEUED, focus, now),
        )

    def job(self, owner: str, job_id: str) -> Job:
        return self._job(owner, "id", job_id)

    def job_of_version(self, owner: str, version_id: str) -> Job:
        """The job that makes, or made, this version; Refusal for an imported one, which had none here."""
        return self._job(owner, "version", version_id)

    def _job(self, owner: str, column: str, value: str) -> Job:
        connection = self.database.connection()
        row = connection.execute(f"SELECT * FROM jobs WHERE {column} = ? AND owner = ?", (value, owner)).fetchone()
        if row is None:
            raise Refusal("unknown_job")
        return _as_job(row, _places(connection) if row["state"] == QUEUED else {})

    def open_jobs(self, owner: str, conversation_id: str | None = None) -> list[Job]:
        """The owner's jobs that have not ended, of one conversation or of all, in the order of asking."""
        connection = self.database.connection()
        rows = connection.execute(
            "SELECT * FROM jobs WHERE owner = ? AND state IN (?, ?) ORDER BY sequence", (owner, QUEUED, RUNNING)
        ).fetchall()
        places = _places(connection) if rows else {}
        return [_as_job(row, places) for row in rows if conversation_id in (None, row["conversation"])]

    def jobs(self, owner: str, limit: int = 100) -> list[Job]:
        """The owner's jobs, ended ones too, the latest first."""
        connection = self.database.connection()
        rows = connection.execute("SELECT * FROM jobs WHERE owner = ? ORDER BY sequence DESC LIMIT ?", (owner, limit))
        places = _places(connection)
        return [_as_job(row, places) for row in rows.fetchall()]

    def cancel(self, owner: str, job_id: str) -> Job:
        """A waiting job ends at once; a running one stops soon and keeps what exists; an ended one stays as it is."""
        with self.database.write() as connection:
            row = connection.execute("SELECT * FROM jobs WHERE id = ? AND owner = ?", (job_id, owner)).fetchone()
            if row is None:
                raise Refusal("unknown_job")
            if row["state"] == QUEUED:
                end_job(connection, row, Outcome(FAILED, error=to_record(Refusal("stopped_early")), cancelled=True))
            elif row["state"] == RUNNING:
                connection.execute("UPDATE jobs SET stopping = 1 WHERE id = ?", (job_id,))
        return self.job(owner, job_id)

    def preview(self, owner: str, job_id: str) -> bytes | None:
        """The newest frames of a video that is being made, an animated WebP; None before its first and after its end."""
        folder = version_folder(self.database.folder, self.job(owner, job_id).version)
        try:
            return (folder / MOVING).read_bytes()
        except FileNotFoundError:  # it ended meanwhile
            return None

    def worker_state(self) -> WorkerState:
        """The best of what the living workers say; "absent" if there is none. A broken one is told of until another comes."""
        rows = self.database.connection().execute("SELECT * FROM workers ORDER BY seen DESC").fetchall()
        alive = [row for row in rows if row["seen"] > time.time() - LEASE_SECONDS or row["state"] == "broken"]
        for state in ("ready", "loading", "broken"):
            for row in alive:
                if row["state"] == state:
                    facts = ModelFacts.from_json(row["facts"]) if row["facts"] else None
                    return WorkerState(state, row["error"], facts)
        return WorkerState("absent")


def _checked_image(image: bytes | None) -> bytes:
    """The image, if it is one: said at once, not when its turn comes."""
    try:
        with Image.open(io.BytesIO(image or b""), formats=("PNG", "JPEG", "WEBP")) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise Refusal("image_too_large", most=MOST_PIXELS // 10**6)
            opened.load()
    except Refusal:
        raise
    except Exception as error:  # Pillow's decoders raise errors of many types on a damaged file
        raise Refusal("not_an_image") from error
    assert image is not None
    return image


def _places(connection: sqlite3.Connection) -> dict[str, int]:
    """The place of each waiting job, from 1: as if no other came, and each of them were taken by one worker."""
    rows = connection.execute("SELECT id, owner, sequence FROM jobs WHERE state = ? ORDER BY sequence", (QUEUED,))
    waiting = [tuple(row) for row in rows.fetchall()]
    turns, places = served(connection), dict[str, int]()
    turn = max(turns.values(), default=0)
    while waiting:
        first = min(waiting, key=lambda job: (turns[job[1]], job[2]))
        waiting.remove(first)
        turn += 1
        turns[first[1]] = turn
        places[first[0]] = len(places) + 1
    return places


def _as_job(row: sqlite3.Row, places: dict[str, int]) -> Job:
    record = {name: row[name] for name in Job.__dataclass_fields__ if name != "place"}
    record |= {name: bool(row[name]) for name in ("stopping", "resumed", "focus")}
    return Job(**record, place=places.get(row["id"], 0))
