"""What tests of the chat share: a data folder, steps, and versions that are "made" without a model."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chat_app.claims import Claim, Claims, Outcome
from chat_app.database import Database
from chat_app.jobs import Limits, Queue
from chat_app.records import COMPLETE, Segment, Step
from chat_app.store import Store
from chat_app.version_files import version_folder, write_turns
from gpt_video.request import PastTurn


@dataclass(frozen=True)
class Library:
    """A data folder with everything that works on it."""

    database: Database
    store: Store
    queue: Queue
    claims: Claims

    @classmethod
    def at(cls, folder: Path, **limits: int) -> Library:
        database = Database(folder)
        return cls(database, Store(database), Queue(database, Limits(**limits)), Claims(database))

    def ask(self, owner: str, conversation: str, message: str = "a red ball", **step) -> str:
        """Submits one step and returns the id of its version."""
        return self.queue.submit(owner, conversation, [a_step(message, **step)])[0].version

    def make_next(self, worker: str = "w", state: str = COMPLETE) -> str:
        """Claims the next job and ends it as if a model had worked; returns the id of its version."""
        claim = self.claims.claim(worker)
        assert claim is not None
        assert self.claims.finish(claim, made(self.database, claim, state))
        return claim.version.id


def a_step(message: str = "a red ball", action: str = "new", parent: str | None = None, **more) -> Step:
    return Step(action, message, (Segment(message, 2.0),), more.pop("seed", 1), parent, **more)


def made(database: Database, claim: Claim, state: str = COMPLETE) -> Outcome:
    """Files that look like those of a video, and the outcome that names them."""
    folder, token = version_folder(database.folder, claim.version.id), secrets.token_hex(8)
    codes_thw = np.random.default_rng(claim.number).integers(0, 125, (5, 2, 2))
    (folder / f"{token}.mp4").write_bytes(b"\0\0\0\x18ftyp" + secrets.token_bytes(100))
    (folder / f"{token}.mp4.json").write_text('{"prompt": "a red ball"}')
    (folder / f"{token}.webp").write_bytes(b"RIFF\0\0\0\0WEBP" + secrets.token_bytes(20))
    turns = [PastTurn(claim.version.step.prompt, "new", codes_thw)]
    write_turns(folder / f"{token}.npz", turns, model="m" * 12, tokenizer="t" * 16)
    names = {"video": ".mp4", "settings": ".mp4.json", "thumbnail": ".webp", "codes": ".npz"}
    files = {kind: token + suffix for kind, suffix in names.items()}
    return Outcome(state, claim.version.step, files, 17, 8.0, 5, "m" * 12, "t" * 16)
