"""Who asks: every request gets an owner before anything else sees it, and without one it goes no further.

    with accounts     "user:NAME", by the login page (a signed cookie), or by `Authorization: Basic` or `Bearer NAME:PASSWORD`
    without           "browser:..." by a random cookie that the first page sets, or "key:..." by `Authorization: Bearer KEY`

One ASGI layer around the whole server, so the page, its files and the interfaces for machines share one rule. Everything is
stored under its owner, and what belongs to another owner does not exist (store.py).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import html
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.words import language_of, say
from gpt_video.disk import write_bytes

COOKIE = "gpt_video"
COOKIE_SECONDS = 30 * 24 * 3600
SHORTEST_KEY = 16
FAILED_LOGIN_SECONDS = 0.5
_BROWSER = re.compile(r"[0-9a-f]{32}")


def parse_accounts(texts: list[str]) -> dict[str, str]:
    """{"NAME": "PASSWORD"} of "NAME:PASSWORD" texts. Raises ValueError on anything else."""
    accounts: dict[str, str] = {}
    for text in texts:
        name, colon, password = text.partition(":")
        if not (name and colon and password) or not name.isprintable() or "|" in name:
            raise ValueError("--auth needs NAME:PASSWORD, such as --auth anna:a-long-password")
        accounts[name] = password
    return accounts


def secret_of(folder: Path) -> bytes:
    """The key that signs cookies, kept in the data folder so that a restart logs nobody out."""
    path = folder / "secret"
    if not path.exists():
        write_bytes(path, secrets.token_bytes(32))
        path.chmod(0o600)
    return path.read_bytes()


class Owners:
    """The ASGI layer; `request.state.owner` is set behind it."""

    def __init__(self, app: ASGIApp, secret: bytes, accounts: Mapping[str, str] | None = None) -> None:
        """`accounts`: passwords by name; None or empty: no accounts."""
        self.app, self.secret, self.accounts = app, secret, dict(accounts or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        if self.accounts and request.url.path in ("/login", "/login/"):
            await (await self._login(request))(scope, receive, send)
            return
        owner, cookie = self._owner(request), None
        if owner is None and not self.accounts and request.method == "GET" and not _for_machines(request):
            fresh = secrets.token_hex(16)
            owner, cookie = f"browser:{fresh}", fresh if request.url.path == "/" else None
        if owner is None:
            await self._refusal(request)(scope, receive, send)
            return
        scope.setdefault("state", {})["owner"] = owner
        await self.app(scope, receive, _with_headers(send, cookie))

    # ------------------------------------------------------------------------------------------------ who it is

    def _owner(self, request: Request) -> str | None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return None
        if given:
            return self._of_key(given.strip())
        cookie = request.cookies.get(COOKIE, "")
        if self.accounts:
            return self._of_signed(cookie)
        return f"browser:{cookie}" if _BROWSER.fullmatch(cookie) else None

    def _of_key(self, key: str) -> str | None:
        if not self.accounts:
            return f"key:{hashlib.sha256(key.encode()).hexdigest()}" if len(key) >= SHORTEST_KEY else None
        name, _, password = key.partition(":")
        return f"user:{name}" if self._knows(name, password) else None

    def _knows(self, name: str, password: str) -> bool:
        right = self.accounts.get(name)
        # Compared in either case, so that the time taken does not tell which names exist.
        same = hmac.compare_digest((right or secrets.token_hex(8)).encode(), password.encode())
        return same and right is not None

    def _signed(self, name: str) -> str:
        until = str(int(time.time()) + COOKIE_SECONDS)
        return base64.urlsafe_b64encode(f"{name}|{until}|{self._signature(name, until)}".encode()).decode()

    def _of_signed(self, cookie: str) -> str | None:
        try:
            name, until, signature = base64.urlsafe_b64decode(cookie).decode().split("|")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        good = name in self.accounts and hmac.compare_digest(signature, self._signature(name, until))
        return f"user:{name}" if good and until.isdecimal() and int(until) > time.time() else None

    def _signature(self, name: str, until: str) -> str:
        """Depends on the password: a changed one ends the sessions of the old."""
        text = f"{name}|{until}|{self.accounts[name]}"
        return hmac.new(self.secret, text.encode(), "sha256").hexdigest()

    # ------------------------------------------------------------------------------------------------ pages of its own

    def _refusal(self, request: Request) -> Response:
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            after = f"/?{request.url.query}" if request.url.query else "/"
            return RedirectResponse(f"/login?next={quote(after)}", 303)
        what = "NAME:PASSWORD" if self.accounts else f"a key of your own, {SHORTEST_KEY} characters or more"
        sentence = f"Say who you are: send the header Authorization: Bearer followed by {what}."
        return error_answer(sentence, 401)

    async def _login(self, request: Request) -> Response:
        language, after = language_of(request.headers), request.query_params.get("next", "/")
        after = after if re.fullmatch(r"/(\?[\w=&-]*)?", after) else "/"
        if request.method != "POST":
            return HTMLResponse(_login_page(language, after))
        form = await request.form(max_files=0, max_fields=4)
        name, password = str(form.get("username", "")), str(form.get("password", ""))
        wants_page = "text/html" in request.headers.get("accept", "")
        if not self._knows(name, password):
            await asyncio.sleep(FAILED_LOGIN_SECONDS)
            return HTMLResponse(_login_page(language, after, failed=True), 401)
        answer: Response = RedirectResponse(after, 303) if wants_page else JSONResponse({"success": True})
        answer.headers["set-cookie"] = _cookie(self._signed(name))
        return answer


def error_answer(sentence: str, status: int) -> Response:
    """What went wrong, where programs of other video services and those of Gradio look for it."""
    return JSONResponse({"error": {"message": sentence}, "detail": sentence}, status)


def _for_machines(request: Request) -> bool:
    return request.url.path.startswith(("/v1/", "/gradio_api/mcp"))


def _cookie(value: str) -> str:
    return f"{COOKIE}={value}; Max-Age={COOKIE_SECONDS}; Path=/; HttpOnly; SameSite=Lax"


def _with_headers(send: Send, cookie: str | None) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "same-origin"  # an address names a conversation
            if cookie:
                headers.append("set-cookie", _cookie(cookie))
        await send(message)

    return send_with_headers


def _login_page(language: str, after: str, failed: bool = False) -> str:
    words = {
        name: html.escape(say(language, name)) for name in ("login", "name", "password", "login_failed", "tagline")
    }
    failure = f'<p role="alert">{words["login_failed"]}</p>' if failed else ""
    return f"""<!doctype html><html lang="{language}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>gpt-video</title>
<style>:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ display: grid; place-items: center; min-height: 90vh; margin: 0 }} form {{ width: min(20rem, 90vw) }}
label, input, button {{ display: block; width: 100%; box-sizing: border-box; font: inherit }}
input {{ padding: .5rem; margin: .2rem 0 1rem }} [role=alert] {{ color: #d33 }}
button {{ padding: .6rem; border: 0; border-radius: 8px; background: #0d9488; color: #fff }}</style>
<form method="post" action="/login?next={html.escape(quote(after))}"><h1>gpt-video</h1><p>{words["tagline"]}</p>{failure}
<label for="n">{words["name"]}</label><input id="n" name="username" autocomplete="username" autofocus required>
<label for="p">{words["password"]}</label>
<input id="p" name="password" type="password" autocomplete="current-password" required>
<button>{words["login"]}</button></form></html>"""
