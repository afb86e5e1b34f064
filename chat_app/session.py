"""What the server remembers of one open page: the film so far, the stop signal, a folder of its own.

Nothing here knows Gradio. Sessions are found by a random id that only their own page holds, and the oldest are
forgotten first, so memory stays bounded.
"""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gpt_video.request import PastTurn


@dataclass
class Session:
    """One open page. `turns`: the conversation up to the last video; `frames_THWC`: that video, as it was shown."""

    folder: Path
    turns: tuple[PastTurn, ...] = ()
    frames_THWC: np.ndarray | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def new_file(self) -> Path:
        """A path for the next video: the name says nothing about the prompt and cannot be guessed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{secrets.token_hex(8)}.mp4"

    def close(self) -> None:
        """Stops the work and deletes the files."""
        self.stop.set()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """Sessions by id, at most `capacity` of them, safe to use from several threads."""

    def __init__(self, root: Path, capacity: int = 256) -> None:
        self.root = root
        self.capacity = capacity
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def get(self, session_id: str) -> Session:
        """The session of this id, made if it is new. The least recently used one goes when there are too many."""
        with self._lock:
            if session_id not in self._sessions:
                self._sessions[session_id] = Session(self.root / secrets.token_hex(8))
            self._sessions.move_to_end(session_id)
            if len(self._sessions) > self.capacity:
                self._sessions.popitem(last=False)[1].close()
            return self._sessions[session_id]

    def forget(self, session_id: str) -> None:
        """Closes the session of this id, if there is one."""
        with self._lock:
            session = self._sessions.pop(session_id, None)
        if session is not None:
            session.close()


def new_session_id() -> str:
    """An id that nobody can guess."""
    return secrets.token_urlsafe(16)
