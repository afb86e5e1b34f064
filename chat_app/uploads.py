"""Gives every uploaded file a name that nobody can guess, and that no two people share.

Gradio names an upload by the hash of its content: whoever knows the content could read it, and two people who bring the same
file would have one between them, that goes when the first of them sends it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from chat_app.answers import send_changed

UPLOAD = "/gradio_api/upload"


class Uploads:
    """An ASGI layer around the answer to an upload; everything else goes through untouched. `known`: told of each new path."""

    def __init__(self, app: ASGIApp, known: Callable[[str], None]) -> None:
        self.app, self.known = app, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != UPLOAD or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        await send_changed(self.app, scope, receive, send, self._with_new_names)

    def _with_new_names(self, status: int, body: bytes) -> bytes:
        return json.dumps([self._renamed(Path(path)) for path in json.loads(body)]).encode() if status == 200 else body

    def _renamed(self, path: Path) -> str:
        folder = path.parent.with_name(secrets.token_hex(16))
        folder.mkdir()
        os.replace(path, folder / path.name)
        self.known(str(folder / path.name))
        return str(folder / path.name)
