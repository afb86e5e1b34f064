"""What people liked, as JSONL for preference training: thumbs, and pairs of versions of which one is better.

Only what was given with consent is exported, without the names of owners. A line has a prompt with the turns before it, and
one answer with its rating, or two answers, chosen and rejected; an answer is its settings, the hash of the model and its codes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chat_app.database import Database
from chat_app.records import Version
from chat_app.store import Store
from chat_app.turn import context_of
from chat_app.version_files import read_turns
from gpt_video.disk import write_text
from gpt_video.files import turn_record
from gpt_video.request import PastTurn


def export_preferences(database: Database, path: Path, owner: str | None = None) -> int:
    """Writes the file, of one owner or of all, and returns the number of its lines."""
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in preferences(database, owner)]
    write_text(path, "".join(lines))
    return len(lines)


def preferences(database: Database, owner: str | None = None) -> Iterator[dict[str, Any]]:
    """One record a line: kind "rating" (answer, rating) or "pair" (chosen, rejected, same_question)."""
    connection, store = database.connection(), Store(database)
    rated = connection.execute(
        "SELECT owner, versions.id, rating FROM versions JOIN conversations ON conversations.id = conversation "
        "WHERE rating != 0 AND rating_consent = 1 AND (? IS NULL OR owner = ?) ORDER BY versions.created",
        (owner, owner),
    ).fetchall()
    for whose, version_id, rating in rated:
        question, answer = _read(store, whose, version_id)
        yield {"kind": "rating", **question, "answer": answer, "rating": rating}
    pairs = connection.execute(
        "SELECT owner, better, worse FROM preferences JOIN conversations ON conversations.id = conversation "
        "WHERE consent = 1 AND (? IS NULL OR owner = ?) ORDER BY preferences.id",
        (owner, owner),
    ).fetchall()
    for whose, better, worse in pairs:
        (question, chosen), (other, rejected) = (_read(store, whose, version_id) for version_id in (better, worse))
        # Only two answers to one question can be compared by their likelihoods.
        yield {
            "kind": "pair",
            **question,
            "chosen": chosen,
            "rejected": rejected,
            "same_question": question == other,
        }


def _read(store: Store, owner: str, version_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A version as a question (prompt, action, context) and an answer."""
    path = store.path(owner, version_id)
    turns = [_turns(store, owner, version) for version in path]
    context, version = context_of(path[:-1], turns[:-1]), path[-1]
    question = {
        "prompt": version.step.prompt,
        "message": version.step.message,
        "action": version.action,
        "kept": version.step.kept,
        "context": [_turn_record(turn) for turn in context],
    }
    answer = {
        "seed": version.step.seed,
        "settings": dict(version.step.settings),
        "model": version.model,
        "tokenizer": version.tokenizer,
        "turns": [_turn_record(turn) for turn in turns[-1]],
    }
    return question, answer


def _turns(store: Store, owner: str, version: Version) -> Sequence[PastTurn]:
    return read_turns(store.file(owner, version.id, "codes")).turns if version.has_video else ()


def _turn_record(turn: PastTurn) -> dict[str, Any]:
    record = turn_record(turn)
    return record | {"codes_sha256": hashlib.sha256(base64.b64decode(record["codes"])).hexdigest()}
