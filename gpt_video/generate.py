"""Words in, video out: the only place where the GPT and the video tokenizer meet.

    generator = VideoGenerator.from_pretrained()            # the model in the package, a folder, or a hub id
    video = generator.generate(GenerateRequest("a red ball rolls across the snow", seconds=2))
    save_video(video, "out.mp4")                            # gpt_video.files

Enters: a `GenerateRequest` (request.py). Leaves: a `GeneratedVideo`, whole or in pieces as its latent frames are made.
A video longer than the model's window rolls: the window is filled again with the words, the first latent frame and the last ones.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange

from gpt_video import sequence
from gpt_video.bundle import Bundle, load_bundle
from gpt_video.dtype import eight_bit_rows
from gpt_video.engine import Engine, Sampling
from gpt_video.request import (
    GeneratedVideo,
    GenerateRequest,
    Lengths,
    PastTurn,
    Progress,
    Timings,
    film_codes,
    parse_size,
    size_name,
    variations,
)
from tokenizer import video as video_files
from tokenizer.search import search_codes

__all__ = ["GenerateRequest", "GeneratedVideo", "PastTurn", "Progress", "VideoGenerator", "variations"]


SAMPLING = ("temperature", "top_k", "top_p", "guidance_scale")
REMEMBERED = 16  # images whose codes were searched for


class Window(NamedTuple):
    """One stretch of sampling: the prompt, the latent frames that are prefilled with it, the grid, and how many follow.

    is_rolled: it reads the end of its own video, see sequence.py.
    """

    ids_L: np.ndarray
    given_thw: np.ndarray
    grid: sequence.Grid
    n_new: int
    is_rolled: bool = False


@dataclass(frozen=True)
class Plan:
    """A checked request: every choice made, words as ids, lengths in latent frames.

    `before_thw`: the film that this video continues (empty otherwise), decoded before it so that the cut does not show.
    `made_thw`: what an interrupted run made of this turn (empty otherwise). The request's image has the shape of the video; its
    codes, which take a second to search for, are found when the video is made.
    """

    request: GenerateRequest
    text_ids: tuple[int, ...]
    context: tuple[sequence.Turn, ...]
    shape: tuple[int, int]
    t: int
    before_thw: np.ndarray
    made_thw: np.ndarray
    sampling: Sampling

    @property
    def n_given(self) -> int:
        """How many latent frames of this turn are there before it is sampled: its image, or all that was made of it."""
        return max(len(self.made_thw), int(self.request.image is not None))


class VideoGenerator:
    """A loaded model that makes videos. Not thread-safe: one request, or one batch, at a time."""

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self.settings = bundle.settings
        self.tokenizer = bundle.video_tokenizer
        self.device = bundle.gpt.device
        rows = eight_bit_rows(bundle.dtype, self.device)
        self.engine = Engine(bundle.gpt, bundle.vocabulary, bundle.dtype, rows)
        self._searched = functools.lru_cache(REMEMBERED)(self._search)  # variations begin with one image

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None, **kwargs: Any) -> VideoGenerator:
        """Loads a folder or a hub id, or with None the model in the package; see `bundle.load_bundle` for `kwargs` and errors."""
        return cls(load_bundle(path, **kwargs))

    def generate(self, request: GenerateRequest) -> GeneratedVideo:
        """Makes one video. ValueError, in one sentence, on what this model cannot do."""
        return self.generate_many([request])[0]

    def generate_many(
        self,
        requests: Sequence[GenerateRequest],
        batch_size: int = 8,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[GeneratedVideo]:
        """Makes several videos, those of equal shape in one batch; a sample does not depend on its batch. Order is kept.

        `on_progress` is called with the latent frames done and those to do, over all videos.
        """
        return self.make([self.plan(request) for request in requests], batch_size, on_progress)

    def make(
        self,
        plans: Sequence[Plan],
        batch_size: int = 8,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[GeneratedVideo]:
        """`generate_many`, of requests that are checked already."""
        total, done = sum(plan.t for plan in plans), 0
        videos: dict[int, GeneratedVideo] = {}
        for batch in self.batches(plans, batch_size):
            codes: list[torch.Tensor] = []
            pieces: list[np.ndarray] = []
            times: list[float] = []
            start = time.perf_counter()
            for frames_BTHWC in self._pieces([plans[i] for i in batch], codes, None):
                pieces.append(frames_BTHWC)
                times.append(time.perf_counter() - start)
                done += len(batch)
                on_progress(done, total)
            for row, index in enumerate(batch):
                videos[index] = self._video(plans[index], row, np.concatenate([p[row] for p in pieces]), codes, times)
        return [videos[index] for index in range(len(plans))]

    def stream(
        self,
        request: GenerateRequest,
        should_stop: Callable[[], bool] | None = None,
        made_thw: np.ndarray | None = None,
    ) -> Iterator[Progress]:
        """Yields frames as each latent frame is made; the last item carries the video.

        `should_stop` is asked often; after it says True the stream ends with what was made so far (`video.stopped`), or
        without any video if nothing was. A request that cannot be done is a ValueError at once, not at the first item.
        `made_thw`: codes that an interrupted run of this request made: they are kept, and the rest follows.
        """
        plan = self.plan(request)
        if made_thw is not None and len(made_thw) > plan.n_given:
            plan = replace(plan, made_thw=self._checked_codes(made_thw, plan))
        return self._stream(plan, should_stop)

    def _checked_codes(self, made_thw: np.ndarray, plan: Plan) -> np.ndarray:
        t, *cells = made_thw.shape
        size = self.bundle.vocabulary.codebook_size
        if tuple(cells) != plan.before_thw.shape[1:] or t > plan.t or made_thw.min() < 0 or made_thw.max() >= size:
            raise ValueError(f"codes of shape {made_thw.shape} are not the start of this video: make it anew")
        return made_thw.astype(np.int64)

    def _stream(self, plan: Plan, should_stop: Callable[[], bool] | None) -> Iterator[Progress]:
        start = time.perf_counter()
        codes: list[torch.Tensor] = []
        pieces: list[np.ndarray] = []
        times: list[float] = []
        for frames_BTHWC in self._pieces([plan], codes, should_stop):
            pieces.append(frames_BTHWC[0])
            times.append(time.perf_counter() - start)
            if len(pieces) < plan.t:
                so_far_thw = torch.stack(codes[: len(pieces)])[:, 0].cpu().numpy()
                yield Progress(pieces[-1], len(pieces), plan.t, _seconds_left(times, plan.t), so_far_thw)
        if pieces:
            video = self._video(plan, 0, np.concatenate(pieces), codes, times)
            last = pieces[-1] if len(pieces) == plan.t else pieces[-1][:0]
            yield Progress(last, len(pieces), plan.t, 0.0, video.codes_thw, video)

    def film(self, turns: Sequence[PastTurn]) -> np.ndarray:
        """frames_THWC of the film that ends with the last turn: the video and all that continues it, decoded in one pass."""
        codes_thw = torch.from_numpy(film_codes(turns).astype(np.int64)).to(self.device)
        with torch.inference_mode():
            pieces = [video_files.clip_to_frames(p[0]) for p in self.tokenizer.stream_decode(codes_thw[:, None])]
        return np.concatenate(pieces)

    def whole(self, video: GeneratedVideo) -> np.ndarray:
        """frames_THWC to keep in a file: of a continuation, the film with its earlier part; of others, their frames."""
        return self.film(video.turns) if video.request.action == "continue" else video.frames_THWC

    def past_turn_from_video(self, path: str | Path, prompt: str = "", *, action: str = "continue") -> PastTurn:
        """Reads any video as an earlier turn, at the nearest trained shape and the model's frame rate.

        To "continue" its last frames count, to "edit" its first ones, at most the longest trained length of each.
        Raises VideoError (a ValueError) if the file holds no readable video.
        """
        first_THWC, _ = video_files.read_video(path, max_frames=1)
        height, width = first_THWC.shape[1:3]
        shape = video_files.nearest_shape(height, width, self.settings.shapes)
        lengths = [self.tokenizer.clip_shape(t, 1, 1)[0] for t in self.settings.latent_frames]
        enough = lengths[-1] if action == "edit" else None
        frames_THWC, _ = video_files.read_video(path, fps=self.settings.fps, size=shape, max_frames=enough)
        n = max(length for length in lengths if length <= len(frames_THWC))
        frames_THWC = frames_THWC[:n] if action == "edit" else frames_THWC[-n:]
        return PastTurn(prompt, "new", self.take_in(frames_THWC))

    # ------------------------------------------------------------------------------------------------ planning

    def lengths(self, action: str) -> Lengths:
        """The lengths that an action can have."""
        frames = [self.tokenizer.clip_shape(t, 1, 1)[0] for t in (1, 2)]
        fresh, fps = action != "continue", self.settings.fps
        trained = self.settings.latent_frames if fresh else self.settings.continue_frames
        return Lengths(trained, fresh, (frames[1] - frames[0]) / fps, fps)

    def sampling(self, action: str) -> Sampling:
        """How an action is sampled where the request leaves it open."""
        sampling = Sampling(**{name: getattr(self.settings, name) for name in SAMPLING})
        return sampling if action == "new" else self._steady(sampling)

    def plan(self, request: GenerateRequest) -> Plan:
        """Checks a request against this model and makes its open choices; ValueError, in one sentence, if it cannot be done."""
        text_ids = tuple(self.bundle.text_tokenizer.encode(request.prompt))
        if not text_ids:
            raise ValueError("the prompt is empty: describe the video in a few words")
        sequence.slot_length(len(text_ids))  # too many words are an error here, before anything is computed
        shape = self._shape(request)
        t = self._latent_length(request)
        _, h, w = self.tokenizer.grid(1, *shape)
        none_thw = np.zeros((0, h, w), np.int64)
        before_thw = film_codes(request.context) if request.action == "continue" else none_thw
        self._check_rolling(request, t, len(before_thw))
        if request.image is not None and t == 1:
            raise ValueError("a still of an image is that image: ask for a longer video")
        image = None if request.image is None else video_files.fit(request.image[None], *shape)[0]
        sampling = self.sampling(request.action)
        asked = {name: getattr(request, name) for name in SAMPLING}
        sampling = replace(sampling, **{name: value for name, value in asked.items() if value is not None})
        seconds = self.lengths(request.action).seconds(t)
        resolved = replace(request, seconds=seconds, size=size_name(shape), image=image, **vars(sampling))
        plan = Plan(resolved, text_ids, self._turns(request, t), shape, t, before_thw, none_thw, sampling)
        self.first_window(plan)  # a context that does not fit is an error here too
        return plan

    def batches(self, plans: Sequence[Plan], batch_size: int) -> list[list[int]]:
        """Indices of plans that can share a batch, in order of their first member."""
        groups: dict[Any, list[int]] = {}
        for index, plan in enumerate(plans):
            slot = sequence.slot_length(len(plan.text_ids))
            window = self.first_window(plan)
            given = (window.given_thw.shape, plan.n_given, len(plan.before_thw))
            shapes = (len(window.ids_L), slot, window.grid, given, plan.t)
            groups.setdefault((shapes, plan.sampling), []).append(index)
        return [group[i : i + batch_size] for group in groups.values() for i in range(0, len(group), batch_size)]

    def _shape(self, request: GenerateRequest) -> tuple[int, int]:
        shapes = self.settings.shapes
        if request.action != "new":
            h, w = request.context[-1].codes_thw.shape[1:]
            last = self.tokenizer.clip_shape(1, h, w)[1:]
            if request.size is not None and parse_size(request.size, shapes) != last:
                raise ValueError(
                    f"size {request.size!r} is not that of the video to {request.action}: {size_name(last)}"
                )
            return parse_size(size_name(last), shapes)
        if request.size is not None:
            return parse_size(request.size, shapes)
        if request.image is None:
            return shapes[0]
        return video_files.nearest_shape(request.image.shape[0], request.image.shape[1], shapes)

    def _latent_length(self, request: GenerateRequest) -> int:
        lengths = self.lengths(request.action)
        if request.seconds is not None:
            return lengths.latent(request.seconds)
        if request.action == "edit":  # as long as its source, as far as lengths go
            source = len(film_codes(request.context))
            return max(t for t in lengths.trained if t <= max(source, lengths.trained[0]))
        return lengths.trained[-1]

    def _check_rolling(self, request: GenerateRequest, t: int, n_before: int) -> None:
        """A model of very short clips makes too few latent frames in its first window to go on from."""
        lengths = self.lengths(request.action)
        longest = lengths.trained[-1]
        if t > longest and n_before + longest < 1 + sequence.ROLLED_TAIL:
            most = lengths.seconds(longest)
            raise ValueError(
                f"seconds is {request.seconds:g}, more than this model can make: at most {most:g} are possible"
            )

    def _steady(self, sampling: Sampling) -> Sampling:
        """The same with no more guidance than where earlier video is read along."""
        most = self.settings.guidance_with_video
        return sampling if most is None else replace(sampling, guidance_scale=min(sampling.guidance_scale, most))

    def _turns(self, request: GenerateRequest, t: int) -> tuple[sequence.Turn, ...]:
        """The context as the GPT was trained to read it.

        A conversation starts with its last new video. Before an edit, continuations are part of the video that they continue,
        and every video is cut to the length of the edit.
        """
        if request.action == "new":
            return ()
        turns = request.context[max((i for i, turn in enumerate(request.context) if turn.action == "new"), default=0) :]
        if request.action == "edit":
            longest = min(t, self.settings.latent_frames[-1])
            ends = [i for i in range(1, len(turns) + 1) if i == len(turns) or turns[i].action != "continue"]
            starts = [0, *ends[:-1]]
            turns = tuple(
                replace(turns[start], codes_thw=film_codes(turns[:end])[:longest])
                for start, end in zip(starts, ends, strict=True)
            )
        encode = self.bundle.text_tokenizer.encode
        return tuple(sequence.Turn(tuple(encode(turn.prompt)), turn.action, turn.codes_thw) for turn in turns)

    def take_in(self, frames_THWC: np.ndarray) -> np.ndarray:
        """codes_thw of what a person brings, as for `encode`; those of an image are searched for, so that it is seen as it was.

        Not those of a longer clip: edits kept less of what had been searched for (EXPERIMENTS.md).
        """
        if len(frames_THWC) > 1:
            return self.encode(frames_THWC)
        return self._searched(frames_THWC.tobytes(), frames_THWC.shape).copy()

    def _search(self, pixels: bytes, shape: tuple[int, ...]) -> np.ndarray:
        frames_THWC = np.frombuffer(bytearray(pixels), np.uint8).reshape(shape)  # one that may be written
        return search_codes(self.tokenizer, video_files.frames_to_clip(frames_THWC).to(self.device)).cpu().numpy()

    @torch.inference_mode()
    def encode(self, frames_THWC: np.ndarray) -> np.ndarray:
        """codes_thw of uint8 frames_THWC in a trained shape, 1 + n * the temporal stride of them; as in training data."""
        clip_BCTHW = video_files.frames_to_clip(frames_THWC)[None].to(self.device)
        return self.tokenizer.encode(clip_BCTHW)[0].cpu().numpy()

    # ------------------------------------------------------------------------------------------------ windows

    def first_window(self, plan: Plan) -> Window:
        """Where a plan starts: in its conversation, or from the end of a film that is too long to be read as turns."""
        action, (h, w) = plan.request.action, plan.before_thw.shape[1:]
        grid = (min(plan.t, self.lengths(action).trained[-1]), h, w)
        turns = sequence.fit_window(plan.context, plan.text_ids, action, grid, self.settings.window)
        # A turn that was cut, or rolled, has a length that the GPT never read; a rolled window reads the film as such.
        odd = any(len(turn.codes_thw) not in self.lengths(turn.action).trained for turn in plan.context)
        can_roll = len(plan.before_thw) > sequence.ROLLED_TAIL
        if action == "continue" and (not turns or (odd and can_roll)):
            return self._rolled_window(plan, plan.before_thw, plan.t)
        ids_L = sequence.prompt(turns, plan.text_ids, action, grid, self.bundle.vocabulary)
        return Window(ids_L, plan.made_thw[:0], grid, grid[0])

    def _rolled_window(self, plan: Plan, so_far_thw: np.ndarray, n_left: int) -> Window:
        ids_L, given_thw, grid = sequence.rolled(plan.text_ids, so_far_thw, self.bundle.vocabulary)
        return Window(ids_L, given_thw, grid, min(n_left, grid[0] - len(given_thw)), is_rolled=True)

    def _next_window(self, plan: Plan, made_thw: np.ndarray) -> Window:
        """The next stretch of a plan, given all its latent frames so far (image included).

        What is there of a stretch is prefilled, so that the windows of an interrupted run begin where they would have.
        """
        window, start = self.first_window(plan), 0
        if len(made_thw) >= window.n_new:
            start = len(made_thw) - (len(made_thw) - window.n_new) % sequence.ROLLED_NEW
            window = self._rolled_window(plan, np.concatenate([plan.before_thw, made_thw[:start]]), plan.t - start)
        given_thw = np.concatenate([window.given_thw, made_thw[start:]])
        return window._replace(given_thw=given_thw, n_new=window.n_new - (len(made_thw) - start))

    # ------------------------------------------------------------------------------------------------ making

    @torch.inference_mode()
    def _pieces(
        self, plans: Sequence[Plan], codes: list[torch.Tensor], should_stop: Callable[[], bool] | None
    ) -> Iterator[np.ndarray]:
        """frames_BTHWC of each new latent frame of plans that share a batch; `codes` collects codes_Bhw beside them."""
        before_tBhw = _stack([plan.before_thw for plan in plans], self.device)
        made_tBhw = _stack([self._given(plan) for plan in plans], self.device)
        new = chain(made_tBhw, self._codes(plans, made_tBhw, should_stop))
        decoded = self.tokenizer.stream_decode(chain(before_tBhw, _kept(new, codes)))
        for index, clip_BCTHW in enumerate(decoded):
            if index >= len(before_tBhw):
                yield np.stack([video_files.clip_to_frames(clip_CTHW) for clip_CTHW in clip_BCTHW])

    def _given(self, plan: Plan) -> np.ndarray:
        """codes_thw of what is there of a turn before it is sampled."""
        image = plan.request.image
        return plan.made_thw if image is None or len(plan.made_thw) else self.take_in(image[None])

    def _codes(
        self, plans: Sequence[Plan], made_tBhw: torch.Tensor, should_stop: Callable[[], bool] | None
    ) -> Iterator[torch.Tensor]:
        """codes_Bhw of each latent frame that the GPT makes, window after window."""
        made = list(made_tBhw)
        seeds = [plan.request.seed for plan in plans]
        while len(made) < plans[0].t:
            made_Bthw = rearrange(torch.stack(made) if made else made_tBhw, "t b h w -> b t h w").cpu().numpy()
            windows = [self._next_window(plan, made_thw) for plan, made_thw in zip(plans, made_Bthw, strict=True)]
            given_Bthw = torch.from_numpy(np.stack([window.given_thw for window in windows])).to(self.device)
            frames = self.engine.generate(
                [window.ids_L for window in windows],
                windows[0].grid,
                self._steady(plans[0].sampling) if windows[0].is_rolled else plans[0].sampling,
                seeds,
                given=given_Bthw if given_Bthw.shape[1] else None,
                start_frame=len(made),
                should_stop=should_stop,
            )
            n_before = len(made)
            for codes_Bhw in frames:
                made.append(codes_Bhw)
                yield codes_Bhw
                if len(made) == n_before + windows[0].n_new:
                    break
            if len(made) < n_before + windows[0].n_new:
                return  # stopped

    def _video(
        self, plan: Plan, row: int, frames_THWC: np.ndarray, codes: list[torch.Tensor], times: list[float]
    ) -> GeneratedVideo:
        codes_thw = torch.stack([codes_Bhw[row] for codes_Bhw in codes]).cpu().numpy().astype(np.int64)
        n_tokens = sum(c.numel() for c in codes) - plan.n_given * codes[0].numel()
        bundle = self.bundle
        return GeneratedVideo(
            frames_THWC,
            self.settings.fps,
            codes_thw,
            plan.request,
            plan.request.seed,
            Timings(times[0], times[-1], n_tokens),
            bundle.model_hash,
            bundle.tokenizer_hash,
            stopped=len(codes) < plan.t,
        )


def _stack(codes: Sequence[np.ndarray], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.stack(codes, axis=1).astype(np.int64)).to(device)


def _kept(codes: Iterator[torch.Tensor], kept: list[torch.Tensor]) -> Iterator[torch.Tensor]:
    for codes_Bhw in codes:
        kept.append(codes_Bhw)
        yield codes_Bhw


def _seconds_left(times: list[float], total: int) -> float:
    """The first piece also paid for reading the prompt, so the pace is that of the later ones where there are any."""
    pace = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else times[0]
    return pace * (total - len(times))
