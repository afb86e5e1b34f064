"""The server: the page, its videos and pictures, what is exported, the interfaces for machines; all behind owners.py.

    GET /                                        the page (app.py)
    GET /live/CONVERSATION?shown=VERSION         what is being made; the page asks for it while it waits
    GET /live/JOB/moving                         the picture so far
    GET /media/VERSION/video|thumbnail|image|settings
    GET /export/conversation/ID, /export/film/VERSION, /export/ratings
    /v1/videos, /gradio_api/...                  for machines (api.py)

A file is found by an id and an owner, never by a path that somebody sent.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask

from chat_app.archive import export_conversation
from chat_app.chat import Chat, changes_of
from chat_app.owners import Owners, error_answer, secret_of
from chat_app.page_head import PageHead
from chat_app.views import progress
from chat_app.words import Refusal, language_of

_ID = re.compile(r"[0-9a-f]{32}")
_MEDIA = {
    "video": "video/mp4",
    "thumbnail": "image/webp",
    "image": "application/octet-stream",
    "settings": "application/json",
}
# What an id stands for never changes; `private`: no cache between people may keep it.
_KEEP = {"cache-control": "private, max-age=31536000, immutable"}
_FORGET = {"cache-control": "private, no-store"}


def build(chat: Chat, accounts: dict[str, str] | None = None) -> FastAPI:
    """The whole server, ready for uvicorn."""
    from chat_app.api import add_jobs
    from chat_app.app import mount

    app = FastAPI(title="gpt-video", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(PageHead)
    app.add_middleware(Owners, secret=secret_of(chat.database.folder), accounts=accounts)  # type: ignore[arg-type]
    app.add_exception_handler(Refusal, _refused)
    add_live(app, chat)
    add_files(app, chat)
    add_jobs(app, chat)
    return mount(app, chat)


def _refused(request: Request, error: Exception) -> Response:
    """What is not there, or not the owner's, is the same 404; a full disk is not the visitor's fault."""
    assert isinstance(error, Refusal)
    missing = (error.key.startswith("unknown_") and error.key != "unknown_action") or error.key == "no_such_file"
    status = 404 if missing else 507 if error.key == "disk_full" else 400
    return error_answer(error.said_in(language_of(request.headers)), status)


def add_live(app: FastAPI, chat: Chat) -> None:
    @app.get("/live/{conversation}")
    def live(conversation: str, request: Request) -> Response:
        owner, language = request.state.owner, language_of(request.headers)
        worker = chat.queue.worker_state()
        if not _ID.fullmatch(conversation):
            return JSONResponse({"html": progress([], [], worker, language), "changes": "", "busy": False})
        versions = chat.store.versions(owner, conversation)
        jobs = chat.queue.open_jobs(owner, conversation)
        page = {"html": progress(jobs, versions, worker, language), "changes": changes_of(versions), "busy": bool(jobs)}
        return JSONResponse(page, headers=_FORGET)

    @app.get("/live/{job}/moving")
    def moving(job: str, request: Request) -> Response:
        picture = chat.queue.preview(request.state.owner, job)
        if picture is None:
            return Response(status_code=404)
        return Response(picture, media_type="image/webp", headers={"cache-control": "private, max-age=60"})


def add_files(app: FastAPI, chat: Chat) -> None:
    @app.get("/media/{version}/{kind}")
    def media(version: str, kind: str, request: Request, download: bool = False) -> Response:
        if kind not in _MEDIA:
            return Response(status_code=404)
        path = chat.store.file(request.state.owner, version, kind)
        name = f"gpt-video-{version[:8]}{path.suffix}"
        how = "attachment" if download or kind in ("image", "settings") else "inline"
        return FileResponse(path, media_type=_MEDIA[kind], filename=name, content_disposition_type=how, headers=_KEEP)

    @app.get("/export/conversation/{conversation}")
    def conversation(conversation: str, request: Request) -> Response:
        owner = request.state.owner
        chat.store.conversation(owner, conversation)
        return _made(
            lambda path: export_conversation(chat.database, owner, conversation, path),
            f"conversation-{conversation[:8]}.zip",
        )

    @app.get("/export/film/{version}")
    def film(version: str, request: Request) -> Response:
        owner = request.state.owner
        chat.store.version(owner, version)
        return _made(lambda path: chat.write_film(owner, version, path), f"film-{version[:8]}.mp4")

    @app.get("/export/ratings")
    def ratings(request: Request) -> Response:
        return _made(lambda path: chat.export_preferences(request.state.owner, path), "ratings.jsonl")


def _made(write: Callable[[Path], object], name: str) -> Response:
    """A file that is written for this answer and gone after it."""
    folder = tempfile.TemporaryDirectory(prefix="gpt-video-export-")
    path = Path(folder.name) / name
    try:
        write(path)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(path, filename=name, headers=_FORGET, background=BackgroundTask(folder.cleanup))
