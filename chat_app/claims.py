"""The worker's side of the queue: jobs are claimed in turn, one at a time, until every job has ended once.

A worker holds a job by a lease that it renews. When it dies the lease runs out (at once, if its parent sees it die) and the
job is claimed again, with a new claim number; whatever the old one still says is then refused, so a job ends exactly once.
Owners are served in turn: next comes the oldest job of the owner who was served the longest ago.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import defaultdict
from dataclasses import dataclass, field

from chat_app.database import Database
from chat_app.records import (
    BUILDS_ON_PARENT,
    CANCELLED,
    COMPLETE,
    DONE,
    FAILED,
    PARTIAL,
    QUEUED,
    RUNNING,
    WAITING,
    ModelFacts,
    Step,
    Version,
)
from chat_app.store import as_version, step_record
from chat_app.words import Refusal, to_record

LEASE_SECONDS = 8.0
MOST_ATTEMPTS = 3  # without one new latent frame


@dataclass(frozen=True)
class Claim:
    """A job in a worker's hands. `number` tells it from claims of the same job before."""

    job_id: str
    owner: str
    version: Version
    number: int
    stopping: bool
    resumed: bool


@dataclass(frozen=True)
class Outcome:
    """How a job ended. `step`: with all choices made. `files`: names by kind (version_files.KINDS), in the version's folder."""

    state: str  # COMPLETE, PARTIAL or FAILED
    step: Step | None = None
    files: dict[str, str] = field(default_factory=dict)
    frames: int = 0
    fps: float = 0.0
    latents: int = 0
    model: str = ""
    tokenizer: str = ""
    error: str = ""
    cancelled: bool = False


class Claims:
    """The jobs of one data folder, as workers see them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def announce(self, worker: str, state: str, error: str = "", facts: ModelFacts | None = None) -> None:
        """Says how a worker is ("loading", "ready", "broken"), and forgets those that were silent for an hour."""
        with self.database.write() as connection:
            connection.execute("DELETE FROM workers WHERE seen < ? OR state = 'broken'", (time.time() - 3600,))
            connection.execute(
                "INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?, ?)",
                (worker, state, error, facts.to_json() if facts else "", time.time()),
            )

    def claim(self, worker: str) -> Claim | None:
        """The next job, now this worker's: first one whose worker is gone, then the next in turn. None if nothing waits."""
        # The usual case, found without the write lock. No cursor stays open: its snapshot would make the write fail.
        found = self.database.connection().execute(
            "SELECT 1 FROM jobs WHERE state = ? OR state = ? AND lease < ?", (QUEUED, RUNNING, time.time())
        )
        waits = found.fetchone() is not None
        found.close()
        if not waits:
            return None
        while True:
            with self.database.write() as connection:
                row = self._next(connection)
                if row is None:
                    return None
                version = as_version(
                    connection.execute("SELECT * FROM versions WHERE id = ?", (row["version"],)).fetchone()
                )
                error = _impossible(connection, row, version)
                if error is None:
                    return self._take(connection, row, version, worker)
                end_job(connection, row, Outcome(FAILED, error=to_record(error)))

    @staticmethod
    def _next(connection: sqlite3.Connection) -> sqlite3.Row | None:
        lost = connection.execute(
            "SELECT * FROM jobs WHERE state = ? AND lease < ? ORDER BY sequence", (RUNNING, time.time())
        ).fetchone()
        if lost is not None:
            return lost
        ready = connection.execute(
            "SELECT jobs.* FROM jobs JOIN versions ON versions.id = jobs.version "
            "LEFT JOIN versions AS parents ON parents.id = versions.parent "
            "WHERE jobs.state = ? AND (parents.state IS NULL OR parents.state != ?) ORDER BY sequence",
            (QUEUED, WAITING),
        ).fetchall()
        turns = served(connection)
        return min(ready, key=lambda row: (turns[row["owner"]], row["sequence"]), default=None)

    @staticmethod
    def _take(connection: sqlite3.Connection, row: sqlite3.Row, version: Version, worker: str) -> Claim:
        now, resumed = time.time(), row["state"] == RUNNING
        (number,) = connection.execute("SELECT MAX(claim) + 1 FROM jobs").fetchone()
        connection.execute(
            "UPDATE jobs SET state = ?, worker = ?, lease = ?, claim = ?, attempts = attempts + 1, "
            "started = COALESCE(started, ?), resumed = ? WHERE id = ?",
            (RUNNING, worker, now + LEASE_SECONDS, number, now, resumed or row["resumed"], row["id"]),
        )
        return Claim(row["id"], row["owner"], version, number, bool(row["stopping"]), resumed)

    def renew(self, worker: str) -> None:
        """Keeps a worker's word and its job for another LEASE_SECONDS."""
        now = time.time()
        with self.database.write() as connection:
            connection.execute("UPDATE workers SET seen = ? WHERE id = ?", (now, worker))
            connection.execute(
                "UPDATE jobs SET lease = ? WHERE worker = ? AND state = ?", (now + LEASE_SECONDS, worker, RUNNING)
            )

    def signal(self, claim: Claim) -> str:
        """What the worker should do: "go on", "stop" (and keep what exists), or "drop" it: the job is no longer its own."""
        row = (
            self.database.connection()
            .execute(
                "SELECT stopping FROM jobs WHERE id = ? AND claim = ? AND state = ?",
                (claim.job_id, claim.number, RUNNING),
            )
            .fetchone()
        )
        return "drop" if row is None else "stop" if row["stopping"] else "go on"

    def report(self, claim: Claim, done: int, total: int, frame: int, frames: int, seconds_left: float) -> None:
        """Says how far a job is, in latent frames and frames."""
        with self.database.write() as connection:
            connection.execute(
                "UPDATE jobs SET attempts = CASE WHEN ? > done THEN 1 ELSE attempts END, done = ?, total = ?, "
                "frame = ?, frames = ?, seconds_left = ? WHERE id = ? AND claim = ? AND state = ?",
                (done, done, total, frame, frames, seconds_left, claim.job_id, claim.number, RUNNING),
            )

    def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """Ends a job; False if it was no longer this claim's, and nothing was changed."""
        with self.database.write() as connection:
            row = connection.execute(
                "SELECT * FROM jobs WHERE id = ? AND claim = ? AND state = ?", (claim.job_id, claim.number, RUNNING)
            ).fetchone()
            if row is not None:
                end_job(connection, row, outcome)
        return row is not None

    def abandon(self, worker: str) -> None:
        """Gives a dead worker's job to the next one at once; said by the process that saw it die."""
        with self.database.write() as connection:
            connection.execute("UPDATE jobs SET lease = 0 WHERE worker = ? AND state = ?", (worker, RUNNING))
            connection.execute("DELETE FROM workers WHERE id = ? AND state != 'broken'", (worker,))


def _impossible(connection: sqlite3.Connection, row: sqlite3.Row, version: Version) -> Refusal | None:
    if row["attempts"] >= MOST_ATTEMPTS:
        return Refusal("worker_died", n=row["attempts"])
    if version.action in BUILDS_ON_PARENT:
        parent = connection.execute("SELECT state FROM versions WHERE id = ?", (version.parent,)).fetchone()
        if parent is None or parent["state"] not in (COMPLETE, PARTIAL):
            return Refusal("parent_failed")
    return None


def end_job(connection: sqlite3.Connection, row: sqlite3.Row, outcome: Outcome) -> None:
    """Ends a job and fills its version: the only place where either happens."""
    now = time.time()
    made = outcome.state in (COMPLETE, PARTIAL)
    state = CANCELLED if outcome.cancelled else DONE if made else FAILED
    connection.execute(
        "UPDATE jobs SET state = ?, finished = ?, error = ?, seconds_left = 0 WHERE id = ?",
        (state, now, outcome.error, row["id"]),
    )
    (files,) = connection.execute("SELECT files FROM versions WHERE id = ?", (row["version"],)).fetchone()
    values = [outcome.state, now, outcome.error, outcome.frames, outcome.fps, outcome.latents]
    values += [outcome.model, outcome.tokenizer, json.dumps({**json.loads(files), **outcome.files})]
    columns = ["state", "finished", "error", "frames", "fps", "latents", "model", "tokenizer", "files"]
    if outcome.step is not None:
        columns.append("step")
        values.append(json.dumps(step_record(outcome.step), ensure_ascii=False))
    sets = ", ".join(f"{column} = ?" for column in columns)
    connection.execute(f"UPDATE versions SET {sets} WHERE id = ?", (*values, row["version"]))
    current = ", current = ?" if made and row["focus"] else ""
    shown = (row["version"],) if current else ()
    connection.execute(
        f"UPDATE conversations SET updated = ?{current} WHERE id = ?", (now, *shown, row["conversation"])
    )


def served(connection: sqlite3.Connection) -> defaultdict[str, int]:
    """When each owner was last served: the number of the last claim; 0 for those who never were."""
    rows = connection.execute("SELECT owner, MAX(claim) FROM jobs GROUP BY owner").fetchall()
    return defaultdict(int, {owner: number for owner, number in rows})
