"""What the store knows -> what the page shows, as HTML and as messages of the log. Pure: no Gradio, no database.

Every control is a real button or link with a name; page.js sends what a button says in `data-do` to app.py. Videos and
pictures are addresses of server.py, which gives them to their owner only.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chat_app.chat import Turn
from chat_app.records import (
    BUILDS_ON_PARENT,
    FAILED,
    PARTIAL,
    RUNNING,
    WAITING,
    Conversation,
    Job,
    Version,
    WorkerState,
)
from chat_app.reply import reply
from chat_app.words import EXAMPLES, say

EXTENSIONS = (1, 2, 4)  # seconds that the buttons offer
_PLAY_PAUSE = (
    '<svg width="16" height="12" viewBox="0 0 16 12" aria-hidden="true">'
    '<path fill="currentColor" d="M0 0l8 6-8 6zM10 0h2v12h-2zM14 0h2v12h-2z"/></svg>'
)


def media(version: str, kind: str) -> str:
    return f"/media/{version}/{kind}"


def _button(do: str, text: str, *, label: str = "", kind: str = "", **data: object) -> str:
    more = "".join(f' data-{name}="{html.escape(str(value))}"' for name, value in data.items())
    named = f' aria-label="{html.escape(label)}" title="{html.escape(label)}"' if label else ""
    return f'<button type="button" class="gv-button {kind}" data-do="{do}"{more}{named}>{text}</button>'


def _link(address: str, text: str, download: bool = True) -> str:
    return f'<a class="gv-button" href="{address}"{" download" if download else ""}>{html.escape(text)}</a>'


def _seconds(value: float, language: str) -> str:
    text = f"{value:.1f}".removesuffix(".0")
    return text.replace(".", ",") if language == "fr" else text


def _length(version: Version) -> float:
    """Seconds as people ask for them: the first frame is not counted."""
    return (version.frames - (version.action != "loop")) / version.fps if version.fps else 0.0


# ---------------------------------------------------------------------------------------------------- the log


def messages(turns: Sequence[Turn], language: str) -> list[dict[str, Any]]:
    """The log for gr.Chatbot: what the person said and what the page answered, in pairs."""
    log: list[dict[str, Any]] = []
    for turn in turns:
        version = turn.version
        asked = version.step.message or say(language, f"did_{version.action}")
        log.append({"role": "user", "content": asked})
        log.append({"role": "assistant", "content": _answer(turn, language)})
    if turns:
        log[-1]["options"] = _ways_out(turns, language)
    return log


def _answer(turn: Turn, language: str) -> str:
    version, lines = turn.version, list[str]()
    if version.has_video:
        alt = say(language, "version", n=version.number)
        lines.append(f"[![{alt}]({media(version.id, 'thumbnail')})](#v={version.id})")
    lines.append(reply(version, language))
    if len(turn.siblings) > 1:
        place = [v.id for v in turn.siblings].index(version.id) + 1
        links = [f"**{i}**" if v.id == version.id else f"[{i}](#v={v.id})" for i, v in enumerate(turn.siblings, 1)]
        text = say(language, "siblings", n=place, total=len(links))
        lines.append(f"{text} ‹ {' · '.join(links)} ›")
    return "\n\n".join(lines)


def _ways_out(turns: Sequence[Turn], language: str) -> list[dict[str, str]]:
    """One click takes back what was understood wrongly."""
    action = turns[-1].version.action
    had_video = any(turn.version.has_video for turn in turns[:-1])
    others = ("new", "edit", "continue") if had_video and action in ("new", "edit", "continue", "from_here") else ()
    options = [{"value": name, "label": say(language, f"rather_{name}")} for name in others if name != action]
    return [*options, {"value": "undo", "label": say(language, "undo")}] if len(turns) > 1 else options


# ---------------------------------------------------------------------------------------------------- the player


def player(version: Version | None, other: Version | None, step: float, language: str) -> str:
    """The video that is current, with what can be done with it; with `other`, both in step."""
    if version is None:
        return f'<div class="gv-player gv-empty"><p>{html.escape(say(language, "empty"))}</p></div>'
    if other is not None:
        return _pair(version, other, language)
    moment = html.escape(say(language, "moment", at="{at}"))
    return (
        f'<div class="gv-player" data-version="{version.id}" data-step="{step}" data-moment="{moment}">'
        f"{_figure(version, language, 'controls')}"
        f'<p class="gv-moment" role="status" hidden><span></span>{_button("play", "▶", label=say(language, "moment_off"))}</p>'
        f'<div class="gv-actions" role="toolbar" aria-label="{html.escape(say(language, "version", n=version.number))}">'
        f"{_actions(version, language)}</div></div>"
    )


def _figure(version: Version, language: str, controls: str) -> str:
    prompt = html.escape(version.step.message or version.step.prompt)
    name = say(language, "version", n=version.number)
    facts = [f"{_seconds(_length(version), language)} s", str(version.step.settings.get("size", "")).replace("x", "×")]
    facts += [say(language, "is_partial")] if version.state == PARTIAL else []
    return (
        f'<figure><video src="{media(version.id, "video")}" {controls} loop muted playsinline autoplay preload="auto" '
        f'aria-label="{name}: {prompt}"></video><figcaption><b>{name}</b> <q>{prompt}</q>'
        f"<small>{' · '.join(fact for fact in facts if fact)}</small></figcaption></figure>"
    )


def _actions(version: Version, language: str) -> str:
    drawn = version.action not in ("upload", "loop")
    parts = [_button("again", say(language, "variant"))] if drawn else []
    longer = "".join(_button("extend", f"+{n} s", label=say(language, "extend_by", n=n), seconds=n) for n in EXTENSIONS)
    parts.append(f'<span class="gv-group"><span>{say(language, "extend")}</span>{longer}</span>')
    parts += [_button("loop", say(language, "loop"))] if version.action != "loop" else []
    parts.append(_button("compare", say(language, "compare")))
    if drawn:
        seed = say(language, "use_seed", seed=version.step.seed)
        parts.append(_button("seed", seed, label=f"{seed}: {say(language, 'use_seed_hint')}", seed=version.step.seed))
    parts.append(_link(f"{media(version.id, 'video')}?download=1", say(language, "download")))
    parts += [_link(f"/export/film/{version.id}", say(language, "film"))] if version.parent else []
    return "".join(parts)


def _pair(left: Version, right: Version, language: str) -> str:
    """Two videos, one clock: page.js keeps them in step."""
    play = html.escape(say(language, "play_both"))
    better = [
        _button("prefer", say(language, "better", n=a.number), better=a.id, worse=b.id)
        for a, b in ((left, right), (right, left))
    ]
    halves = "".join(
        f"<div>{_figure(version, language, '')}{button}</div>"
        for version, button in zip((left, right), better, strict=True)
    )
    return (
        f'<div class="gv-player gv-pair" data-version="{left.id}"><div class="gv-halves">{halves}</div>'
        f'<div class="gv-both"><button type="button" class="gv-button" data-do="both" aria-label="{play}">{_PLAY_PAUSE}</button>'
        f'<input type="range" min="0" max="1000" value="0" aria-label="{html.escape(say(language, "position"))}">'
        f"{_button('compare-end', say(language, 'compare_end'))}</div></div>"
    )


# ---------------------------------------------------------------------------------------------------- the strip


def strip(versions: Sequence[Version], shown: str | None, comparing: bool, language: str) -> str:
    """A thumbnail a version in the order of asking; those that answer the same moment as the shown one are marked."""
    if not versions:
        return ""
    numbers = {version.id: version.number for version in versions}
    parent = next((version.parent for version in versions if version.id == shown), None)
    items = []
    for version in versions:
        sibling = version.parent == parent
        items.append(_thumbnail(version, numbers, version.id == shown, sibling, comparing, language))
    return f'<ol class="gv-strip" aria-label="{html.escape(say(language, "versions"))}">{"".join(items)}</ol>'


def _thumbnail(
    version: Version, numbers: Mapping[str, int], current: bool, sibling: bool, comparing: bool, language: str
) -> str:
    on = version.parent and version.action in BUILDS_ON_PARENT
    key = "version_from" if on else "version"
    label = say(language, key, n=version.number, parent=numbers.get(version.parent or "", ""))
    state = {WAITING: "is_waiting", FAILED: "is_failed", PARTIAL: "is_partial"}.get(version.state)
    label = f"{label}: {version.step.message or version.step.prompt}" + (f" ({say(language, state)})" if state else "")
    rating = {1: " ▲", -1: " ▼"}.get(version.rating, "")
    signs = f"<b>{version.number}</b>" + (f"<i>← {numbers.get(version.parent or '', '')}</i>" if on else "") + rating
    if version.has_video:
        picture = f'<img src="{media(version.id, "thumbnail")}" alt="" loading="lazy">'
    else:
        picture = f'<span class="gv-nothing">{"✕" if version.state == FAILED else "…"}</span>'
    marks = " ".join(
        name for name, holds in (("current", current), ("sibling", sibling), (version.state, True)) if holds
    )
    do = "compare" if comparing and version.has_video and not current else "show"
    if do == "compare":
        label = say(language, "compare_with", n=version.number)
    more = ' aria-current="true"' if current else ""
    cancel = say(language, "cancel_one", n=version.number)
    x = _button("cancel", "✕", label=cancel, kind="gv-x", id=version.id) if version.state == WAITING else ""
    return (
        f'<li class="{marks}"><button type="button" data-do="{do}" data-id="{version.id}"{more} '
        f'aria-label="{html.escape(label)}" title="{html.escape(label)}">{picture}<span>{signs}</span></button>{x}</li>'
    )


# ---------------------------------------------------------------------------------------------------- what is being made


def progress(jobs: Sequence[Job], versions: Sequence[Version], worker: WorkerState, language: str) -> str:
    """What is being made in this conversation: the picture so far, frame i of n, seconds left, place in the queue."""
    if not jobs:
        said = say(language, "broken", reason=worker.error) if worker.state == "broken" else ""
        return f'<p class="gv-broken" role="alert">{html.escape(said)}</p>' if said else ""
    job = next((job for job in jobs if job.state == RUNNING), jobs[0])
    messages_of = {version.id: version.step.message for version in versions}
    line, more = html.escape(_line(job, worker, language)), len(jobs) - 1
    line += f" <small>{html.escape(say(language, 'and_more', n=more))}</small>" if more else ""
    share = job.done / job.total if job.total else 0.0
    picture = ""
    if job.done:
        alt = html.escape(say(language, "preview"))
        picture = f'<img class="gv-moving" src="/live/{job.id}/moving?n={job.done}" alt="{alt}">'
    return (
        f'<div class="gv-making" data-job="{job.id}">{picture}<div class="gv-making-text">'
        f'<q>{html.escape(messages_of.get(job.version, ""))}</q><p role="status">{line}</p>'
        f'<div class="gv-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{round(100 * share)}" '
        f'aria-label="{html.escape(say(language, "preview"))}"><div style="width:{100 * share:.1f}%"></div></div>'
        f"{_button('stop', say(language, 'stop'), kind='gv-stop')}</div></div>"
    )


def _line(job: Job, worker: WorkerState, language: str) -> str:
    if job.stopping:
        return say(language, "stopping")
    if worker.state == "broken":
        return say(language, "broken", reason=worker.error)
    if worker.state in ("loading", "absent"):
        return say(language, worker.state)
    if job.state != RUNNING:
        return say(language, "place", place=job.place)
    if not job.done:
        return say(language, "reading")
    return say(language, "progress", done=job.frame, total=job.frames, left=max(1, round(job.seconds_left)))


# ---------------------------------------------------------------------------------------------------- the library


def library(conversations: Sequence[Conversation], current: str | None, busy: Collection[str], language: str) -> str:
    """The owner's conversations, the latest first."""
    items = []
    for each in conversations:
        title = html.escape(each.title or say(language, "untitled"))
        mark = ' aria-current="page"' if each.id == current else ""
        dot = (
            f' <span class="gv-dot" title="{html.escape(say(language, "is_waiting"))}"></span>'
            if each.id in busy
            else ""
        )
        items.append(f'<li><button type="button" data-do="open" data-id="{each.id}"{mark}>{title}{dot}</button></li>')
    if not items:
        return f'<p class="gv-none">{html.escape(say(language, "nothing_found"))}</p>'
    return f'<ul class="gv-library">{"".join(items)}</ul>'


def exports(conversation: str | None, language: str) -> str:
    """Links to what can be taken away."""
    links = [_link(f"/export/conversation/{conversation}", say(language, "export"))] if conversation else []
    return f'<div class="gv-actions">{"".join(links)}</div>'


def notice(text: str, role: str = "alert") -> str:
    """One sentence to the person: what could not be done, or that something was noted."""
    return f'<p class="gv-notice" role="{role}">{html.escape(text)}</p>'


def header(language: str) -> str:
    """The name of the page, a new conversation, the other language."""
    other = "".join(
        f'<button type="button" data-do="language" data-language="{code}" lang="{code}"'
        f"{' aria-current=true' if code == language else ''}>{name}</button>"
        for code, name in (("en", "EN"), ("fr", "FR"))
    )
    return (
        f'<header class="gv-header" lang="{language}"><h1>gpt-video</h1><p>{html.escape(say(language, "tagline"))}</p>'
        f"{_button('new', '+ ' + say(language, 'new_conversation'))}"
        f'<span class="gv-languages" role="group" aria-label="{html.escape(say(language, "language"))}">{other}</span></header>'
    )


def welcome(language: str) -> str:
    """What an empty conversation says, with messages to start from."""
    cards = "".join(
        f'<button type="button" data-do="example" data-text="{html.escape(text)}">{html.escape(text)}</button>'
        for text in EXAMPLES[language]
    )
    return (
        f'<div class="gv-welcome"><h2>{say(language, "welcome")}</h2><p>{say(language, "welcome_more")}</p>'
        f'<div class="gv-cards">{cards}</div></div>'
    )
