"""Files that are there whole or not at all, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft_of(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name in the same folder to write under; it becomes `path` when all went well, and nothing is left otherwise."""
    path = Path(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """UTF-8; what is no Unicode, as a prompt may hold, becomes "?"."""
    with draft_of(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="replace")


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    with draft_of(path) as draft:
        draft.write_bytes(data)


def is_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, is that a disk, or a share of one, has no space left."""
    reasons = (error, error.__cause__)
    return any(isinstance(reason, OSError) and reason.errno in (errno.ENOSPC, errno.EDQUOT) for reason in reasons)


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
