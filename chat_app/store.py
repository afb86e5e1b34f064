"""Conversations and their versions: listed, read, renamed, searched, rated, and deleted only when asked.

Every function that reads or changes something takes the `owner` who asks; what belongs to another owner does not exist for
them (Refusal). Versions are never changed by making others: jobs.py adds them, and fills each one once.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chat_app.database import Database
from chat_app.records import QUEUED, RUNNING, Conversation, Segment, Step, Version
from chat_app.version_files import KINDS, new_id, version_folder
from chat_app.words import Refusal

TITLE_LENGTH = 80


class Store:
    """The library of one data folder."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # ------------------------------------------------------------------------------------------------ conversations

    def new_conversation(self, owner: str, language: str = "en", title: str = "") -> Conversation:
        """An empty one; without a title it gets its first message as title."""
        now, conversation_id = time.time(), new_id()
        with self.database.write() as connection:
            values = (conversation_id, owner, _short(title), language, now, now)
            connection.execute("INSERT INTO conversations VALUES (?, ?, ?, ?, ?, ?, NULL)", values)
        return self.conversation(owner, conversation_id)

    def conversation(self, owner: str, conversation_id: str) -> Conversation:
        return read_conversation(self.database.connection(), owner, conversation_id)

    def conversations(self, owner: str, search: str = "", limit: int = 100) -> list[Conversation]:
        """The owner's, the latest first; with `search`, those whose title or messages contain every word of it."""
        rows = self.database.connection().execute(
            "SELECT * FROM conversations WHERE owner = ? ORDER BY updated DESC, rowid DESC", (owner,)
        )
        words, found = search.casefold().split(), []
        for row in rows.fetchall():
            if not words or self._contains(row, words):
                found.append(Conversation(**row))
            if len(found) == limit:
                break
        return found

    def _contains(self, row: sqlite3.Row, words: list[str]) -> bool:
        steps = self.database.connection().execute("SELECT step FROM versions WHERE conversation = ?", (row["id"],))
        text = " ".join([row["title"], *(json.loads(step)["message"] for (step,) in steps)]).casefold()
        return all(word in text for word in words)

    def rename(self, owner: str, conversation_id: str, title: str) -> Conversation:
        """Raises Refusal on a blank title."""
        if not title.strip():
            raise Refusal("empty_title")
        with self.database.write() as connection:
            read_conversation(connection, owner, conversation_id)
            connection.execute("UPDATE conversations SET title = ? WHERE id = ?", (_short(title), conversation_id))
        return self.conversation(owner, conversation_id)

    def delete_conversation(self, owner: str, conversation_id: str) -> None:
        """Deletes it for good: its versions, jobs, ratings and files."""
        with self.database.write() as connection:
            read_conversation(connection, owner, conversation_id)
            rows = connection.execute("SELECT id FROM versions WHERE conversation = ?", (conversation_id,)).fetchall()
            connection.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))
        for (version_id,) in rows:
            shutil.rmtree(version_folder(self.database.folder, version_id), ignore_errors=True)

    # ------------------------------------------------------------------------------------------------ versions

    def versions(self, owner: str, conversation_id: str) -> list[Version]:
        """All versions of the conversation in the order of asking, those without a video too."""
        connection = self.database.connection()
        read_conversation(connection, owner, conversation_id)
        rows = connection.execute("SELECT * FROM versions WHERE conversation = ? ORDER BY number", (conversation_id,))
        return [as_version(row) for row in rows]

    def version(self, owner: str, version_id: str) -> Version:
        return as_version(read_version(self.database.connection(), owner, version_id))

    def path(self, owner: str, version_id: str | None) -> tuple[Version, ...]:
        """From the root of the tree to this version; of None, nothing."""
        connection, path = self.database.connection(), []
        while version_id is not None:
            path.append(as_version(read_version(connection, owner, version_id)))
            version_id = path[-1].parent
        return tuple(reversed(path))

    def siblings(self, owner: str, version_id: str) -> list[Version]:
        """The versions with the same parent, this one included, in the order of asking."""
        own = self.version(owner, version_id)
        return [version for version in self.versions(owner, own.conversation) if version.parent == own.parent]

    def choose(self, owner: str, version_id: str) -> Conversation:
        """Makes it the conversation's current version. What is being made meanwhile does not take its place."""
        with self.database.write() as connection:
            conversation_id = read_version(connection, owner, version_id)["conversation"]
            connection.execute("UPDATE conversations SET current = ? WHERE id = ?", (version_id, conversation_id))
            connection.execute(
                "UPDATE jobs SET focus = 0 WHERE conversation = ? AND state IN (?, ?)",
                (conversation_id, QUEUED, RUNNING),
            )
        return self.conversation(owner, conversation_id)

    def delete_version(self, owner: str, version_id: str) -> None:
        """Deletes one version for good. Refusal when others start from it. Its parent becomes current if it was."""
        with self.database.write() as connection:
            row = read_version(connection, owner, version_id)
            if connection.execute("SELECT 1 FROM versions WHERE parent = ?", (version_id,)).fetchone():
                raise Refusal("has_children")
            connection.execute("UPDATE conversations SET current = ? WHERE current = ?", (row["parent"], version_id))
            connection.execute("DELETE FROM versions WHERE id = ?", (version_id,))
        shutil.rmtree(version_folder(self.database.folder, version_id), ignore_errors=True)

    def file(self, owner: str, version_id: str, kind: str) -> Path:
        """A file of a version: one of version_files.KINDS. Refusal if it is not there, or not this owner's."""
        row = read_version(self.database.connection(), owner, version_id)
        name = json.loads(row["files"]).get(kind)
        path = version_folder(self.database.folder, version_id) / name if name and kind in KINDS else None
        if path is None or not path.is_file():
            raise Refusal("no_such_file")
        return path

    # ------------------------------------------------------------------------------------------------ opinions

    def rate(self, owner: str, version_id: str, rating: int, consent: bool) -> Version:
        """Thumb up (1), down (-1) or neither (0). Without `consent` it is shown to its owner and never exported."""
        assert rating in (-1, 0, 1)
        with self.database.write() as connection:
            read_version(connection, owner, version_id)
            connection.execute(
                "UPDATE versions SET rating = ?, rating_consent = ? WHERE id = ?", (rating, consent, version_id)
            )
        return self.version(owner, version_id)

    def prefer(self, owner: str, better: str, worse: str, consent: bool) -> None:
        """Remembers that of two versions of one conversation the first is better; the last answer about a pair counts."""
        if better == worse:
            raise Refusal("same_version")
        with self.database.write() as connection:
            conversation_id = read_version(connection, owner, better)["conversation"]
            if read_version(connection, owner, worse)["conversation"] != conversation_id:
                raise Refusal("other_conversation")
            connection.execute(
                "DELETE FROM preferences WHERE (better, worse) IN (VALUES (?, ?), (?, ?))",
                (better, worse, worse, better),
            )
            connection.execute(
                "INSERT INTO preferences (conversation, better, worse, consent, created) VALUES (?, ?, ?, ?, ?)",
                (conversation_id, better, worse, consent, time.time()),
            )


# ---------------------------------------------------------------------------------------------------- rows and records


def read_conversation(connection: sqlite3.Connection, owner: str, conversation_id: str) -> Conversation:
    row = connection.execute(
        "SELECT * FROM conversations WHERE id = ? AND owner = ?", (conversation_id, owner)
    ).fetchone()
    if row is None:
        raise Refusal("unknown_conversation")
    return Conversation(**row)


def read_version(connection: sqlite3.Connection, owner: str, version_id: str) -> sqlite3.Row:
    row = connection.execute(
        "SELECT versions.* FROM versions JOIN conversations ON conversations.id = versions.conversation "
        "WHERE versions.id = ? AND owner = ?",
        (version_id, owner),
    ).fetchone()
    if row is None:
        raise Refusal("unknown_version")
    return row


def as_version(row: sqlite3.Row) -> Version:
    values = {name: row[name] for name in row.keys() if name not in ("files", "rating_consent", "step")}  # noqa: SIM118
    return Version(**values, step=step_of(json.loads(row["step"]), row["parent"]))


def step_of(record: Mapping[str, Any], parent: str | None) -> Step:
    """The inverse of `step_record`; the parent is a column of its own."""
    segments = tuple(Segment(prompt, seconds) for prompt, seconds in record["segments"])
    return Step(**{**record, "segments": segments, "parent": parent})


def step_record(step: Step) -> dict[str, Any]:
    """A step as plain values for JSON, without its parent."""
    record = {name: getattr(step, name) for name in ("action", "message", "seed", "kept")}
    segments = [[segment.prompt, segment.seconds] for segment in step.segments]
    return {**record, "segments": segments, "settings": dict(step.settings), "notes": dict(step.notes)}


def _short(title: str) -> str:
    title = " ".join(title.split())
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rstrip() + "…"
