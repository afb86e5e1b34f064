"""Puts the page's own script and looks into the document that Gradio answers, before any script of Gradio runs.

Gradio's `head=` comes too late: by then the widgets have chosen the browser's language over the one chosen on the page.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_app.answers import send_changed
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

        def with_head(status: int, document: bytes) -> bytes:
            return document.replace(b"<head>", self.head, 1).replace(b'lang="en"', f'lang="{language}"'.encode(), 1)

        await send_changed(self.app, scope, receive, send, with_head)
