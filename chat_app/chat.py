"""What a person or a program can do in the chat, in the order of doing it: one face over turns, queue and library.

The page (app.py) and the interfaces for machines (api.py) both go through here. Everything takes the `owner` who asks;
what cannot be done is a Refusal or a ValueError, in one sentence.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from chat_app.database import Database
from chat_app.jobs import Limits, Queue
from chat_app.records import BUILDS_ON_PARENT, WAITING, Conversation, Job, Step, Version
from chat_app.restore import Restored
from chat_app.store import Store
from chat_app.turn import Choice, again, instead, plan

NOTHING_CHOSEN = Choice()


@dataclass(frozen=True)
class Turn:
    """One message of the log with its answer, and the versions that share its parent, itself included."""

    version: Version
    siblings: tuple[Version, ...]


class Chat:
    """The conversations of one data folder."""

    def __init__(self, folder: Path | None = None, limits: Limits | None = None) -> None:
        self.database = Database(folder)
        self.store, self.queue = Store(self.database), Queue(self.database, limits or Limits())
        self._apart = threading.Lock()

    # ------------------------------------------------------------------------------------------------ asking

    def ask(
        self,
        owner: str,
        conversation: str,
        shown: str | None,
        message: str,
        choice: Choice = NOTHING_CHOSEN,
        file: Path | None = None,
    ) -> list[Job]:
        """Queues what a message asks for; it is said about the version `shown`.

        `file`: an image becomes the first frame; a video is taken in, and then changed or continued if there is a message.
        """
        path = self.store.path(owner, shown)
        if file is None:
            return self._submit(owner, conversation, self._plan(path, message, choice))
        image = file.read_bytes()
        if _is_image(image):
            steps = self._plan(path, message, replace(choice, action="image"))
            return self._submit(owner, conversation, steps, image=image)
        taken_in = self._plan(path, "", Choice(action="upload", size=choice.size))
        brought = self._submit(owner, conversation, taken_in, upload=file)
        if not message.strip():
            return brought
        action = None if choice.action in ("new", "board", "again", "from_here", "image") else choice.action
        path = self.store.path(owner, brought[0].version)
        about = replace(choice, action=action or "edit", at=None)
        return self._submit(owner, conversation, self._plan(path, message, about))

    def reword(self, owner: str, version: str, message: str, choice: Choice = NOTHING_CHOSEN) -> list[Job]:
        """The message of a version changed: a sibling that does the same with other words."""
        old = self.store.version(owner, version)
        action = {"upload": None, "board": "new"}.get(old.action, old.action)
        seconds = choice.seconds if choice.seconds is not None else _length_asked(old.step)
        size = choice.size or old.step.settings.get("size") if old.action not in BUILDS_ON_PARENT else None
        about = replace(
            choice, action=action, seconds=seconds, size=size, image_of=version, at=old.step.notes.get("from")
        )
        if old.action == "board" and not message.lstrip()[:1].isdecimal():
            about = replace(about, seconds=None)
        path = self.store.path(owner, old.parent)
        return self._submit(owner, old.conversation, self._plan(path, message, about))

    def again(self, owner: str, version: str, choice: Choice = NOTHING_CHOSEN) -> list[Job]:
        """Variations of a version: siblings with other seeds."""
        old = self.store.version(owner, version)
        return self._submit(owner, old.conversation, again(self.store.path(owner, version), choice))

    def instead(self, owner: str, version: str, action: str) -> list[Job]:
        """The message of a version meant another way: a sibling. The version itself stays, or is stopped if it waits."""
        old, facts = self.store.version(owner, version), self.queue.worker_state().facts
        jobs = self._submit(
            owner, old.conversation, instead(self.store.path(owner, version), action, NOTHING_CHOSEN, facts)
        )
        if old.state == WAITING:
            self.queue.cancel(owner, self.queue.job_of_version(owner, version).id)
        return jobs

    def undo(self, owner: str, version: str) -> str | None:
        """Back to the version before, which is returned; the undone one stays in the strip, or is stopped if it waits."""
        old = self.store.version(owner, version)
        if old.state == WAITING:
            self.queue.cancel(owner, self.queue.job_of_version(owner, version).id)
        if old.parent is not None:
            self.store.choose(owner, old.parent)
        return old.parent

    def stop(self, owner: str, conversation: str) -> None:
        """Ends everything that is being made in a conversation; what exists of it is kept."""
        for job in reversed(self.queue.open_jobs(owner, conversation)):
            self.queue.cancel(owner, job.id)

    def _plan(self, path: Sequence[Version], message: str, choice: Choice) -> list[Step]:
        return plan(path, message, choice, self.queue.worker_state().facts)

    def _submit(self, owner: str, conversation: str, steps: list[Step], **files: Any) -> list[Job]:
        return self.queue.submit(owner, conversation, steps, **files)

    # ------------------------------------------------------------------------------------------------ looking

    def tip(self, owner: str, conversation: Conversation) -> str | None:
        """Where a conversation is taken up: what is being made for its log, else its current version, else its last."""
        asked = [job.version for job in self.queue.open_jobs(owner, conversation.id) if job.focus]
        if asked or conversation.current:
            return asked[-1] if asked else conversation.current
        versions = self.store.versions(owner, conversation.id)
        return versions[-1].id if versions else None

    @staticmethod
    def log(versions: Sequence[Version], shown: str | None) -> list[Turn]:
        """From the first message of the branch to the version that is shown."""
        by_id, turns = {version.id: version for version in versions}, list[Turn]()
        while shown is not None and shown in by_id:
            version = by_id[shown]
            turns.append(Turn(version, tuple(v for v in versions if v.parent == version.parent)))
            shown = version.parent
        return turns[::-1]

    # ------------------------------------------------------------------------------------------------ with codecs

    # These read or write videos, for which torch is loaded: in a process of their own that ends with the work, so that
    # the server stays small and quick to start.

    def restore(self, path: Path) -> Restored:
        """The message and choices in a video of ours."""
        return self._run_apart(_restore, path)

    def write_film(self, owner: str, version: str, path: Path) -> None:
        """The branch that ends with a version, as one mp4."""
        self._run_apart(_write_film, self.database.folder, owner, version, path)

    def export_preferences(self, owner: str, path: Path) -> int:
        """What the owner rated with consent, as JSONL; returns the number of lines."""
        return self._run_apart(_export_preferences, self.database.folder, owner, path)

    def _run_apart(self, function: Any, *args: Any) -> Any:
        with self._apart, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(function, *args).result()


def changes_of(versions: Sequence[Version]) -> str:
    """Another text whenever the log, the player or the strip of a conversation would look different."""
    seen = [(version.id, version.state, version.rating) for version in versions]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16] if seen else ""


def default_other(versions: Sequence[Version], shown: Version) -> Version | None:
    """What a version is compared with first: its latest sibling, else the version before, else any other with a video."""
    others = [v for v in versions if v.has_video and v.id != shown.id]
    siblings = [v for v in others if v.parent == shown.parent and v.action != "upload"]
    before = [v for v in others if v.id == shown.parent]
    return next(iter([*siblings[::-1], *before, *others[::-1]]), None)


def _is_image(data: bytes) -> bool:
    """Whether a file is meant as an image; a gif is a video. Whether it can be read is checked where it is queued."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.format != "GIF"
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return False


def _length_asked(step: Step) -> float | None:
    return step.segments[0].seconds if len(step.segments) == 1 and step.action != "edit" else None


def _restore(path: Path) -> Restored:
    from chat_app.restore import restore

    return restore(path)


def _write_film(folder: Path, owner: str, version: str, path: Path) -> None:
    from chat_app.archive import write_film

    write_film(Store(Database(folder)), owner, version, path)


def _export_preferences(folder: Path, owner: str, path: Path) -> int:
    from chat_app.preferences import export_preferences

    return export_preferences(Database(folder), path, owner)
