"""An answer of the server, collected whole and changed before it is sent: for what Gradio offers no setting for."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def send_changed(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, change: Callable[[int, bytes], bytes]
) -> None:
    """Sends what the app answers with the body that `change(status, body)` gives, once the app's background work is done."""
    plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
    start: list[Message] = []
    parts: list[bytes] = []

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.append(message)
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))
        else:
            await send(message)  # what a test client asks for beside the answer

    await app({**scope, "headers": plain}, receive, collect)
    body = change(start[0]["status"], b"".join(parts))
    MutableHeaders(scope=start[0])["content-length"] = str(len(body))
    await send(start[0])
    await send({"type": "http.response.body", "body": body})
