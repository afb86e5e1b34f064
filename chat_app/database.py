"""The data folder of the chat: one SQLite file (write-ahead log) and the files of the versions beside it.

    FOLDER/chat.sqlite3        conversations, versions, jobs, ratings
    FOLDER/versions/ID/        what belongs to one version: video, thumbnail, codes (version_files.py)

Several processes may use one folder at once: a writer waits for its turn, readers never wait.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chat_app.words import Refusal

SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE conversations (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL, language TEXT NOT NULL,
    created REAL NOT NULL, updated REAL NOT NULL, current TEXT
);
CREATE INDEX conversations_of_owner ON conversations (owner, updated);
CREATE TABLE versions (
    id TEXT PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    parent TEXT REFERENCES versions DEFERRABLE INITIALLY DEFERRED, number INTEGER NOT NULL, step TEXT NOT NULL, state TEXT NOT NULL,
    created REAL NOT NULL, finished REAL, error TEXT NOT NULL DEFAULT '',
    frames INTEGER NOT NULL DEFAULT 0, fps REAL NOT NULL DEFAULT 0, latents INTEGER NOT NULL DEFAULT 0,
    model TEXT NOT NULL DEFAULT '', tokenizer TEXT NOT NULL DEFAULT '', files TEXT NOT NULL DEFAULT '{}',
    rating INTEGER NOT NULL DEFAULT 0, rating_consent INTEGER NOT NULL DEFAULT 0,
    UNIQUE (conversation, number)
);
CREATE TABLE preferences (
    id INTEGER PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    better TEXT NOT NULL REFERENCES versions ON DELETE CASCADE,
    worse TEXT NOT NULL REFERENCES versions ON DELETE CASCADE,
    consent INTEGER NOT NULL, created REAL NOT NULL
);
CREATE TABLE jobs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
    conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    version TEXT NOT NULL UNIQUE REFERENCES versions ON DELETE CASCADE,
    state TEXT NOT NULL, focus INTEGER NOT NULL, created REAL NOT NULL, started REAL, finished REAL,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
    frame INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 0, seconds_left REAL NOT NULL DEFAULT 0,
    stopping INTEGER NOT NULL DEFAULT 0, resumed INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
    worker TEXT NOT NULL DEFAULT '', lease REAL NOT NULL DEFAULT 0, claim INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_state ON jobs (state);
CREATE INDEX jobs_by_owner ON jobs (owner, state);
CREATE TABLE workers (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, error TEXT NOT NULL, facts TEXT NOT NULL, seen REAL NOT NULL
);
"""


def default_folder() -> Path:
    """GPT_VIDEO_HOME, or gpt-video where this system keeps a person's data."""
    named = os.environ.get("GPT_VIDEO_HOME")
    if named:
        return Path(named).expanduser()
    shared = os.environ.get("XDG_DATA_HOME")
    return (Path(shared) if shared else Path.home() / ".local" / "share") / "gpt-video"


class Database:
    """The SQLite file of a data folder; each thread and each process has a connection of its own."""

    def __init__(self, folder: str | Path | None = None) -> None:
        """Opens the folder, made if it is new. Raises Refusal if it is of a newer program, or cannot be written."""
        self.folder = Path(folder) if folder is not None else default_folder()
        self._local = threading.local()
        try:
            (self.folder / "versions").mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
            self._create()
        except (OSError, sqlite3.Error) as error:
            raise Refusal("folder_unusable", folder=self.folder, reason=error) from error

    def _create(self) -> None:
        with self.write() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise Refusal("folder_newer", folder=self.folder, version=version, known=SCHEMA_VERSION)
            if version == 0:
                for statement in filter(str.strip, _SCHEMA.split(";\n")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, for reading."""
        if getattr(self._local, "process", None) != os.getpid():  # a connection must not cross a fork
            connection = sqlite3.connect(self.folder / "chat.sqlite3", timeout=BUSY_SECONDS, isolation_level=None)
            connection.row_factory = sqlite3.Row
            _use_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection, self._local.process = connection, os.getpid()
        return self._local.connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its start, so what it reads stays true until it ends.

        It is undone as a whole if an error leaves it. Refusal where the disk is full.
        """
        connection = self.connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise Refusal("disk_full") from error
            raise

    def close(self) -> None:
        """Closes this thread's connection; the next use opens another."""
        if getattr(self._local, "process", None) == os.getpid():
            self._local.connection.close()
            self._local.process = None


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """The one statement that does not wait for others by itself: two processes may open a new folder at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
