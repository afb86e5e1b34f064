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

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UPLOAD = "/gradio_api/upload"


class Uploads:
    """An ASGI layer around the answer to an upload; everything else goes through untouched. `known`: told of each new path."""

    def __init__(self, app: ASGIApp, known: Callable[[str], None]) -> None:
        self.app, self.known = app, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != UPLOAD or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        answer: list[Message] = []

        async def collect(message: Message) -> None:
            if message["type"].startswith("http.response."):
                answer.append(message)

        # The app returns when its background work is done: only then do all files lie where the answer says.
        await self.app({**scope, "headers": plain}, receive, collect)
        start = answer[0]
        body = b"".join(part.get("body", b"") for part in answer[1:])
        if start["status"] == 200:
            body = json.dumps([self._renamed(Path(path)) for path in json.loads(body)]).encode()
            MutableHeaders(scope=start)["content-length"] = str(len(body))
        await send(start)
        await send({"type": "http.response.body", "body": body})

    def _renamed(self, path: Path) -> str:
        folder = path.parent.with_name(secrets.token_hex(16))
        folder.mkdir()
        os.replace(path, folder / path.name)
        self.known(str(folder / path.name))
        return str(folder / path.name)
