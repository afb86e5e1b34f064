"""The page: Gradio widgets, and the events that join them to chat.py.

A person's words and choices become jobs in the store; what the store knows becomes HTML (views.py). No video is made here: the
worker does that, and the page looks on. What the browser must not forget (conversation, version, comparison) is in `place`, a
hidden field that travels with every event, so that a restarted server needs no memory of its visitors.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from fastapi import FastAPI

from chat_app import views
from chat_app.api import add_tools
from chat_app.archive import import_conversation
from chat_app.chat import Chat, changes_of, default_other
from chat_app.records import Version
from chat_app.turn import Choice
from chat_app.uploads import Uploads
from chat_app.widgets import I18N, LENGTHS, SLIDERS, STILL_SECONDS, Widgets
from chat_app.words import Refusal, language_of, say

MAX_FILE_SIZE = "50mb"
FORGET_SECONDS = 3600  # what was uploaded and never sent
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class Place:
    """Where a page is: its conversation, the version that is shown, and the one beside it. `said`: a word of thanks."""

    conversation: str | None = None
    shown: str | None = None
    compare: str | None = None
    said: str = ""

    @classmethod
    def read(cls, text: str | None) -> Place:
        try:
            record = json.loads(text or "{}")
            return cls(**{name: record.get(name) for name in ("conversation", "shown", "compare")})
        except (ValueError, AttributeError, TypeError):
            return cls()

    def text(self, changes: str) -> str:
        """`changes`: of the versions that the page shows, so that it notices the next one."""
        return json.dumps({**asdict(self), "changes": changes})


def mount(app: FastAPI, chat: Chat) -> FastAPI:
    """Puts the page under / of a server. Nothing about its users leaves the machine. Its script and looks: page_head.py."""
    page = Page(chat)
    app.add_middleware(Uploads, known=page.blocks.upload_file_set.add)
    theme = gr.themes.Default(
        primary_hue="teal",
        neutral_hue="slate",
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    )
    return gr.mount_gradio_app(
        app,
        page.blocks,
        "/",
        auth_dependency=lambda request: request.state.owner,
        theme=theme,
        i18n=I18N,
        enable_monitoring=False,
        run_history=False,
        max_file_size=MAX_FILE_SIZE,
        footer_links=[],
        ssr_mode=False,
        show_error=True,
        pwa=False,
        mcp_server=find_spec("mcp") is not None,  # the extra of that name
    )


def _owner(request: gr.Request) -> str:
    assert request.username  # owners.py lets nobody through without one
    return request.username


def _sentences(handler: Callable[..., Any]) -> Callable[..., Any]:
    """What cannot be done becomes a sentence on the page, in its language."""

    @wraps(handler)
    def said(self: Page, *args: Any) -> Any:
        try:
            return handler(self, *args)
        except (ValueError, OSError) as error:
            request = next(arg for arg in args if isinstance(arg, gr.Request))
            text = error.said_in(language_of(request.headers)) if isinstance(error, Refusal) else str(error)
            return {self.notice: views.notice(text)}  # not gr.Error, which writes "Error" over every widget

    return said


class Page(Widgets):
    """The page of one data folder, for any number of visitors."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        with gr.Blocks(
            title="gpt-video", fill_width=True, delete_cache=(FORGET_SECONDS, FORGET_SECONDS)
        ) as self.blocks:
            self._build()
            self._join()
            add_tools(chat)
        self.blocks.queue(api_open=True)

    # ------------------------------------------------------------------------------------------------ events

    def _join(self) -> None:
        self.where: list[Any] = [self.place, self.seen]
        self.shown: list[Any] = [
            *(self.place, self.seen, self.welcome, self.log, self.player, self.strip, self.library),
            *(self.about, self.title, self.exports, self.sure, self.message, self.notice),
        ]
        self.choices: list[Any] = [self.shape, self.length, self.count, self.seed, self.keep_seed, *self.sliders]
        asked = [*self.shown, self.action, self.seed]
        self.blocks.load(
            self.arrive,
            outputs=[*self.shown, self.header, self.ratings, self.hint],
            **QUIET,
        )
        self.place.change(None, self.place, None, js="(place) => gv.at(place)", queue=False, api_visibility="private")
        self.message.submit(
            self.send,
            [*self.where, self.moment, self.message, self.action, *self.choices],
            asked,
            js="(place, seen, moment, ...rest) => [place, seen, gv.moment(), ...rest]",
            **QUIET,
        )
        self.bridge.click(self.press, [*self.where, self.count, self.consent], asked, **QUIET)
        self.log.edit(self.reword, self.where, self.shown, **QUIET)
        self.log.retry(self.retry, [*self.where, self.count], self.shown, **QUIET)
        self.log.option_select(self.take_back, self.where, self.shown, **QUIET)
        self.log.like(self.rate, [*self.where, self.consent], self.shown, **QUIET)
        self.search.change(
            self.find, [*self.where, self.search], [self.library, self.notice], trigger_mode="always_last", **QUIET
        )
        gr.on([self.rename.click, self.title.submit], self.name, [*self.where, self.title], self.shown, **QUIET)
        self.bring.upload(self.take_in, [self.bring, *self.where], self.shown, **QUIET)
        self.delete.click(self.ask_to_delete, self.where, [self.sure, self.question, self.notice], **QUIET)
        self.delete_no.click(lambda: gr.update(visible=False), None, self.sure, **QUIET)
        self.delete_yes.click(self.delete_for_good, self.where, self.shown, **QUIET)
        settings = [self.message, self.shape, self.length, self.seed, *self.sliders, self.notice]
        self.load_settings.upload(self.restore, self.load_settings, settings, **QUIET)

    def arrive(self, request: gr.Request) -> dict[Any, Any]:
        """The conversation that the address names, where it was left."""
        owner, language, place = _owner(request), language_of(request.headers), Place()
        try:
            conversation = self.chat.store.conversation(owner, str(dict(request.query_params).get("c", "")))
            place = Place(conversation.id, self.chat.tip(owner, conversation))
        except Refusal:
            pass  # deleted, or somebody else's: a fresh page
        ratings = f'<a class="gv-button" href="/export/ratings" download>{say(language, "export_ratings")}</a>'
        lost = f'<p class="gv-hint">{say(language, "storyboard_hint")}</p><p id="gv-lost" hidden>{say(language, "lost")}</p>'
        fixed = {self.header: views.header(language), self.ratings: ratings, self.hint: lost}
        return {**self._show(request, place, {}), **fixed}

    @_sentences
    def send(
        self,
        place: str,
        seen: str,
        moment: str,
        message: dict[str, Any],
        action: str,
        shape: str,
        length: float,
        count: int,
        seed: str,
        keep_seed: bool,
        temperature: float,
        guidance_scale: float,
        top_p: float,
        request: gr.Request,
    ) -> dict[Any, Any]:
        """Queues what the message asks for."""
        at, text, files = json.loads(moment or "{}"), (message.get("text") or "").strip(), message.get("files") or []
        here = Place.read(place)
        given: dict[str, Any] = {"temperature": temperature, "guidance_scale": guidance_scale, "top_p": top_p}
        choice = Choice(
            action=None if action == "auto" else action,
            seconds=float(length) or None,
            size=shape,
            seed=_seed(seed),
            at=at.get("at") if action == "from_here" or (action == "auto" and at.get("paused") and not files) else None,
            n=int(count),
            **{name: value or None for name, value in given.items()},
        )
        file = Path(files[0]) if files else None
        here = self._ask(request, here, text, choice, file)
        if file is not None:
            file.unlink(missing_ok=True)  # the job has a copy; nobody else needs one
        update = self._show(request, here, seen)
        update[self.message] = {**update.get(self.message, gr.update()), "value": {"text": "", "files": []}}
        return {**update, self.action: "auto", self.seed: gr.skip() if keep_seed else ""}

    def _ask(self, request: gr.Request, here: Place, text: str, choice: Choice, file: Path | None = None) -> Place:
        owner = _owner(request)
        if choice.action == "again" and text and here.shown:
            jobs = self.chat.reword(owner, here.shown, text, Choice(n=choice.n, seed=choice.seed))
        else:
            conversation, made = here.conversation, False
            if conversation is None:
                conversation = self.chat.store.new_conversation(owner, language_of(request.headers)).id
                made = True
            try:
                jobs = self.chat.ask(owner, conversation, here.shown, text, choice, file)
            except (ValueError, OSError):
                if made:
                    self.chat.store.delete_conversation(owner, conversation)
                raise
        return Place(jobs[-1 if file else 0].conversation, jobs[-1 if file else 0].version)

    @_sentences
    def press(
        self, place: str, seen: str, count: int, consent: bool, request: gr.Request, event: gr.EventData
    ) -> dict[Any, Any]:
        """What a button of views.py says in `data-do`."""
        here, owner, said = Place.read(place), _owner(request), dict(event._data or {})
        what, version = said.get("what"), str(said.get("id", ""))
        if what == "show":
            self.chat.store.choose(owner, version)
            here = Place(self.chat.store.version(owner, version).conversation, version)
        elif what == "open":
            conversation = self.chat.store.conversation(owner, version)
            here = Place(conversation.id, self.chat.tip(owner, conversation))
        elif what == "new":
            here = Place()
        elif what == "example":
            here = self._ask(request, here, str(said.get("text", "")), Choice())
        elif what == "stop" and here.conversation:
            self.chat.stop(owner, here.conversation)
        elif what == "cancel":
            self.chat.queue.cancel(owner, self.chat.queue.job_of_version(owner, version).id)
        elif what == "seed":
            return {self.seed: str(said.get("seed", ""))}
        elif what in ("again", "extend", "loop", "compare", "compare-end", "prefer"):
            here = self._press_player(request, here, what, said, int(count), consent)
        update = self._show(request, here, seen)
        if what == "refresh":  # nobody asked for it: what was said stays
            del update[self.notice]
        return update

    def _press_player(
        self, request: gr.Request, here: Place, what: str, said: dict[str, Any], count: int, consent: bool
    ) -> Place:
        """Buttons that are about the version in the player."""
        owner, versions = _owner(request), self._versions(_owner(request), here)
        version = _playing(versions, here.shown)
        if version is None or here.conversation is None:
            raise Refusal("choose_version")
        if what == "again":
            return Place(here.conversation, self.chat.again(owner, version.id, Choice(n=count))[0].version)
        if what in ("extend", "loop"):
            seconds = float(said.get("seconds", 0)) or None
            about = Choice(action="loop" if what == "loop" else "continue", seconds=seconds)
            return replace(here, shown=self.chat.ask(owner, here.conversation, version.id, "", about)[0].version)
        if what == "compare":
            other = default_other(versions, version)
            return replace(here, compare=str(said.get("id") or (other.id if other else "")) or None)
        if what == "prefer":
            better, worse = str(said.get("better", "")), str(said.get("worse", ""))
            self.chat.store.prefer(owner, better, worse, consent)
            numbers = {v.id: v.number for v in versions}
            thanks = say(language_of(request.headers), "thanks", better=numbers[better], worse=numbers[worse])
            return replace(here, said=thanks)
        return replace(here, compare=None)

    @_sentences
    def reword(self, place: str, seen: str, request: gr.Request, event: gr.EditData) -> dict[Any, Any]:
        """An edited message makes a sibling of its version."""
        here, text = Place.read(place), event.value if isinstance(event.value, str) else str(event.value)
        version = self._turn(request, here, event.index)
        jobs = self.chat.reword(_owner(request), version.id, text.strip())
        return self._show(request, Place(here.conversation, jobs[0].version), seen, "log")

    @_sentences
    def retry(self, place: str, seen: str, count: int, request: gr.Request) -> dict[Any, Any]:
        """Another version of the last answer."""
        here = Place.read(place)
        jobs = self.chat.again(_owner(request), str(here.shown), Choice(n=int(count)))
        return self._show(request, Place(here.conversation, jobs[0].version), seen, "log")

    @_sentences
    def take_back(self, place: str, seen: str, request: gr.Request, event: gr.SelectData) -> dict[Any, Any]:
        """A wrongly understood message: meant another way, or not at all."""
        here = Place.read(place)
        if event.value == "undo":
            return self._show(request, Place(here.conversation, self.chat.undo(_owner(request), str(here.shown))), seen)
        jobs = self.chat.instead(_owner(request), str(here.shown), str(event.value))
        return self._show(request, Place(here.conversation, jobs[0].version), seen)

    @_sentences
    def rate(self, place: str, seen: str, consent: bool, request: gr.Request, event: gr.LikeData) -> dict[Any, Any]:
        here = Place.read(place)
        version = self._turn(request, here, event.index)
        rating = {True: 1, "Like": 1, False: -1, "Dislike": -1}.get(event.liked, 0)
        self.chat.store.rate(_owner(request), version.id, 0 if rating == version.rating else rating, consent)
        return self._show(request, here, seen)

    # ------------------------------------------------------------------------------------------------ the library

    @_sentences
    def find(self, place: str, seen: str, search: str, request: gr.Request) -> dict[Any, Any]:
        return {self.library: self._library(request, Place.read(place), search)}

    @_sentences
    def name(self, place: str, seen: str, title: str, request: gr.Request) -> dict[Any, Any]:
        here = Place.read(place)
        self.chat.store.rename(_owner(request), str(here.conversation), title)
        return self._show(request, here, seen)

    @_sentences
    def take_in(self, file: str, place: str, seen: str, request: gr.Request) -> dict[Any, Any]:
        """Imports a conversation and opens it."""
        try:
            conversation = import_conversation(self.chat.database, _owner(request), Path(file))
        finally:
            Path(file).unlink(missing_ok=True)
        return self._show(request, Place(conversation.id, self.chat.tip(_owner(request), conversation)), seen)

    @_sentences
    def ask_to_delete(self, place: str, seen: str, request: gr.Request) -> dict[Any, Any]:
        here = Place.read(place)
        conversation = self.chat.store.conversation(_owner(request), str(here.conversation))
        n = len(self.chat.store.versions(_owner(request), conversation.id))
        question = say(language_of(request.headers), "delete_sure", title=conversation.title, n=n)
        return {self.sure: gr.update(visible=True), self.question: f'<p role="alert">{views.html.escape(question)}</p>'}

    @_sentences
    def delete_for_good(self, place: str, seen: str, request: gr.Request) -> dict[Any, Any]:
        self.chat.store.delete_conversation(_owner(request), str(Place.read(place).conversation))
        return self._show(request, Place(), seen)

    @_sentences
    def restore(self, file: str, request: gr.Request) -> dict[Any, Any]:
        """Message and settings of a video that was made here."""
        restored = self.chat.restore(Path(file))
        Path(file).unlink(missing_ok=True)
        choice = restored.choice
        width, height = map(int, (choice.size or "1x1").split("x"))
        shape = "square" if width == height else "wide" if width > height else "tall"
        length = choice.seconds if choice.seconds in (STILL_SECONDS, *LENGTHS) else 0
        values = [getattr(choice, name) or 0 for name in SLIDERS]
        settings = {self.shape: shape, self.length: length, self.seed: str(choice.seed), self.notice: ""}
        message = {self.message: {"text": restored.message, "files": []}}
        return {**message, **settings, **dict(zip(self.sliders, values, strict=True))}

    # ------------------------------------------------------------------------------------------------ showing

    def _versions(self, owner: str, here: Place) -> list[Version]:
        return self.chat.store.versions(owner, here.conversation) if here.conversation else []

    def _turn(self, request: gr.Request, here: Place, index: Any) -> Version:
        """The version that a message of the log belongs to."""
        place = index[0] if isinstance(index, list | tuple) else index
        return self.chat.log(self._versions(_owner(request), here), here.shown)[int(place) // 2].version

    def _library(self, request: gr.Request, here: Place, search: str = "") -> str:
        owner = _owner(request)
        busy = {job.conversation for job in self.chat.queue.open_jobs(owner)}
        found = self.chat.store.conversations(owner, search)
        return views.library(found, here.conversation, busy, language_of(request.headers))

    def _welcome(self, language: str, begun: bool) -> dict[Any, Any]:
        """An empty conversation invites; one that has begun hints at what can be said next."""
        hint = gr.update(placeholder=say(language, "prompt_next" if begun else "prompt_hint"))
        return {self.welcome: gr.update(value=views.welcome(language), visible=not begun), self.message: hint}

    def _show(self, request: gr.Request, here: Place, seen: str | dict[str, str], *again: str) -> dict[Any, Any]:
        """What changed since the page saw it last; `again`: what the browser changed by itself."""
        owner, language = _owner(request), language_of(request.headers)
        versions = self._versions(owner, here)
        if here.compare not in {version.id for version in versions}:
            here = replace(here, compare=None)
        turns = self.chat.log(versions, here.shown)
        playing = _playing(versions, here.shown)
        other = next((v for v in versions if v.id == here.compare and playing and v.id != playing.id), None)
        facts = self.chat.queue.worker_state().facts
        log, ratings = views.messages(turns, language), [_FEEDBACK.get(turn.version.rating) for turn in turns]
        title = self.chat.store.conversation(owner, here.conversation).title if here.conversation else ""
        parts: dict[str, tuple[Any, dict[Any, Any]]] = {
            "welcome": ([bool(turns), language], self._welcome(language, bool(turns))),
            "log": ([log, ratings], {self.log: gr.update(value=log, feedback_value=ratings, visible=bool(turns))}),
            "player": _part(self.player, views.player(playing, other, facts.step if facts else 0.5, language)),
            "strip": _part(self.strip, views.strip(versions, here.shown, other is not None, language)),
            "library": _part(self.library, self._library(request, here)),
            "title": ([title, here.conversation], {self.title: title, self.sure: gr.update(visible=False)}),
            "about": (here.conversation, {self.about: gr.update(visible=here.conversation is not None)}),
            "exports": _part(self.exports, views.exports(here.conversation, language)),
        }
        before = seen if isinstance(seen, dict) else json.loads(seen or "{}")
        now = {name: hashlib.sha256(repr(key).encode()).hexdigest()[:12] for name, (key, _) in parts.items()}
        update: dict[Any, Any] = {self.place: here.text(changes_of(versions)), self.seen: json.dumps(now)}
        update[self.notice] = views.notice(here.said, "status") if here.said else ""
        for name, (_, change) in parts.items():
            if before.get(name) != now[name] or name in again:
                update |= change
        return update


_FEEDBACK = {1: "Like", -1: "Dislike"}


def _part(component: Any, value: str) -> tuple[str, dict[Any, Any]]:
    return value, {component: value}


def _playing(versions: list[Version], shown: str | None) -> Version | None:
    """What the player shows: the version itself, or while that one is made the last finished one of its branch."""
    branch = [turn.version for turn in Chat.log(versions, shown) if turn.version.has_video]
    finished = [version for version in versions if version.has_video]
    return next(iter(branch[::-1] or finished[::-1]), None)


def _seed(text: str) -> int | None:
    typed = (text or "").strip()
    if typed and not typed.isdecimal():
        raise Refusal("seed_not_a_number", seed=typed[:40])
    return int(typed) if typed else None
