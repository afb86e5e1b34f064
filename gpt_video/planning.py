"""From a request to what is sampled: its choices made, its words as ids, and the windows in which a GPT reads and writes it.

Enters: a `GenerateRequest` and a `Bundle`, of which the GPT's weights are not needed. Leaves: a `Plan`, and its `Window`s one after
another. A video longer than a GPT's window rolls: the window is filled again with the words, the first latent frame and the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gpt_video import sequence
from gpt_video.bundle import Bundle
from gpt_video.engine import Sampling
from gpt_video.request import GenerateRequest, Lengths, film_codes, parse_size, size_name
from tokenizer import video as video_files

SAMPLING = ("temperature", "top_k", "top_p", "guidance_scale")


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


class Planner:
    """What a model can be asked for, and how it is asked."""

    def __init__(self, bundle: Bundle):
        self.bundle, self.settings, self.tokenizer = bundle, bundle.settings, bundle.video_tokenizer

    def lengths(self, action: str) -> Lengths:
        """The lengths that an action can have."""
        frames = [self.tokenizer.clip_shape(t, 1, 1)[0] for t in (1, 2)]
        fresh, fps = action != "continue", self.settings.fps
        trained = self.settings.latent_frames if fresh else self.settings.continue_frames
        return Lengths(trained, fresh, (frames[1] - frames[0]) / fps, fps)

    def sampling(self, action: str) -> Sampling:
        """How an action is sampled where the request leaves it open."""
        sampling = Sampling(**{name: getattr(self.settings, name) for name in SAMPLING})
        return sampling if action == "new" else self.steady(sampling)

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

    def steady(self, sampling: Sampling) -> Sampling:
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

    def next_window(self, plan: Plan, made_thw: np.ndarray) -> Window:
        """The next stretch of a plan, given all its latent frames so far (image included).

        What is there of a stretch is prefilled, so that the windows of an interrupted run begin where they would have.
        """
        window, start = self.first_window(plan), 0
        if len(made_thw) >= window.n_new:
            start = len(made_thw) - (len(made_thw) - window.n_new) % sequence.ROLLED_NEW
            window = self._rolled_window(plan, np.concatenate([plan.before_thw, made_thw[:start]]), plan.t - start)
        given_thw = np.concatenate([window.given_thw, made_thw[start:]])
        return window._replace(given_thw=given_thw, n_new=window.n_new - (len(made_thw) - start))
