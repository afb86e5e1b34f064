"""The page: Gradio widgets, and the events that join them to film.py.

A person's words and settings enter; frames leave while they are made, then the finished file with its settings.
`gpt-video chat` (command.py) runs it. Only this file knows Gradio.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from chat_app.film import View, make_film, make_request, waiting
from chat_app.preview import stage_html
from chat_app.session import Sessions, new_session_id
from chat_app.words import EXAMPLES, WORDS, language_of, say

if TYPE_CHECKING:
    from gpt_video.generate import VideoGenerator

I18N = gr.I18n(**WORDS)
SHAPES = ("square", "wide", "tall")
STILL_SECONDS = 0.125
LENGTHS = (1, 2, 3, 4, 6, 8, 10, 15, 20, 30, 45, 60)
# Sampling: (least, most, step) of each slider. At 0, where they stand until the model is loaded, the model's own settings count.
SLIDERS = {"temperature": (0.1, 2, 0.05), "guidance_scale": (1, 8, 0.1), "top_p": (0.1, 1, 0.01)}
MAX_QUEUE = 32
# What every launch of the page has: its looks, no data about its users, no cached inputs in the browser, no downloads.
LAUNCH_OPTIONS: dict[str, Any] = {
    "theme": gr.themes.Default(
        primary_hue="teal",
        neutral_hue="slate",
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    ),
    "css_paths": Path(__file__).with_name("page.css"),
    "i18n": I18N,
    "enable_monitoring": False,
    "max_file_size": "50mb",
    "run_history": False,
    "footer_links": [],
    "ssr_mode": False,
    "share": False,
}


class Page:
    """The page and what stands behind it. One model serves every visitor in turn; each has a session of their own."""

    def __init__(self, load_model: Callable[[], VideoGenerator], folder: Path) -> None:
        """`load_model` runs once, in the background; videos are written under `folder`."""
        self.model: Future[VideoGenerator] = ThreadPoolExecutor(1).submit(load_model)
        self.sessions = Sessions(folder)
        with gr.Blocks(title="gpt-video", fill_width=True) as self.blocks:
            self.session_id = gr.State(new_session_id, delete_callback=self.sessions.forget)
            gr.Markdown("# gpt-video", elem_id="gv-title")
            gr.Markdown(I18N("tagline"), elem_id="gv-tagline")
            with gr.Row(elem_id="gv-main"):
                with gr.Column(scale=2, min_width=320, elem_id="gv-message"):
                    self._build_message()
                with gr.Column(scale=3, min_width=320, elem_id="gv-result"):
                    self._build_result()
            self._join()
        self.blocks.queue(max_size=MAX_QUEUE)

    # ------------------------------------------------------------------------------------------------ widgets

    def _build_message(self) -> None:
        self.prompt = gr.Textbox(
            label=I18N("prompt"),
            placeholder=I18N("prompt_hint"),
            lines=1,
            max_lines=4,
            autofocus=True,
            elem_id="gv-prompt",
        )
        with gr.Row():
            self.generate = gr.Button(I18N("generate"), variant="primary", elem_id="gv-generate")
            self.stop = gr.Button(I18N("stop"), variant="stop", visible=False, elem_id="gv-stop")
        actions = [(I18N(action), action) for action in ("new", "edit", "continue")]
        self.action = gr.Radio(actions, value="new", label=I18N("action"), elem_classes="gv-pills")
        with gr.Row():
            self.shape = gr.Radio(
                [(I18N(shape), shape) for shape in SHAPES],
                value="square",
                label=I18N("shape"),
                elem_classes="gv-pills",
                scale=3,
            )
            lengths: list[Any] = [(I18N("still"), STILL_SECONDS), *((f"{n} s", n) for n in LENGTHS)]
            self.length = gr.Dropdown(lengths, value=4, label=I18N("length"), min_width=120, scale=2)
        with gr.Accordion(I18N("advanced"), open=False):
            # Not a gr.Number: that one shows an empty value as 0 and sends 0, so that every film would have the same seed.
            self.seed = gr.Textbox("", label=I18N("seed"), info=I18N("seed_hint"), max_lines=1)
            self.sliders = [
                gr.Slider(0, most, 0, step=step, interactive=False, label=I18N(name), info=I18N(f"{name}_hint"))
                for name, (_, most, step) in SLIDERS.items()
            ]
        gr.Examples([[text] for text in EXAMPLES], self.prompt, label=I18N("examples"))

    def _build_result(self) -> None:
        self.stage = gr.HTML(stage_html(None, ""), elem_id="gv-stage")
        self.video = gr.Video(
            visible=False,
            interactive=False,
            autoplay=True,
            loop=True,
            show_label=False,
            container=False,
            buttons=[],
            elem_id="gv-video",
        )
        self.strip = gr.HTML()
        self.status = gr.HTML(elem_id="gv-status")
        with gr.Column(visible=False) as self.results:
            with gr.Row():
                self.download = gr.DownloadButton(str(I18N("download")), size="sm")
                self.sidecar = gr.DownloadButton(str(I18N("settings_file")), size="sm")
            with gr.Accordion(I18N("settings"), open=False):
                self.settings = gr.JSON(show_label=False)

    # ------------------------------------------------------------------------------------------------ events

    def _join(self) -> None:
        choices = [self.prompt, self.action, self.shape, self.length, self.seed, *self.sliders]
        shown = [self.stage, self.video, self.strip, self.status, self.generate, self.stop]
        shown += [self.results, self.download, self.sidecar, self.settings]
        gr.on(
            [self.generate.click, self.prompt.submit],
            self.make_video,
            inputs=[*choices, self.session_id],
            outputs=shown,
            concurrency_limit=1,
            concurrency_id="model",
            trigger_mode="once",
            show_progress="minimal",
            show_progress_on=[self.status],
            api_name="generate",
        )
        self.stop.click(self.stop_video, inputs=[self.session_id], queue=False, api_name="stop")
        self.blocks.load(self.welcome, outputs=[self.stage], show_progress="hidden", api_visibility="private")
        self.blocks.load(self.set_sliders, outputs=self.sliders, show_progress="hidden", api_visibility="private")

    def make_video(
        self,
        prompt: str,
        action: str,
        shape: str,
        seconds: float,
        seed: str | None,
        temperature: float,
        guidance_scale: float,
        top_p: float,
        session_id: str,
        request: gr.Request,
    ) -> Iterator[dict[Any, Any]]:
        """Makes a video of `prompt`, showing it while it grows; `action` is new, edit or continue.

        `shape` is square, wide or tall; `seconds` 0.125 for a still, else 1 to 60; an empty `seed` draws one; 0 for
        `temperature`, `guidance_scale` or `top_p` leaves it to the model. Editing and continuing start from the last video of
        the same page. Anything wrong is said in one sentence.
        """
        language, session = language_of(request.headers), self.sessions.get(session_id)
        session.stop.clear()
        settings: dict[str, Any] = {"temperature": temperature, "guidance_scale": guidance_scale, "top_p": top_p}
        settings = {name: value or None for name, value in settings.items()}
        typed = (seed or "").strip()
        # What is not a number is refused where requests are checked.
        settings["seed"] = int(typed) if typed.isdecimal() else typed or secrets.randbelow(2**31)
        try:
            video_request = make_request(session, language, prompt, action, shape, seconds, **settings)
            if not self.model.done():
                yield self._show(waiting(language, "loading"))
            with closing(make_film(self.model.result(), video_request, session, language)) as views:
                for view in views:
                    yield self._show(view)
        except (ValueError, OSError) as error:
            yield self._show(View(stage_html(None, say(language, "failed"))))
            raise gr.Error(str(error), print_exception=False) from error

    def stop_video(self, session_id: str) -> None:
        """Ends the video that this page is making; what exists of it is kept."""
        self.sessions.get(session_id).stop.set()

    def welcome(self, request: gr.Request) -> str:
        """The empty stage, in the language of the browser."""
        return stage_html(None, say(language_of(request.headers), "empty"))

    def set_sliders(self) -> list[Any]:
        """Once the model is loaded, the sliders stand where its own settings are, and can be moved."""
        if self.model.exception():  # said when a video is asked for
            return [gr.skip() for _ in SLIDERS]
        own = [getattr(self.model.result().settings, name) for name in SLIDERS]
        return [
            gr.update(value=value, minimum=min(least, value), maximum=max(most, value), interactive=True)
            for value, (least, most, _) in zip(own, SLIDERS.values(), strict=True)
        ]

    def _show(self, view: View) -> dict[Any, Any]:
        done = view.video is not None
        page: dict[Any, Any] = {
            self.stage: gr.update(value=view.stage, visible=not done),
            self.strip: view.strip,
            self.status: view.status,
            self.generate: gr.update(visible=not view.busy),
            self.stop: gr.update(visible=view.busy),
            self.video: gr.update(visible=done),
            self.results: gr.update(visible=done),
        }
        if done:
            page |= {self.video: gr.update(value=str(view.video), visible=True), self.settings: view.settings}
            page |= {self.download: gr.update(value=str(view.video)), self.sidecar: gr.update(value=str(view.sidecar))}
        return page
