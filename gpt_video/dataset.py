"""Token shards -> packed batches for training: a seeded stream of {ids_BL, labels_BL} that resumes exactly.

The shards come from `tokenize_folder` or `write_shards` (shards.py), which are named here too.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from gpt_video import sequence
from gpt_video.sequence import Turn, Vocabulary
from gpt_video.shards import Clip, Corpus, read_shards, summary, tokenize_folder, tokenizer_hash, write_shards
from gpt_video.text import TextTokenizer

__all__ = ["PackedBatches", "read_shards", "summary", "tokenize_folder", "tokenizer_hash", "write_shards"]

IGNORED = -100  # the label that transformers leaves out of the loss
LONG_ROLLED_SHARE = 0.5


class PackedBatches:
    """An endless stream of {ids_BL, labels_BL}, int64; labels are the true ids at video codes and -100 elsewhere.

    A sample is a path through a conversation from its root to a leaf, with one of each turn's wordings. A batch holds
    samples of one packed length (lengths are few: slots and grids are), so nothing is padded and conversations never see
    each other. `labels` lie where `ids` do: transformers shifts them. On the way a sample may be

    - cut to fewer latent frames, all its turns alike (`truncate_share`; not with continuations): codes are causal. To one of
      the shards' lengths, or of the `shortest` so many of them;
    - turned into a rolled window, see sequence.py (`rolled_share` of those that are long enough; a clip longer than any of the
      shards' lengths LONG_ROLLED_SHARE of the time, and else cut to the longest: `rolled_share` 0 turns that off too);
    - stripped of the last turn's words (`caption_dropout`), for guidance;
    - corrupted (`corrupt_share`): up to `corrupt_rate` of its video ids replaced by random ones, against drift;
    - rewritten by `text_noise(text, random.Random)`: case, accents, typing errors.

    Everything random is a function of (seed, epoch, sample), so the stream resumes exactly and needs no saved generator.
    For validation set the shares to 0 and take `epoch(0)`. With several processes each takes every n-th batch.
    """

    def __init__(
        self,
        shards: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Corpus,
        vocabulary: Vocabulary,
        text_tokenizer: TextTokenizer,
        *,
        tokens_per_batch: int = 8192,
        window: int | None = None,
        seed: int = 0,
        truncate_share: float = 0.5,
        rolled_share: float = 0.1,
        caption_dropout: float = 0.1,
        corrupt_share: float = 0.5,
        corrupt_rate: float = 0.15,
        shortest: int | None = None,
        text_noise: Callable[[str, random.Random], str] | None = None,
        process_index: int = 0,
        process_count: int = 1,
    ) -> None:
        corpus = read_shards(shards)
        if corpus.codebook_size != vocabulary.codebook_size:
            sizes = f"{corpus.codebook_size} codes and not {vocabulary.codebook_size}"
            raise ValueError(
                f"the shards are of a tokenizer with {sizes}: tokenize the clips with this model's tokenizer"
            )
        self.tokenizer = corpus.tokenizer
        self.paths: list[list[Clip]] = []
        self.add(corpus)
        self.vocabulary, self.text_tokenizer = vocabulary, text_tokenizer
        self.tokens_per_batch, self.window, self.seed = tokens_per_batch, window, seed
        self.truncate_share, self.rolled_share, self.caption_dropout = truncate_share, rolled_share, caption_dropout
        self.corrupt_share, self.corrupt_rate = corrupt_share, corrupt_rate
        self.lengths, self.longest, self.text_noise = corpus.lengths[:shortest], corpus.lengths[-1], text_noise
        self.process_index, self.process_count = process_index, process_count
        self.epoch_index, self.position = 0, 0

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        while True:
            plan = self._plan(self.epoch_index)
            while self.position < len(plan):
                batch = self._batch(self.epoch_index, plan[self.position])
                self.position += 1  # before the yield: a state saved after this batch's step goes on with the next
                yield batch
            self.epoch_index, self.position = self.epoch_index + 1, 0

    def epoch(self, epoch: int) -> Iterator[dict[str, torch.Tensor]]:
        """One pass over the samples; does not move the stream."""
        return (self._batch(epoch, indices) for indices in self._plan(epoch))

    def add(self, corpus: Corpus) -> None:
        """More conversations, for the epochs to come."""
        self.paths += [path for conversation in corpus.conversations for path in _paths(conversation)]

    def row(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(ids_L, labels_L) of one sample as it is in an epoch, for who makes batches of his own."""
        return self._row(self._sample(epoch, index))

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch_index, "position": self.position, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was saved. ValueError when the data or what orders it is not the same."""
        for key, value in self._identity().items():
            if state.get(key) != value:
                raise ValueError(f"cannot resume: {key} is {value} and was {state.get(key)}; start a new run instead")
        self.epoch_index, self.position = state["epoch"], state["position"]

    def _identity(self) -> dict[str, Any]:
        sizes = {"samples": len(self.paths), "tokens_per_batch": self.tokens_per_batch, "processes": self.process_count}
        return {"tokenizer": self.tokenizer, "seed": self.seed, **sizes}

    def _plan(self, epoch: int) -> list[list[int]]:
        buckets: dict[int, list[int]] = defaultdict(list)
        for index in range(len(self.paths)):
            turns = self._sample(epoch, index).turns
            buckets[sum(_packed_length(turn) for turn in turns)].append(index)
        rng = np.random.default_rng((self.seed, epoch))
        batches: list[list[int]] = []
        for length, indices in sorted(buckets.items()):
            rows = max(1, self.tokens_per_batch // length)
            order = rng.permutation(indices).tolist()
            batches += [order[start : start + rows] for start in range(0, len(order), rows)]
        batches = [batches[i] for i in rng.permutation(len(batches))]
        batches += batches[: -len(batches) % self.process_count]  # every process takes the same number of steps
        return batches[self.process_index :: self.process_count]

    def _batch(self, epoch: int, indices: list[int]) -> dict[str, torch.Tensor]:
        rows = [self.row(epoch, index) for index in indices]
        ids_BL, labels_BL = (torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True))
        return {"ids_BL": ids_BL, "labels_BL": labels_BL}

    def _sample(self, epoch: int, index: int) -> _Sample:
        rng = np.random.default_rng((self.seed, epoch, index))
        turns = [Turn(self._words(clip, rng), clip.action, clip.codes_thw) for clip in self.paths[index]]
        chain_thw = _last_chain(turns)
        is_long = len(turns) == 1 and len(chain_thw) > self.longest
        rolled_share = max(self.rolled_share, LONG_ROLLED_SHARE) if is_long and self.rolled_share else self.rolled_share
        if len(chain_thw) > sequence.ROLLED_T and rng.random() < rolled_share:
            return _Sample([_rolled(turns[-1], chain_thw, rng)], True, rng)
        if is_long:  # as a fresh video no model is asked for it
            turns = [replace(turns[0], codes_thw=chain_thw[: self.longest])]
        if self.window is not None:
            turns = _fitted(turns, self.window, rng)
        shortest = min(turn.grid[0] for turn in turns)
        shorter = [t for t in self.lengths if t < shortest]
        if shorter and all(turn.action != "continue" for turn in turns) and rng.random() < self.truncate_share:
            t = int(rng.choice(shorter))
            turns = [replace(turn, codes_thw=turn.codes_thw[:t]) for turn in turns]
        return _Sample(turns, False, rng)

    def _words(self, clip: Clip, rng: np.random.Generator) -> tuple[int, ...]:
        text = clip.texts[int(rng.integers(len(clip.texts)))]
        if self.text_noise is not None:
            text = self.text_noise(text, random.Random(int(rng.integers(2**63))))
        # A person gets an error for too long a prompt; a data set with a few long captions should still train.
        return tuple(self.text_tokenizer.encode(text)[: sequence.SLOTS[-1] - sequence.MARKERS])

    def _row(self, sample: _Sample) -> tuple[np.ndarray, np.ndarray]:
        turns, is_rolled, rng = sample
        ids_L = sequence.pack(turns, self.vocabulary)
        if rng.random() < self.caption_dropout:
            ids_L = sequence.without_words(ids_L, self.vocabulary)
        video = np.flatnonzero(sequence.video_mask(ids_L, self.vocabulary))
        labels_L = np.full_like(ids_L, IGNORED)
        # What a rolled window jumps to cannot be predicted, and is always given: no loss on the anchor and the frame after.
        learnt = video[2 * turns[0].codes_thw[0].size :] if is_rolled else video
        labels_L[learnt] = ids_L[learnt]
        if rng.random() < self.corrupt_share:
            hit = video[rng.random(len(video)) < rng.uniform(0, self.corrupt_rate)]
            wrong = rng.integers(self.vocabulary.codebook_size, size=len(hit))
            if self.vocabulary.is_paired:  # in every second one the second part alone: details go wrong more often
                part, known = self.vocabulary.part, self.vocabulary.codes(ids_L[hit])
                wrong[::2] += known[::2] % part - wrong[::2] % part
            ids_L[hit] = self.vocabulary.video_ids(wrong)
        return ids_L, labels_L


class _Sample(NamedTuple):
    turns: list[Turn]
    is_rolled: bool
    rng: np.random.Generator


def _paths(conversation: list[Clip]) -> list[list[Clip]]:
    """Every way from the root to a turn that has no child."""
    by_turn = {clip.turn: clip for clip in conversation}
    parents = {clip.parent for clip in conversation}
    paths = []
    for leaf in (clip for clip in conversation if clip.turn not in parents):
        path = [leaf]
        while path[0].parent is not None:
            path.insert(0, by_turn[path[0].parent])
        paths.append(path)
    return paths


def _packed_length(turn: Turn) -> int:
    return sequence.turn_length(sequence.slot_length(len(turn.text_ids)), turn.grid)


def _fitted(turns: list[Turn], window: int, rng: np.random.Generator) -> list[Turn]:
    # A path that is too long ends at any of its turns, with the turns before that fit, as a chat's context does. Where
    # what an edit or a continuation needs would not fit, it ends earlier. ValueError when even the root is too long.
    if sum(map(_packed_length, turns)) <= window:
        return turns
    for end in range(int(rng.integers(1, len(turns) + 1)), 1, -1):
        *before, last = turns[:end]
        if _packed_length(before[-1]) + _packed_length(last) <= window:
            kept = sequence.fit_window(before, last.text_ids, last.action, last.grid, window)
            if kept or last.action == "new":
                return [*kept, last]
    root = turns[0]
    return [*sequence.fit_window([], root.text_ids, root.action, root.grid, window), root]


def _last_chain(turns: list[Turn]) -> np.ndarray:
    """The codes of the last video as a whole: those of the last turn, and of what it continues."""
    start = len(turns) - 1
    while turns[start].action == "continue" and start:
        start -= 1
    return np.concatenate([turn.codes_thw for turn in turns[start:]])


def _rolled(last: Turn, chain_thw: np.ndarray, rng: np.random.Generator) -> Turn:
    # The window ends within the last turn, so that its words are about the frames that are new in the window.
    earliest = min(len(chain_thw), len(chain_thw) - last.grid[0] + sequence.ROLLED_NEW)
    stop = int(rng.integers(max(sequence.ROLLED_T + 1, earliest), len(chain_thw) + 1))
    return Turn(last.text_ids, "continue", sequence.rolled_codes(chain_thw, stop - sequence.ROLLED_T + 1, stop))
