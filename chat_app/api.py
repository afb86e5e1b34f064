"""The same queue for programs: job endpoints over HTTP, and functions for gradio_client and as tools of an assistant.

    POST /v1/videos                      {"prompt", "seconds", "size", "seed", "n"}     a new video
    POST /v1/videos/ID/edit|continue     {"prompt", ...}                                another one that starts from it
    GET  /v1/videos?limit=20             GET /v1/videos/ID                              status, progress in percent
    GET  /v1/videos/ID/content           POST /v1/videos/ID/cancel                      DELETE /v1/videos/ID

An id is that of a version. Each video of `POST /v1/videos` begins a conversation, which its owner finds on the page as well.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from chat_app.chat import Chat
from chat_app.owners import error_answer
from chat_app.records import CANCELLED, COMPLETE, PARTIAL, RUNNING, WAITING, Job, Version
from chat_app.turn import MOST_VARIATIONS, Choice
from chat_app.words import Refusal, from_record

LONGEST_WAIT = 600.0  # seconds that a tool waits for its video
MOST_LISTED = 100


class Asked(BaseModel):
    """The body of a request. Other fields are an error, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid")

    prompt: str
    seconds: float | None = None
    size: str | None = None
    seed: int | None = None
    n: Annotated[int, Field(ge=1, le=MOST_VARIATIONS)] = 1
    at: Annotated[float | None, Field(ge=0, description="of continue: the moment to go on from, in seconds")] = None


class Machines:
    """What programs ask for, with the same words in every interface."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat

    def create(self, owner: str, asked: Asked) -> list[dict[str, Any]]:
        conversation = self.chat.store.new_conversation(owner).id
        try:
            jobs = self.chat.ask(owner, conversation, None, asked.prompt, _choice(asked, None))
        except (ValueError, OSError):
            self.chat.store.delete_conversation(owner, conversation)
            raise
        return [self.status(owner, job.version) for job in jobs]

    def follow(self, owner: str, version: str, action: str, asked: Asked) -> list[dict[str, Any]]:
        """An edit or a continuation of a version, which may still be waiting itself."""
        source = self.chat.store.version(owner, version)
        action = "from_here" if action == "continue" and asked.at is not None else action
        jobs = self.chat.ask(owner, source.conversation, version, asked.prompt, _choice(asked, action))
        return [self.status(owner, job.version) for job in jobs]

    def status(self, owner: str, version_id: str) -> dict[str, Any]:
        version = self.chat.store.version(owner, version_id)
        try:
            job: Job | None = self.chat.queue.job_of_version(owner, version_id)
        except Refusal:
            job = None  # an imported version
        made = {COMPLETE: "completed", PARTIAL: "completed"}
        if version.state == WAITING:
            status = "in_progress" if job and job.state == RUNNING else "queued"
        else:
            status = made.get(version.state, "cancelled" if job and job.state == CANCELLED else "failed")
        record: dict[str, Any] = {
            "id": version.id,
            "object": "video",
            "status": status,
            "progress": 100 if status == "completed" else _percent(job),
            "created_at": int(version.created),
            "completed_at": int(version.finished) if version.finished else None,
            "prompt": version.step.message,
            "action": version.action,
            "remixed_from_video_id": version.parent,
            "conversation": version.conversation,
            "seed": version.step.seed,
            "seconds": _length(version),
            "size": version.step.settings.get("size"),
            "partial": version.state == PARTIAL,
            "error": {"message": from_record(version.error, "en")} if version.error else None,
        }
        if job is not None and job.is_open:
            record |= {"frame": job.frame, "frames": job.frames, "seconds_left": round(job.seconds_left, 1)}
            record |= {"place": job.place}
        return record

    def videos(self, owner: str, limit: int) -> list[dict[str, Any]]:
        return [self.status(owner, job.version) for job in self.chat.queue.jobs(owner, min(limit, MOST_LISTED))]

    def cancel(self, owner: str, version: str) -> dict[str, Any]:
        self.chat.queue.cancel(owner, self.chat.queue.job_of_version(owner, version).id)
        return self.status(owner, version)

    def wait(self, owner: str, version: str) -> dict[str, Any]:
        """The status once the video has ended, or after LONGEST_WAIT."""
        deadline = time.monotonic() + LONGEST_WAIT
        while (status := self.status(owner, version))["status"] in ("queued", "in_progress"):
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return status


def _choice(asked: Asked, action: str | None) -> Choice:
    return Choice(action, asked.seconds, asked.size, asked.seed, asked.at, asked.n)


def _percent(job: Job | None) -> int:
    return round(100 * job.done / job.total) if job and job.total else 0


def _length(version: Version) -> float | None:
    return round(version.seconds, 3) if version.has_video else version.step.segments[0].seconds


def add_jobs(app: FastAPI, chat: Chat) -> None:
    """The job endpoints."""
    machines = Machines(chat)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return error_answer(f"{'.'.join(map(str, first['loc'][1:])) or 'body'}: {first['msg']}", 422)

    @app.exception_handler(ValueError)
    def refused(request: Request, error: ValueError) -> Response:
        return error_answer(str(error), 400)

    @app.post("/v1/videos")
    def create(asked: Asked, request: Request) -> Response:
        return _answer(machines.create(request.state.owner, asked))

    @app.post("/v1/videos/{version}/cancel")
    def cancel(version: str, request: Request) -> Response:
        return JSONResponse(machines.cancel(request.state.owner, version))

    @app.post("/v1/videos/{version}/{action}")
    def follow(version: str, action: Literal["edit", "continue"], asked: Asked, request: Request) -> Response:
        return _answer(machines.follow(request.state.owner, version, action, asked))

    @app.get("/v1/videos")
    def videos(request: Request, limit: Annotated[int, Field(ge=1)] = 20) -> Response:
        return JSONResponse({"object": "list", "data": machines.videos(request.state.owner, limit)})

    @app.get("/v1/videos/{version}")
    def status(version: str, request: Request) -> Response:
        return JSONResponse(machines.status(request.state.owner, version))

    @app.get("/v1/videos/{version}/content")
    def content(version: str, request: Request) -> Response:
        path = chat.store.file(request.state.owner, version, "video")
        return FileResponse(path, media_type="video/mp4", headers={"cache-control": "private"})

    @app.delete("/v1/videos/{version}")
    def delete(version: str, request: Request) -> Response:
        chat.store.delete_version(request.state.owner, version)
        return JSONResponse({"id": version, "object": "video.deleted", "deleted": True})


def _answer(videos: list[dict[str, Any]]) -> Response:
    """The first video, and the others of "n" beside it."""
    return JSONResponse({**videos[0], "variations": videos[1:]} if len(videos) > 1 else videos[0])


def add_tools(chat: Chat) -> None:
    """Functions for gradio_client and for assistants; called inside of gr.Blocks."""
    machines = Machines(chat)

    def generate_video(
        prompt: str, request: gr.Request, seconds: float = 0, size: str = "square", seed: int = -1
    ) -> dict:
        """Makes a short video of a described scene and waits for it.

        Args:
            prompt: What happens in the video, in English or French.
            seconds: Its length; 0 leaves it to the model.
            size: square, wide or tall.
            seed: The same seed makes the same video; -1 draws one.

        Returns:
            The video's id, status, seed, and the address of the mp4.
        """
        asked = Asked(prompt=prompt, seconds=seconds or None, size=size, seed=None if seed < 0 else seed)
        return _run(machines, request, lambda owner: machines.create(owner, asked))

    def edit_video(video_id: str, prompt: str, request: gr.Request) -> dict:
        """Changes a video by an instruction and waits for the new version; the old one stays.

        Args:
            video_id: The id that generate_video, edit_video or continue_video returned.
            prompt: What to change, such as "make it blue".

        Returns:
            The new video's id, status, seed, and the address of the mp4.
        """
        return _run(machines, request, lambda owner: machines.follow(owner, video_id, "edit", Asked(prompt=prompt)))

    def continue_video(video_id: str, prompt: str, request: gr.Request, seconds: float = 0) -> dict:
        """Makes a video longer: says what happens next and waits for the new version; the old one stays.

        Args:
            video_id: The id that generate_video, edit_video or continue_video returned.
            prompt: What happens next, such as "then it jumps".
            seconds: How much longer; 0 leaves it to the model.

        Returns:
            The new video's id, status, seed, and the address of the mp4.
        """
        asked = Asked(prompt=prompt, seconds=seconds or None)
        return _run(machines, request, lambda owner: machines.follow(owner, video_id, "continue", asked))

    for tool in (generate_video, edit_video, continue_video):
        gr.api(tool, api_name=tool.__name__, concurrency_limit=16)


def _run(machines: Machines, request: gr.Request, ask: Any) -> dict[str, Any]:
    owner = request.username
    assert owner  # owners.py lets nobody through without one
    try:
        status = machines.wait(owner, ask(owner)[0]["id"])
    except (ValueError, OSError) as error:
        raise gr.Error(str(error), print_exception=False) from error
    base = str(getattr(request, "base_url", "") or "")
    content = f"{base.rstrip('/')}/v1/videos/{status['id']}/content" if status["status"] == "completed" else None
    return {**status, "content": content}
