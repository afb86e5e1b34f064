"""Words in, video out: the only place where the GPT and the video tokenizer meet.

    generator = VideoGenerator.from_pretrained()            # the model in the package, a folder, or a hub id
    video = generator.generate(GenerateRequest("a red ball rolls across the snow", seconds=2))
    save_video(video, "out.mp4")                            # gpt_video.files

Enters: a `GenerateRequest` (request.py), of which planning.py makes a plan. Leaves: a `GeneratedVideo`, whole or in pieces as its
latent frames are made.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange

from gpt_video.bundle import Bundle, load_bundle
from gpt_video.dtype import eight_bit_rows
from gpt_video.engine import Engine
from gpt_video.planning import Plan, Planner
from gpt_video.request import (
    GeneratedVideo,
    GenerateRequest,
    PastTurn,
    Progress,
    Timings,
    film_codes,
    variations,
)
from tokenizer import video as video_files
from tokenizer.search import search_codes

__all__ = ["GenerateRequest", "GeneratedVideo", "PastTurn", "Progress", "VideoGenerator", "variations"]

REMEMBERED = 16  # images whose codes were searched for


class VideoGenerator(Planner):
    """A loaded model that makes videos. Not thread-safe: one request, or one batch, at a time."""

    def __init__(self, bundle: Bundle):
        super().__init__(bundle)
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
            windows = [self.next_window(plan, made_thw) for plan, made_thw in zip(plans, made_Bthw, strict=True)]
            given_Bthw = torch.from_numpy(np.stack([window.given_thw for window in windows])).to(self.device)
            frames = self.engine.generate(
                [window.ids_L for window in windows],
                windows[0].grid,
                self.steady(plans[0].sampling) if windows[0].is_rolled else plans[0].sampling,
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
