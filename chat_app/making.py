"""One job, start to end: what the model reads, the preview while it works, the files that stay.

Enters: a `Claim` (claims.py) and a loaded `VideoGenerator`. Leaves: an `Outcome` and the files of the version. Codes are kept
after every latent frame, so that a job whose worker died is taken up where it was.
"""

from __future__ import annotations

import json
import secrets
import time
import traceback
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chat_app.claims import Claim, Claims, Outcome
from chat_app.preview import PREVIEW_FRAMES, moving_webp, still_webp
from chat_app.records import COMPLETE, FAILED, PARTIAL, ModelFacts, Segment, Step, Version
from chat_app.reply import unknown_words
from chat_app.store import Store
from chat_app.turn import SAMPLING, context_of, request_of
from chat_app.version_files import (
    DRAFT,
    MOVING,
    read_turns,
    remove_work,
    version_folder,
    write_turns,
)
from chat_app.words import Refusal, to_record
from gpt_video.diorama.edits import words_of_instructions
from gpt_video.diorama.lexicon import LANGUAGES
from gpt_video.disk import is_full, write_bytes
from gpt_video.files import save_video, sidecar_of
from gpt_video.generate import VideoGenerator
from gpt_video.request import GeneratedVideo, PastTurn, Progress, film_codes, parse_size, size_name
from tokenizer import video as video_files

LONGEST_UPLOAD = 10.0  # seconds that are read of a video that was brought
REMEMBERED_FILMS = 4  # of the last made, in memory
SIGNAL_SECONDS = 0.1  # between two looks at whether to stop


class Dropped(Exception):
    """The job is no longer this worker's: it was deleted, or another one has it."""


def facts_of(generator: VideoGenerator) -> ModelFacts:
    """What the page must know of a loaded model."""
    settings, bundle = generator.settings, generator.bundle
    return ModelFacts(
        model=bundle.model_hash,
        tokenizer=bundle.tokenizer_hash,
        fps=settings.fps,
        step=generator.lengths("new").step,
        sizes=tuple(map(size_name, settings.shapes)),
        fresh=settings.latent_frames,
        onward=settings.continue_frames,
        **{name: getattr(settings, name) for name in SAMPLING},
        words=_words(generator),
    )


def _words(generator: VideoGenerator) -> frozenset[str] | None:
    """The words of the training texts: listed beside the text tokenizer, or those of the small world if it was made of it."""
    if generator.bundle.text_tokenizer.words is not None:
        return generator.bundle.text_tokenizer.words
    try:
        manifest = json.loads((generator.bundle.folder / "training_data.json").read_text("utf-8"))
        if str(manifest.get("source", "")).startswith("diorama"):
            return frozenset().union(*map(words_of_instructions, LANGUAGES))
    except (OSError, ValueError, AttributeError):
        pass
    return None


@dataclass
class Film:
    """What is made of a version so far: the turns it adds, their frames, and the last of them as the generator gave it."""

    context: tuple[PastTurn, ...]
    turns: tuple[PastTurn, ...] = ()
    video: GeneratedVideo | None = None
    pieces: tuple[np.ndarray, ...] = ()
    segments: tuple[Segment, ...] = ()
    seconds: float = 0.0
    tokens: int = 0


class Maker:
    """Makes the videos of jobs with one model."""

    def __init__(self, generator: VideoGenerator, claims: Claims) -> None:
        self.generator, self.claims = generator, claims
        self.store = Store(claims.database)
        self.facts = facts_of(generator)
        self._films: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=REMEMBERED_FILMS)

    def film(self, turns: Sequence[PastTurn]) -> np.ndarray:
        """frames_THWC of a film; those made last, or the beginnings of them, are not decoded again."""
        codes_thw = film_codes(turns)
        for known_thw, frames_THWC in self._films:
            if np.array_equal(known_thw[: len(codes_thw)], codes_thw):
                return frames_THWC[: self.frames(len(codes_thw))]
        return self.generator.film(turns)

    def remember(self, turns: Sequence[PastTurn], frames_THWC: np.ndarray) -> None:
        """Keeps a film for `film`."""
        self._films.appendleft((film_codes(turns), frames_THWC))

    def frames(self, t: int, fresh: bool = True) -> int:
        """Frames of t latent frames, of a video from its start or (not fresh) of a piece from later."""
        per_latent = round(self.facts.step * self.facts.fps)
        return 1 + (t - 1) * per_latent if fresh else t * per_latent

    def make(self, claim: Claim) -> None:
        """Makes the video and ends the job. Whatever goes wrong in it ends this job only, with the reason."""
        folder = version_folder(self.claims.database.folder, claim.version.id)
        try:
            outcome = _Making(self, claim, folder).outcome()
        except Dropped:
            return
        except Exception as error:  # a worker outlives every job
            if is_full(error):
                error = Refusal("disk_full")
            elif not isinstance(error, ValueError | OSError):
                traceback.print_exc()
            outcome = Outcome(FAILED, error=to_record(error), model=self.facts.model)
        if self.claims.finish(claim, outcome):
            remove_work(folder)


class _Making:
    """The making of one version."""

    def __init__(self, maker: Maker, claim: Claim, folder: Path) -> None:
        self.maker, self.claim, self.folder = maker, claim, folder
        self.generator, self.facts = maker.generator, maker.facts
        self.step = claim.version.step
        self.looked, self.signal = 0.0, "go on"

    def outcome(self) -> Outcome:
        if self.step.action == "upload":
            return self._taken_in()
        path = self.maker.store.path(self.claim.owner, self.claim.version.parent)
        context = context_of(path, [self._turns_of(version) for version in path])
        if self.step.kept is not None:
            self.step = replace(self.step, kept=min(self.step.kept, len(film_codes(context))))
        if self.step.action == "loop":
            return self._looped(context)
        return self._kept(self._made(context, self._last_frames(path)))

    # ------------------------------------------------------------------------------------------------ what is there

    def _turns_of(self, version: Version) -> tuple[PastTurn, ...]:
        """What a version adds to the conversation: its exact codes, or its video encoded anew for another tokenizer."""
        if not version.has_video:
            return ()
        kept = read_turns(self.maker.store.file(self.claim.owner, version.id, "codes"))
        if kept.tokenizer == self.facts.tokenizer:
            return kept.turns
        codes_thw, _, _ = self._encoded(self.maker.store.file(self.claim.owner, version.id, "video"), None, None)
        return (PastTurn(version.step.prompt, "new", codes_thw),)

    def _last_frames(self, path: Sequence[Version]) -> np.ndarray | None:
        """The end of what is continued, to begin the moving picture with."""
        if self.step.action not in ("continue", "from_here") or not path:
            return None
        parent = next(version for version in reversed(path) if version.has_video)
        frames_THWC, _ = video_files.read_video(self.maker.store.file(self.claim.owner, parent.id, "video"))
        if self.step.kept is not None:
            frames_THWC = frames_THWC[: self.maker.frames(self.step.kept)]
        return frames_THWC[-PREVIEW_FRAMES:]

    def _encoded(self, path: Path, size: str | None, longest: float | None) -> tuple[np.ndarray, np.ndarray, bool]:
        """codes_thw of a video file, its frames_THWC fitted to a trained shape, and whether it was longer than `longest`."""
        shapes, per_latent = self.generator.settings.shapes, self.maker.frames(1, fresh=False)
        first_THWC, _ = video_files.read_video(path, max_frames=1)
        shape = (
            parse_size(size, shapes)
            if size
            else video_files.nearest_shape(first_THWC.shape[1], first_THWC.shape[2], shapes)
        )
        most = None if longest is None else 1 + round(longest / self.facts.step) * per_latent
        frames_THWC, _ = video_files.read_video(
            path, fps=self.facts.fps, size=shape, max_frames=None if most is None else most + 1
        )
        whole = 1 + (min(len(frames_THWC), most or len(frames_THWC)) - 1) // per_latent * per_latent
        codes_thw = self.generator.take_in(frames_THWC[:whole])
        return codes_thw, frames_THWC[:whole], most is not None and len(frames_THWC) > most

    # ------------------------------------------------------------------------------------------------ without the GPT

    def _taken_in(self) -> Outcome:
        upload = self.maker.store.file(self.claim.owner, self.claim.version.id, "upload")
        try:
            codes_thw, frames_THWC, shortened = self._encoded(upload, self.step.settings.get("size"), LONGEST_UPLOAD)
        except video_files.VideoError as error:  # its sentence names a path of this machine
            raise Refusal("not_a_video") from error
        if shortened:
            self.step = replace(self.step, notes={**self.step.notes, "shortened": True})
        return self._from_frames(codes_thw, frames_THWC)

    def _looped(self, context: Sequence[PastTurn]) -> Outcome:
        film_THWC = self.maker.film(context)
        closed_THWC = np.concatenate([film_THWC, film_THWC[-2::-1]])
        # The last frame is the first one again: shown once, it would rest there.
        shown_THWC = closed_THWC[:-1] if len(closed_THWC) > 1 else closed_THWC
        return self._from_frames(self.generator.encode(closed_THWC), shown_THWC)

    def _from_frames(self, codes_thw: np.ndarray, frames_THWC: np.ndarray) -> Outcome:
        token = secrets.token_hex(8)
        video_files.write_video(self.folder / f"{token}.mp4", frames_THWC, self.facts.fps)
        turns = (PastTurn(self.step.prompt, "new", codes_thw),)
        size = size_name(frames_THWC.shape[1:3])
        step = replace(self.step, settings={**self.step.settings, "size": size})
        return self._outcome(token, step, turns, frames_THWC, len(codes_thw), COMPLETE)

    # ------------------------------------------------------------------------------------------------ with the GPT

    def _made(self, context: tuple[PastTurn, ...], before_THWC: np.ndarray | None) -> Film:
        """Makes segment after segment, from the codes that an earlier run left where there are any."""
        film, draft = Film(context), self._draft()
        image = self._image()
        shown = [] if before_THWC is None else [before_THWC]
        total = 0
        for index in range(len(self.step.segments)):
            request = request_of(self.step, index, (*film.context, *film.turns), image)
            made_thw = draft[index].codes_thw if index < len(draft) else None
            if not index:
                t = self.generator.plan(request).t
                total = t + sum(self._onward(segment) for segment in self.step.segments[1:])
                film.context = request.context
            video = None
            for progress in self.generator.stream(request, self._should_stop, made_thw):
                video = progress.video or video
                if len(progress.frames_THWC):
                    shown = [np.concatenate([*shown, progress.frames_THWC])[-PREVIEW_FRAMES:]]
                    if made_thw is None or progress.latent_index >= len(made_thw):
                        self._show(film, request, progress, shown[0], total)
            if self.signal == "drop":
                raise Dropped
            if video is None:
                return film
            film.turns, film.pieces = (*film.turns, video.turn), (*film.pieces, video.frames_THWC)
            film.video = video
            film.segments = (*film.segments, replace(self.step.segments[index], seconds=video.request.seconds))
            film.seconds, film.tokens = film.seconds + video.timings.total, film.tokens + video.timings.tokens
            if video.stopped:
                return film
        return film

    def _onward(self, segment: Segment) -> int:
        lengths = self.generator.lengths("continue")
        return lengths.trained[-1] if segment.seconds is None else lengths.latent(segment.seconds)

    def _image(self) -> np.ndarray | None:
        if self.step.action != "image":
            return None
        return video_files.read_image(self.maker.store.file(self.claim.owner, self.claim.version.id, "image"))

    def _draft(self) -> tuple[PastTurn, ...]:
        """The turns that an earlier run of this job made, the last one perhaps in part; none if another model made them."""
        try:
            kept = read_turns(self.folder / DRAFT)
        except (OSError, ValueError):
            return ()
        return kept.turns if kept.model == self.facts.model else ()

    def _should_stop(self) -> bool:
        now = time.monotonic()
        if now - self.looked > SIGNAL_SECONDS:
            self.looked, self.signal = now, self.maker.claims.signal(self.claim)
        return self.signal != "go on"

    def _show(self, film: Film, request, progress: Progress, recent_THWC: np.ndarray, total: int) -> None:
        """Keeps the codes so far, then lets the page see the new frames."""
        done_before = sum(len(turn.codes_thw) for turn in film.turns)
        done = done_before + progress.latent_index
        turn = PastTurn(request.prompt, request.action, progress.codes_thw)
        turns = (*film.turns, turn)
        write_turns(self.folder / DRAFT, turns, model=self.facts.model, tokenizer=self.facts.tokenizer)
        write_bytes(self.folder / MOVING, moving_webp(recent_THWC, self.facts.fps))
        left = progress.latent_total - progress.latent_index
        pace = progress.seconds_left / left if left else 0.0
        fresh = self.step.action not in ("continue", "from_here")
        seconds_left = progress.seconds_left + pace * (total - done - left)
        numbers = (self.maker.frames(done, fresh), self.maker.frames(total, fresh))
        self.maker.claims.report(self.claim, done, total, *numbers, seconds_left)

    # ------------------------------------------------------------------------------------------------ what stays

    def _kept(self, film: Film) -> Outcome:
        """Writes the files of a film, complete or stopped."""
        if film.video is None:
            return Outcome(FAILED, error=to_record(Refusal("stopped_early")), cancelled=True, model=self.facts.model)
        stopped = film.video.stopped or len(film.segments) < len(self.step.segments)
        frames_THWC = np.concatenate(film.pieces)
        if self.step.action in ("continue", "from_here"):
            frames_THWC = np.concatenate([self.maker.film(film.context), frames_THWC])
        self.maker.remember((*film.context, *film.turns), frames_THWC)
        step = self._resolved(film)
        token = secrets.token_hex(8)
        notes = {"message": step.message, "chat_action": step.action}
        save_video(film.video, self.folder / f"{token}.mp4", frames_THWC, notes)
        latents = len(film_codes((*film.context, *film.turns)))
        return self._outcome(token, step, film.turns, frames_THWC, latents, PARTIAL if stopped else COMPLETE)

    def _resolved(self, film: Film) -> Step:
        """The step with every choice made, and what the reply should say."""
        assert film.video is not None
        settings = {name: getattr(film.video.request, name) for name in ("size", *SAMPLING)}
        notes: dict[str, Any] = {**self.step.notes, "took": round(film.seconds, 2), "tokens": film.tokens}
        if len(self.step.segments) == 1 and self.step.prompt != self.step.message:
            notes["read_as"] = self.step.prompt
        unknown = unknown_words(self.step.prompt, self.facts.words)
        notes |= {"unknown": unknown} if unknown else {}
        notes |= {"resumed": True} if self.claim.resumed else {}
        segments = (*film.segments, *self.step.segments[len(film.segments) :])
        return replace(self.step, segments=segments, settings=settings, notes=notes)

    def _outcome(
        self,
        token: str,
        step: Step,
        turns: Sequence[PastTurn],
        frames_THWC: np.ndarray,
        latents: int,
        state: str,
    ) -> Outcome:
        hashes = {"model": self.facts.model, "tokenizer": self.facts.tokenizer}
        write_bytes(self.folder / f"{token}.webp", still_webp(frames_THWC[len(frames_THWC) // 2]))
        write_turns(self.folder / f"{token}.npz", turns, **hashes)
        names = {"video": f"{token}.mp4", "thumbnail": f"{token}.webp", "codes": f"{token}.npz"}
        if sidecar_of(self.folder / names["video"]).exists():
            names["settings"] = sidecar_of(names["video"]).name
        return Outcome(
            state, step, names, len(frames_THWC), self.facts.fps, latents, **hashes, cancelled=state == PARTIAL
        )
