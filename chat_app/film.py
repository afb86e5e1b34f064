"""A message and a session -> the states that the page goes through, from the first words read to the finished file.

Nothing here knows Gradio. The sentences are in the language of the page, the pictures come from preview.py.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chat_app.preview import PREVIEW_FRAMES, Filmstrip, moving_picture, stage_html, status_html
from chat_app.session import Session
from chat_app.words import say

if TYPE_CHECKING:
    from gpt_video.generate import VideoGenerator
    from gpt_video.request import GeneratedVideo, GenerateRequest, Lengths, Progress


@dataclass(frozen=True)
class View:
    """What the page shows: `stage`, `strip` and `status` are HTML; a finished film has `video`, `sidecar` and `settings`."""

    stage: str
    strip: str = ""
    status: str = ""
    busy: bool = False
    video: Path | None = None
    sidecar: Path | None = None
    settings: dict[str, Any] | None = None


def make_request(
    session: Session, language: str, prompt: str, action: str, shape: str, seconds: float, **settings: Any
) -> GenerateRequest:
    """What the page asks for: an edit keeps its video's size and length, a continuation its size.

    Raises ValueError if `action` needs a video and the session has none, or if a value is wrong.
    """
    from gpt_video.request import GenerateRequest

    if action == "new":
        return GenerateRequest(prompt, seconds=seconds, size=shape, **settings)
    if not session.turns:
        raise ValueError(say(language, "no_video_yet"))
    length = None if action == "edit" else seconds
    return GenerateRequest(prompt, seconds=length, action=action, context=session.turns, **settings)


def make_film(
    generator: VideoGenerator, request: GenerateRequest, session: Session, language: str
) -> Generator[View, None, None]:
    """Makes the film; a stopped one is kept too. The result becomes the session's last video.

    Raises ValueError on what the model cannot do, OSError if the file cannot be written.
    """
    yield waiting(language, "reading")
    lengths, fps = generator.lengths(request.action), generator.settings.fps
    recent = [session.frames_THWC] if request.action == "continue" and session.frames_THWC is not None else []
    strip: Filmstrip | None = None
    for progress in generator.stream(request, should_stop=session.stop.is_set):
        strip = strip or Filmstrip(progress.latent_total)
        if len(progress.frames_THWC):
            strip.add(progress.latent_index - 1, progress.frames_THWC[-1])
        if progress.video is not None:
            yield finished(generator, progress.video, strip, session, language)
            return
        recent = [np.concatenate([*recent, progress.frames_THWC])[-PREVIEW_FRAMES:]]
        line = progress_line(lengths, progress, language)
        bar = status_html(line, progress.latent_index / progress.latent_total)
        yield View(stage_html(moving_picture(recent[0], fps), line), strip.html(), bar, busy=True)
    yield View(stage_html(None, say(language, "stopped_early")))


def waiting(language: str, key: str) -> View:
    """Nothing to see yet, and why."""
    return View(stage_html(None, say(language, key)), status=status_html("", 0), busy=True)


def progress_line(lengths: Lengths, progress: Progress, language: str) -> str:
    """Frame i of n, and how long the rest will take."""
    # A video's first frame is not counted in its seconds.
    done, total = (
        round(lengths.seconds(t) * lengths.fps) + (lengths.fresh and t > 1)
        for t in (progress.latent_index, progress.latent_total)
    )
    return say(language, "progress", done=done, total=total, left=max(1, round(progress.seconds_left)))


def finished(
    generator: VideoGenerator, video: GeneratedVideo, strip: Filmstrip, session: Session, language: str
) -> View:
    """Writes the video and its settings and makes it the session's; a continuation is shown with what it continues."""
    from gpt_video.files import save_video, settings_of, sidecar_of

    frames_THWC = generator.film(video.turns) if video.request.action == "continue" else video.frames_THWC
    path = session.new_file()
    save_video(video, path, frames_THWC)
    session.turns, session.frames_THWC = video.turns, frames_THWC
    values = {"n": len(video.frames_THWC), "took": f"{video.timings.total:.1f}", "seed": video.seed}
    status = status_html(say(language, "stopped" if video.stopped else "finished", **values))
    return View("", strip.html(), status, video=path, sidecar=sidecar_of(path), settings=settings_of(video))
