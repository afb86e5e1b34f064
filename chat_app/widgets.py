"""The widgets of the page: what stands where, and what it is called in both languages. What they do is app.py's."""

from __future__ import annotations

from typing import Any

import gradio as gr

from chat_app.words import WORDS

I18N = gr.I18n(**WORDS)
ACTIONS = ("auto", "new", "edit", "continue", "from_here", "again")
SHAPES = ("square", "wide", "tall")
STILL_SECONDS = 0.125
LENGTHS = (1, 2, 3, 4, 6, 8, 10, 15, 20, 30, 45, 60)
VARIATIONS = (1, 2, 3, 4, 8)
# Sampling: (most, step) of each slider. 0 leaves it to the model.
SLIDERS = {"temperature": (2, 0.05), "guidance_scale": (8, 0.1), "top_p": (1, 0.01)}


def _html(value: str = "", **options: Any) -> gr.HTML:
    """HTML of our own looks, that no script of the component touches unless it is given."""
    return gr.HTML(value, apply_default_css=False, **{"js_on_load": None, **options})


def _text(key: str) -> Any:
    """For arguments that take a translated text, though their types do not say so."""
    return I18N(key)


class Widgets:
    """Every widget of the page by its name, once `_build` ran inside of gr.Blocks."""

    def _build(self) -> None:
        self._build_library()
        self.header = _html(elem_id="gv-header")
        with gr.Row(elem_id="gv-main"):
            with gr.Column(scale=5, min_width=320, elem_id="gv-talk"):
                self._build_talk()
            with gr.Column(scale=4, min_width=320, elem_id="gv-panel"):
                self.board = _html('<div id="gv-board"></div>')
                self.player = _html(elem_id="gv-player", js_on_load="watch('value', () => gv.rested());")
                self.strip = _html(elem_id="gv-versions")
        self.place = gr.Textbox("{}", visible="hidden", elem_id="gv-place")
        self.seen = gr.Textbox("{}", visible="hidden")
        self.moment = gr.Textbox("{}", visible="hidden")
        self.bridge = _html("<i></i>", visible="hidden", js_on_load="gv.connect(trigger);")

    def _build_library(self) -> None:
        with gr.Sidebar(label=I18N("open_library"), open=False, width=300, elem_id="gv-side"):
            gr.Markdown(I18N("library"), elem_classes="gv-h2")
            self.search = gr.Textbox(label=I18N("search"), max_lines=1, elem_id="gv-search")
            self.library = _html()
            self.bring = gr.UploadButton(_text("import"), file_types=[".zip"], size="sm")
            with gr.Column(visible=False) as self.about:
                gr.Markdown(I18N("this_conversation"), elem_classes="gv-h2")
                self.title = gr.Textbox(label=I18N("title"), max_lines=1, elem_id="gv-title")
                self.rename = gr.Button(I18N("rename"), size="sm")
                self.exports = _html()
                self.delete = gr.Button(I18N("delete"), size="sm", variant="stop")
                with gr.Column(visible=False, elem_classes="gv-sure") as self.sure:
                    self.question = _html()
                    self.delete_yes = gr.Button(I18N("delete_yes"), size="sm", variant="stop")
                    self.delete_no = gr.Button(I18N("delete_no"), size="sm")
            gr.Markdown(I18N("ratings"), elem_classes="gv-h2")
            self.consent = gr.Checkbox(False, label=I18N("consent"))
            self.ratings = _html()

    def _build_talk(self) -> None:
        self.welcome = _html(elem_id="gv-welcome")
        self.log = gr.Chatbot(
            label=I18N("chat"),
            show_label=False,
            visible=False,
            editable="user",
            buttons=[],
            latex_delimiters=[],
            allow_tags=False,
            allow_file_downloads=False,
            height="min(58vh, 640px)",
            elem_id="gv-log",
        )
        self.notice = _html(elem_id="gv-notice")
        self.action = gr.Radio(
            [(I18N(action), action) for action in ACTIONS],
            value="auto",
            label=I18N("action"),
            elem_classes="gv-pills",
            elem_id="gv-action",
        )
        self.message = gr.MultimodalTextbox(
            label=I18N("prompt"),
            show_label=False,
            placeholder=_text("prompt_hint"),
            file_types=["image", "video"],
            file_count="single",
            sources=["upload"],
            max_lines=6,
            max_plain_text_length=2000,
            autofocus=True,
            elem_id="gv-message",
        )
        with gr.Row(elem_id="gv-choices"):
            self.shape = gr.Dropdown(
                [(I18N(shape), shape) for shape in SHAPES], value="square", label=I18N("shape"), min_width=110
            )
            lengths: list[Any] = [
                (I18N("auto_length"), 0),
                (I18N("still"), STILL_SECONDS),
                *((f"{n} s", n) for n in LENGTHS),
            ]
            self.length = gr.Dropdown(lengths, value=0, label=I18N("length"), min_width=110)
            self.count = gr.Dropdown([(str(n), n) for n in VARIATIONS], value=1, label=I18N("variations"), min_width=80)
        with gr.Accordion(I18N("more"), open=False, elem_id="gv-more"):
            with gr.Row():
                # Not a gr.Number: that one shows an empty value as 0 and sends 0, so that every video would have the same seed.
                self.seed = gr.Textbox("", label=I18N("seed"), info=I18N("seed_hint"), max_lines=1, elem_id="gv-seed")
                self.keep_seed = gr.Checkbox(False, label=I18N("keep_seed"), elem_id="gv-keep-seed")
            self.sliders = [
                gr.Slider(0, most, 0, step=step, label=I18N(name), info=I18N(f"{name}_hint"))
                for name, (most, step) in SLIDERS.items()
            ]
            self.load_settings = gr.UploadButton(_text("load_settings"), file_types=["video"], size="sm")
        self.hint = _html()
