"""Puts the page's own script and looks into the document that Gradio answers, before any script of Gradio runs.

Gradio's `head=` comes too late: by then the widgets have chosen the browser's language over the one chosen on the page.
"""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.words import language_of


class PageHead:
    """An ASGI layer around the page at /; everything else goes through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        script, looks = (Path(__file__).with_name(name).read_text("utf-8") for name in ("page.js", "page.css"))
        self.head = f"<head><script>{script}</script><style>{looks}</style>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        language = language_of(Request(scope).headers)
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: list[Message] = []
        body = b""

        async def collect(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                start.append(message)
                return
            if message["type"] != "http.response.body":
                await send(message)  # what a test client asks for beside the answer
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            document = body.replace(b"<head>", self.head, 1).replace(b'lang="en"', f'lang="{language}"'.encode(), 1)
            MutableHeaders(scope=start[0])["content-length"] = str(len(document))
            await send(start[0])
            await send({"type": "http.response.body", "body": document})

        await self.app({**scope, "headers": plain}, receive, collect)
