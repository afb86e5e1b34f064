"""What the chat remembers, as plain values: conversations, versions, jobs, the state of the worker, the facts of its model.

A conversation is a tree of versions. A version is one message and the video that answered it; its parent is the version
that the message was said about, or None. Rows of the database become these records in store.py and jobs.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gpt_video.request import Lengths

# What a turn can do. The model knows three of these (gpt_video.sequence.ACTIONS); the others are made of them:
# new, board    a new video, of one prompt or of timed prompts
# image         a new video whose first frame is given
# edit          the current film, changed
# continue      the current film, longer
# from_here     the current film up to a moment, then other words
# loop          the current film forth and back, without a visible end
# upload        a video that the person brought
ACTIONS = ("new", "board", "image", "edit", "continue", "from_here", "loop", "upload")
BUILDS_ON_PARENT = ("edit", "continue", "from_here", "loop")
WAITING, COMPLETE, PARTIAL, FAILED = "waiting", "complete", "partial", "failed"  # of a version; partial: stopped, kept
QUEUED, RUNNING, DONE, CANCELLED = "queued", "running", "done", "cancelled"  # of a job, or FAILED


@dataclass(frozen=True)
class Segment:
    """Words for the model and how long they hold; `seconds` None leaves the length to the model."""

    prompt: str
    seconds: float | None = None


@dataclass(frozen=True)
class Step:
    """One version to make, everything chosen.

    message: what the person typed; `segments`: what the model reads of it, in order (one, unless it is a storyboard).
    kept: of "from_here", how many latent frames of the parent's film stay. at: the moment in seconds that this is.
    settings: size, temperature, top_k, top_p, guidance_scale, where they were chosen.
    notes: what the reply should say beside the result, such as {"asked_at": 1.7}.
    """

    action: str
    message: str
    segments: tuple[Segment, ...]
    seed: int
    parent: str | None = None
    kept: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        return " / ".join(segment.prompt for segment in self.segments)


@dataclass(frozen=True)
class Conversation:
    """`current`: id of the version that is shown and that the next message is about. Times are seconds since 1970."""

    id: str
    owner: str
    title: str
    language: str
    created: float
    updated: float
    current: str | None


@dataclass(frozen=True)
class Version:
    """One message and its video. `number` counts from 1 in the conversation, in the order of asking.

    state: waiting (a job is to make it), complete, partial (stopped; what was made is kept) or failed (`error` says why).
    settings: as in `Step`, after the making with every choice made. notes: facts of the making, for the reply.
    frames, fps: of the video that is shown, 0 while there is none. latents: latent frames of its film.
    model, tokenizer: hashes of what made it. rating: 1, -1, or 0.
    """

    id: str
    conversation: str
    parent: str | None
    number: int
    step: Step
    state: str
    created: float
    finished: float | None
    error: str
    frames: int
    fps: float
    latents: int
    model: str
    tokenizer: str
    rating: int

    @property
    def action(self) -> str:
        return self.step.action

    @property
    def seconds(self) -> float:
        """Length of the video that is shown."""
        return self.frames / self.fps if self.fps else 0.0

    @property
    def has_video(self) -> bool:
        return self.state in (COMPLETE, PARTIAL)


@dataclass(frozen=True)
class Job:
    """The making of one version. Every job ends exactly once: done, failed or cancelled.

    done, total: latent frames; frame, frames: of the video being made; seconds_left: an estimate, 0 before the first frame.
    place: 0 for a running job, else how many jobs start before this one, plus 1. resumed: a worker ended while making it.
    focus: its version becomes the current one when it is done.
    """

    id: str
    owner: str
    conversation: str
    version: str
    state: str
    created: float
    started: float | None
    finished: float | None
    done: int
    total: int
    frame: int
    frames: int
    seconds_left: float
    stopping: bool
    resumed: bool
    focus: bool
    error: str
    place: int = 0

    @property
    def is_open(self) -> bool:
        return self.state in (QUEUED, RUNNING)


@dataclass(frozen=True)
class ModelFacts:
    """What the page must know of the model that the worker holds.

    sizes: "WxH", the default first. fresh, onward: trained latent lengths of a turn that starts a video, and of one that
    goes on. step: seconds of one latent frame. words: every word of its training, or None where the model does not say.
    """

    model: str
    tokenizer: str
    fps: float
    step: float
    sizes: tuple[str, ...]
    fresh: tuple[int, ...]
    onward: tuple[int, ...]
    temperature: float
    top_k: int
    top_p: float
    guidance_scale: float
    words: frozenset[str] | None = None

    def lengths(self, action: str) -> Lengths:
        """Possible lengths of an action's new part."""
        fresh = action not in ("continue", "from_here")
        return Lengths(self.fresh if fresh else self.onward, fresh, self.step, self.fps)

    def to_json(self) -> str:
        words = None if self.words is None else sorted(self.words)
        return json.dumps({**asdict(self), "words": words}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ModelFacts:
        record = json.loads(text)
        lists = {name: tuple(record[name]) for name in ("sizes", "fresh", "onward")}
        words = None if record["words"] is None else frozenset(record["words"])
        return cls(**{**record, **lists, "words": words})


@dataclass(frozen=True)
class WorkerState:
    """state: "absent" (none is alive), "loading", "ready" or "broken" (`error`: one sentence). facts: once it is ready."""

    state: str
    error: str = ""
    facts: ModelFacts | None = None
