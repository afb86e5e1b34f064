"""The turn of a conversation: what a message does, and what the model is asked. Pure: no page, no files, no model.

    steps = plan(path, message, Choice(...), facts)                # what to make: records.Step
    request = request_of(step, 0, context, image)                  # what the model is asked

`path`: the versions from the root of the conversation to the current one (Store.path); empty in a new conversation.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chat_app.intent import intent, seconds_in
from chat_app.records import (
    ACTIONS,
    BUILDS_ON_PARENT,
    WAITING,
    ModelFacts,
    Segment,
    Step,
    Version,
)
from chat_app.storyboard import is_storyboard, parse
from chat_app.words import Refusal
from gpt_video.request import GenerateRequest, PastTurn, cut_film, film_codes

MOST_VARIATIONS = 8
SAMPLING = ("temperature", "top_k", "top_p", "guidance_scale")
_MODEL_ACTION = {
    "new": "new",
    "board": "new",
    "image": "new",
    "edit": "edit",
    "continue": "continue",
    "from_here": "continue",
}


@dataclass(frozen=True)
class Choice:
    """What the person chose beside the words. None leaves it to the words, to the video before, or to the model.

    action: one of records.ACTIONS, "again" (the current version once more) or "longer". at: a moment of the current video in
    seconds, of "from_here". seconds: length of the new part. size: "square", "wide", "tall" or "WxH", of a new video.
    seed: None draws one. n: how many variations. image_of: a version whose image is used again, where no new one is given.
    """

    action: str | None = None
    seconds: float | None = None
    size: str | None = None
    seed: int | None = None
    at: float | None = None
    n: int = 1
    image_of: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    guidance_scale: float | None = None


# ---------------------------------------------------------------------------------------------------- what to make


def plan(
    path: Sequence[Version],
    message: str,
    choice: Choice = Choice(),
    facts: ModelFacts | None = None,
) -> list[Step]:
    """The versions that a message asks for: one, or `choice.n` that differ in their seeds.

    The action is that of the button, else that of the words, else the likeliest. Raises Refusal or ValueError, in one
    sentence, on what cannot be done; with `facts` also on sizes and lengths that the model does not know.
    """
    message = message.strip()
    current = _last_with_video(path)
    action = action_of(message, choice, current is not None)
    if action == "again":
        return again(path, choice)
    if action in BUILDS_ON_PARENT and current is None:
        raise Refusal("no_video_yet")
    if not message and action not in ("loop", "upload", "continue"):
        raise Refusal("empty_message")
    step = _step(path, current, message, action, choice, facts)
    _check(step, facts)
    return _seeds(step, choice)


def again(path: Sequence[Version], choice: Choice = Choice()) -> list[Step]:
    """Variations of the last version of the path: its siblings, with other seeds and the same words and choices."""
    if not path:
        raise Refusal("no_video_yet")
    step = path[-1].step
    if step.action in ("upload", "loop"):
        raise Refusal("no_variation")
    chosen = {name: getattr(choice, name) for name in SAMPLING if getattr(choice, name) is not None}
    notes = {name: value for name, value in step.notes.items() if name == "from"}
    notes |= {"image_of": path[-1].id} if step.action == "image" else {}
    return _seeds(replace(step, settings={**step.settings, **chosen}, notes=notes), choice)


def instead(
    path: Sequence[Version],
    action: str,
    choice: Choice = Choice(),
    facts: ModelFacts | None = None,
) -> list[Step]:
    """The last version of the path once more with another action: the same message and seed, a sibling."""
    step = path[-1].step
    seed = step.seed if choice.seed is None else choice.seed
    return plan(path[:-1], step.message, replace(choice, action=action, seed=seed), facts)


def action_of(message: str, choice: Choice, has_video: bool) -> str:
    """What a message does: one of records.ACTIONS, or "again"."""
    if choice.action is not None:
        asked = "continue" if choice.action == "longer" else choice.action
        if asked not in (*ACTIONS, "again"):
            raise Refusal("unknown_action", action=asked)
        return "board" if asked == "new" and is_storyboard(message) else asked
    if choice.at is not None and has_video:
        return "from_here"
    if is_storyboard(message):
        return "board"
    if not has_video:
        return "new"
    meant = intent(message)
    return "continue" if meant == "longer" else meant


def _step(
    path: Sequence[Version],
    current: Version | None,
    message: str,
    action: str,
    choice: Choice,
    facts: ModelFacts | None,
) -> Step:
    settings = {name: getattr(choice, name) for name in SAMPLING if getattr(choice, name) is not None}
    if action in ("new", "board", "image", "upload") and choice.size is not None:
        settings["size"] = choice.size
    parent = path[-1].id if path else None
    kept, seconds = None, choice.seconds
    notes: dict[str, Any] = {}
    if action in BUILDS_ON_PARENT:
        assert current is not None
        parent = current.id
    if action == "image" and choice.image_of is not None:
        notes = {"image_of": choice.image_of}
    if action == "edit":
        seconds = None  # as long as its source
    if action == "from_here":
        assert current is not None
        kept, moment = snap(current, choice.at if choice.at is not None else current.seconds, facts)
        notes = {"from": moment}
        if seconds is None:
            seconds = _rest(current, kept, facts)
    if action == "continue" and seconds is None:
        seconds = seconds_in(message)
    return Step(action, message, _segments(path, message, action, seconds), 0, parent, kept, settings, notes)


def _segments(path: Sequence[Version], message: str, action: str, seconds: float | None) -> tuple[Segment, ...]:
    if action == "board":
        return parse(message, seconds)
    words = message
    # "Go on" says nothing that the model knows: it reads the last words that did.
    if action in ("continue", "loop", "upload") and (not message or intent(message) in ("longer", "loop")):
        earlier = [version.step.segments[-1].prompt for version in path if version.has_video]
        words = next((text for text in reversed(earlier) if text.strip()), "")
    if action == "continue" and not words:
        raise Refusal("say_what_next")
    return (Segment(words, seconds),)


def _seeds(step: Step, choice: Choice) -> list[Step]:
    if not 1 <= choice.n <= MOST_VARIATIONS:
        raise Refusal("too_many_variations", n=choice.n, most=MOST_VARIATIONS)
    seed = secrets.randbelow(2**31) if choice.seed is None else choice.seed
    if not isinstance(seed, int) or not 0 <= seed < 2**63 - MOST_VARIATIONS:
        raise Refusal("seed_unknown", seed=str(seed)[:40])
    return [replace(step, seed=seed + i) for i in range(choice.n)]


def _last_with_video(path: Sequence[Version]) -> Version | None:
    """The version that a message is about: the last one that has a video, or that is going to have one."""
    return next((v for v in reversed(path) if v.has_video or v.state == WAITING), None)


def _check(step: Step, facts: ModelFacts | None) -> None:
    """Says early what the model would refuse later."""
    nothing = PastTurn("", "new", np.zeros((1, 1, 1), np.int64))
    if step.action not in ("loop", "upload"):
        request_of(step, 0, (nothing,))
    if facts is None or step.action in ("loop", "upload"):
        return
    for i, segment in enumerate(step.segments):
        if segment.seconds is not None:
            try:
                facts.lengths("continue" if i else step.action).latent(segment.seconds)
            except ValueError:
                raise Refusal(
                    "length_unknown", seconds=f"{segment.seconds:g}", known=_known(facts, step.action, i)
                ) from None


def _known(facts: ModelFacts, action: str, i: int) -> str:
    lengths = facts.lengths("continue" if i else action)
    return ", ".join(f"{lengths.seconds(t):g}" for t in lengths.trained)


# ---------------------------------------------------------------------------------------------------- moments


def snap(version: Version, at: float, facts: ModelFacts | None) -> tuple[int, float]:
    """The latent border at or before a moment of a version's video: latent frames kept, and the time of the last kept frame.

    A video may go on from whole latent frames only: the first frame alone, or that and every half second after it.
    """
    fps, total = version.fps or (facts.fps if facts else 8.0), version.latents
    step = facts.step if facts else _step_of(version)
    frame = math.floor(max(at, 0.0) * fps + 1e-6)
    per_latent = max(1, round(step * fps))
    kept = 1 + frame // per_latent
    kept = min(kept, total) if total else kept
    return kept, (kept - 1) * per_latent / fps


def _step_of(version: Version) -> float:
    """Seconds of a latent frame, read from a version's own numbers."""
    if version.latents < 2 or not version.fps:
        return 0.5
    return (version.frames - 1) / (version.latents - 1) / version.fps


def _rest(version: Version, kept: int, facts: ModelFacts | None) -> float | None:
    """What is left of the film after the kept part, as the nearest length that the model knows; None without facts."""
    if facts is None:
        return None
    lengths, left = facts.lengths("continue"), version.latents - kept
    t = left if left > lengths.trained[-1] else min(lengths.trained, key=lambda known: (abs(known - left), known))
    return lengths.seconds(t)


# ---------------------------------------------------------------------------------------------------- what the model is asked


def context_of(path: Sequence[Version], turns: Sequence[Sequence[PastTurn]]) -> tuple[PastTurn, ...]:
    """The turns that the model reads before a version: those of the path to its parent, films cut where a version said so.

    `turns`: the turns that each version of the path added (none for one without a video). What lies before the last new
    video is left out: no turn after it speaks of it.
    """
    context: tuple[PastTurn, ...] = ()
    for version, own in zip(path, turns, strict=True):
        if not own:
            continue
        if version.step.kept is not None and context:
            context = cut_film(context, version.step.kept)
        context = tuple(own) if own[0].action == "new" else (*context, *own)
    return context


def request_of(
    step: Step, index: int, context: Sequence[PastTurn] = (), image: np.ndarray | None = None
) -> GenerateRequest:
    """What the model is asked for one segment of a step.

    `context`: the turns before it, as `context_of` gives them, plus the segments before it. `image`: frame_HWC uint8.
    Raises ValueError, in one sentence, on values that no model could take.
    """
    segment, action = step.segments[index], "continue" if index else _MODEL_ACTION[step.action]
    context = tuple(context) if action != "new" else ()
    if step.kept is not None and not index:
        context = cut_film(context, min(step.kept, len(film_codes(context))))
    settings = dict(step.settings)
    if action != "new":
        settings.pop("size", None)
    first_frame = image if step.action == "image" and not index else None
    return GenerateRequest(
        segment.prompt,
        seconds=segment.seconds,
        seed=step.seed if not index else (step.seed + index) % 2**63,
        action=action,
        context=context,
        image=first_frame,
        **settings,
    )
