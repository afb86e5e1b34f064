"""Conversations rendered without end by several processes, and handed over in memory: for training that must not wait for files.

Enters: sets (a name, what to choose from, a family), how often each is wanted, the sizes of a tokenizer. Leaves: `Made`, as it
comes: each set's conversations in order, with masks where they are wanted.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, count
from random import Random
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
import torch

from gpt_video.diorama.make import Choices, rendered_turns, row_of
from tokenizer.data import UNNAMED
from tokenizer.video import fit, nearest_shape

PARCEL_BYTES = 1_000_000  # what a process hands over at once

Sets = Mapping[str, tuple[Choices, str]]  # what is rendered, and of which family
Turn = tuple[
    dict[str, Any], np.ndarray, np.ndarray
]  # record, frames_THWC, masks_THW (of no frames where none are needed)
Made = list[tuple[str, list[Turn]]]  # of which set, and the turns of one conversation


def training_sets(seed: int, world: str) -> Sets:
    """What a GPT is trained on, other clips for another seed. "moving" are conversations of short clips, "changed" of stills."""
    return {
        "stills": (Choices(seed, world=world), "still"),
        "clips": (Choices(seed + 1, world=world), "clip"),
        "long": (Choices(seed + 2, world=world), "long"),
        "talks": (Choices(seed + 3, (2, 5), world=world), "conversation"),
        "changed": (Choices(seed + 4, (2, 5), frames={1: 1}, world=world), "conversation"),
        "moving": (Choices(seed + 5, (2, 5), frames={9: 50, 17: 50}, world=world), "conversation"),
    }


class Order(NamedTuple):
    """What a stream renders: first so many of some sets, then of all by weight, at the nearest of `shapes` (height, width).

    masked: sets that come with masks, as tokenizer.data.Batch has them, of `kinds` in this order, until masks are no longer wanted.
    """

    sets: Sets
    first: Mapping[str, int]
    often: Mapping[str, int]
    masked: Collection[str]
    kinds: Sequence[str]
    shapes: Sequence[tuple[int, int]]


class RenderStream:
    """The processes, and what they have made that nobody took yet. `settled`: masks are no longer wanted; `enough`: the end."""

    def __init__(self, context: Any, workers: int, order: Order) -> None:
        self.results, self.settled, self.enough = context.Queue(), context.Event(), context.Event()
        self.arrived: Made = []
        for worker in range(workers):
            line = (worker, workers, order, self.results, self.settled, self.enough)
            context.Process(target=_render, args=line, daemon=True).start()
        Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        while True:
            self.arrived += self.results.get()

    def take(self) -> Made:
        """What arrived since the last time."""
        n = len(self.arrived)
        taken, self.arrived[:n] = self.arrived[:n], []
        return taken


def _render(worker: int, workers: int, order: Order, results: Any, settled: Any, enough: Any) -> None:
    """A process: its share of what comes first, then by weight until it is enough."""
    torch.set_num_threads(1)
    os.nice(10)  # what trains comes first
    next_of = {name: count(worker, workers) for name in order.sets}
    first = [name for name, n in order.first.items() for _ in range(worker, n, workers)]
    rng = Random(worker)
    endless = (rng.choices(list(order.often), list(order.often.values()))[0] for _ in count())
    parcel: Made = []
    size = 0
    for name in chain(first, endless):
        if enough.is_set():
            break
        with_masks = name in order.masked and not settled.is_set()
        parcel.append((name, list(_conversation(order, name, next(next_of[name]), with_masks))))
        size += sum(frames_THWC.nbytes for _, frames_THWC, _ in parcel[-1][1])
        if size > PARCEL_BYTES:
            results.put(parcel)
            parcel, size = [], 0


def _conversation(order: Order, name: str, index: int, with_masks: bool) -> Iterator[Turn]:
    choices, family = order.sets[name]
    for one in rendered_turns(index, choices, family, with_masks=with_masks):
        _, rendered_height, rendered_width, _ = one.clip.frames_THWC.shape
        height, width = nearest_shape(rendered_height, rendered_width, order.shapes)
        record = row_of(one)
        masks_THW = _smaller(one.clip.masks_THW, [order.kinds.index(k) for k in record["mask_classes"]], height, width)
        kept = {key: value for key, value in record.items() if key not in ("mask", "mask_classes", "scene")}
        yield kept, fit(one.clip.frames_THWC, height, width), masks_THW


def _smaller(masks_THW: np.ndarray, classes: list[int], height: int, width: int) -> np.ndarray:
    """Masks in the terms of tokenizer.data.Batch, by the pixel in the middle."""
    named = np.full(256, UNNAMED, np.uint8)
    named[: 1 + len(classes)] = [0, *(1 + k for k in classes)]
    _, old_height, old_width = masks_THW.shape
    rows = ((np.arange(height) + 0.5) * old_height / height).astype(int)
    columns = ((np.arange(width) + 0.5) * old_width / width).astype(int)
    return named[masks_THW[:, rows][:, :, columns].astype(np.uint8)]
