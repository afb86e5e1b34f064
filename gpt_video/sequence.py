"""The one vocabulary and the conversation format: the only owner of token order, offsets and special ids.

Enters: turns (text ids, action, video codes_thw). Leaves: ids_L, one stream, the same for training and inference.

The vocabulary is [text | special | video | unused up to a multiple of 64]; where a code is a pair, the table of the GPT has rows
for its two parts in place of one for each code (pairs.py). A turn is

    <|user|> word .. <|pad|> .. <|action|>  <|t:n|> <|h:n|> <|w:n|>  <|frame|> h*w codes  .. t times  <|end|>
    |---- slot: 32, 64 or 96 ids --------|                           |-- frame_stride --|

and a conversation is turns one after another. The codes of a latent frame are in raster order. Where a special token
stands is a function of slot and grid, so special tokens are fed, never sampled.

A video longer than a window goes on in a *rolled* window: one turn, `<|continue|>` at the very start of the stream
(every other `<|continue|>` has the video that it continues before it, so the two cannot be confused), whose codes are
the video's first latent frame as an anchor, its last ROLLED_TAIL latent frames, and then the new ones:

    video so far   0 1 2 3 4 5 6 7 8
                   |           | | |
    rolled window  0           6 7 8 | 9 10 11        <|t:7|>: 1 anchor + 3 tail (both prefilled) + 3 new
                   anchor      tail  | new

The next window has the tail 9 10 11 and the same anchor. Training samples have this form too (`rolled_codes` of a video
that is at hand as a whole), so that the model knows the jump from 0 to 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

import numpy as np

ACTIONS = ("new", "edit", "continue")
SLOTS = (32, 64, 96)
MAX_T, MAX_H, MAX_W = 17, 32, 32
ROLLED_TAIL, ROLLED_NEW = 3, 3
ROLLED_T = 1 + ROLLED_TAIL + ROLLED_NEW
MARKERS = 2  # <|user|> and <|action|>, which every slot holds
HEADER = 3  # <|t|> <|h|> <|w|>
LARGEST_PART = 2**16  # codes: a codebook of more is taken as one of pairs

SPECIALS = (
    *("pad", "user", *ACTIONS, "frame", "end"),
    *(f"t:{n}" for n in range(1, MAX_T + 1)),
    *(f"h:{n}" for n in range(1, MAX_H + 1)),
    *(f"w:{n}" for n in range(1, MAX_W + 1)),
)
_SPECIAL_INDEX = {name: index for index, name in enumerate(SPECIALS)}

Grid = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Turn:
    """One user message and its video: text ids, one of ACTIONS, codes_thw int64 (any integer array is taken)."""

    text_ids: tuple[int, ...]
    action: str
    codes_thw: np.ndarray

    def __post_init__(self) -> None:
        codes_thw = np.asarray(self.codes_thw)
        if codes_thw.ndim != 3 or codes_thw.dtype.kind not in "iu":
            raise ValueError(f"video codes are integers of shape (t, h, w), not {codes_thw.dtype} {codes_thw.shape}")
        object.__setattr__(self, "text_ids", tuple(int(i) for i in self.text_ids))
        object.__setattr__(self, "codes_thw", codes_thw.astype(np.int64))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Turn)
            and (self.text_ids, self.action) == (other.text_ids, other.action)
            and np.array_equal(self.codes_thw, other.codes_thw)
        )

    @property
    def grid(self) -> Grid:
        t, h, w = self.codes_thw.shape
        return t, h, w


@dataclass(frozen=True)
class Vocabulary:
    """Which id means what. Raises ValueError on sizes that no vocabulary has."""

    text_size: int
    codebook_size: int

    def __post_init__(self) -> None:
        if self.text_size < 1 or self.codebook_size < 1:
            sizes = f"{self.text_size} and {self.codebook_size}"
            raise ValueError(f"a vocabulary needs at least one text token and one video code, not {sizes}")
        if self.is_paired and self.part**2 != self.codebook_size:
            raise ValueError(
                f"a codebook of {self.codebook_size} is too large, and no square: give it the same levels twice"
            )

    @property
    def is_paired(self) -> bool:
        """Whether a code is first + part * second, each below `part`."""
        return self.codebook_size > LARGEST_PART

    @property
    def parts(self) -> int:
        """2 where a code is a pair, else 1."""
        return 1 + self.is_paired

    @property
    def part(self) -> int:
        """How many codes there are, or how many of each of the two parts."""
        return isqrt(self.codebook_size) if self.is_paired else self.codebook_size

    @property
    def size(self) -> int:
        """Rows of the GPT's table: a multiple of 64, which matrix kernels like; the last ones are unused."""
        return -(-self.part_slices[-1].stop // 64) * 64

    @property
    def part_slices(self) -> tuple[slice, ...]:
        """The table's rows of the codes, or of their first and of their second parts."""
        starts = [self.video_slice.start + index * self.part for index in range(self.parts)]
        return tuple(slice(start, start + self.part) for start in starts)

    @property
    def video_slice(self) -> slice:
        """The ids of the video codes: an index into this slice is a code."""
        start = self.text_size + len(SPECIALS)
        return slice(start, start + self.codebook_size)

    def video_ids(self, codes):
        """Codes (numpy or torch, any shape, 0..codebook_size-1) as ids."""
        return codes + self.video_slice.start

    def codes(self, video_ids):
        """The inverse of `video_ids`."""
        return video_ids - self.video_slice.start

    def special(self, name: str) -> int:
        """The id of a special token by its name in SPECIALS, such as "frame" or "t:9"."""
        return self.text_size + _SPECIAL_INDEX[name]

    @property
    def pad(self) -> int:
        return self.special("pad")

    @property
    def user(self) -> int:
        return self.special("user")

    @property
    def frame(self) -> int:
        return self.special("frame")

    @property
    def end(self) -> int:
        return self.special("end")

    def action(self, action: str) -> int:
        if action not in ACTIONS:
            raise ValueError(f"action {action!r} is unknown: use one of {', '.join(ACTIONS)}")
        return self.special(action)

    def t(self, n: int) -> int:
        return self._axis("t", n, MAX_T)

    def h(self, n: int) -> int:
        return self._axis("h", n, MAX_H)

    def w(self, n: int) -> int:
        return self._axis("w", n, MAX_W)

    def _axis(self, axis: str, n: int, most: int) -> int:
        if not 1 <= n <= most:
            raise ValueError(f"a video of {n} latent cells along {axis} does not fit: 1 to {most} are possible")
        return self.special(f"{axis}:{n}")


def code_dtype(codebook_size: int) -> type[np.unsignedinteger]:
    """What codes are stored as."""
    return np.uint16 if codebook_size <= 2**16 else np.uint32


def narrow(codes_thw: np.ndarray) -> np.ndarray:
    """Codes as they are stored where the size of the codebook is not known."""
    return codes_thw.astype(code_dtype(int(codes_thw.max(initial=0)) + 1))


# Lengths


def slot_length(n_words: int) -> int:
    """The smallest slot (32, 64 or 96 ids, markers included) that holds n_words text tokens; ValueError if none."""
    for slot in SLOTS:
        if n_words + MARKERS <= slot:
            return slot
    most = SLOTS[-1] - MARKERS
    raise ValueError(f"the text has {n_words} tokens and at most {most} fit: shorten it")


def frame_stride(h: int, w: int) -> int:
    """Ids from one <|frame|> to the next."""
    return 1 + h * w


def turn_length(slot: int, grid: Grid) -> int:
    """Ids of a whole turn, <|user|> to <|end|>."""
    t, h, w = grid
    return slot + HEADER + t * frame_stride(h, w) + 1


# Packing


def pack(turns: Sequence[Turn], vocabulary: Vocabulary, slot: int | None = None) -> np.ndarray:
    """Turns -> ids_L int64. `slot` forces one slot for all turns; by default each takes the smallest that fits.

    ValueError on an unknown action, too many words, a grid out of range, or an id outside its part of the vocabulary.
    """
    parts = [np.empty(0, np.int64)]
    for turn in turns:
        parts += [
            _header(turn.text_ids, turn.action, turn.grid, vocabulary, slot),
            _frames(turn.codes_thw, vocabulary).ravel(),
            np.array([vocabulary.end]),
        ]
    return np.concatenate(parts)


def prompt(
    turns_before: Sequence[Turn],
    text_ids: Sequence[int],
    action: str,
    grid: Grid,
    vocabulary: Vocabulary,
    slot: int | None = None,
) -> np.ndarray:
    """ids_L up to and including the new turn's first <|frame|>: a prefix of `pack` of all turns. Errors as there."""
    header = _header(text_ids, action, grid, vocabulary, slot)
    return np.concatenate([pack(turns_before, vocabulary, slot), header, [vocabulary.frame]])


def append_frames(prompt_L: np.ndarray, codes_thw: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """A prompt plus known latent frames (an image, a tail). It ends in <|frame|> again: codes are to follow."""
    known = _frames(np.asarray(codes_thw, np.int64), vocabulary).ravel()
    return np.concatenate([prompt_L[:-1], known, [vocabulary.frame]])


def _header(text_ids, action: str, grid: Grid, vocabulary: Vocabulary, slot: int | None) -> np.ndarray:
    words = np.asarray(text_ids, np.int64).reshape(-1)
    smallest = slot_length(len(words))
    slot = slot or smallest
    if slot not in SLOTS or slot < smallest:
        raise ValueError(f"a slot of {slot} cannot hold {len(words)} words: use one of {SLOTS}, at least {smallest}")
    _check_range(words, vocabulary.text_size, "text token")
    t, h, w = grid
    ids = np.full(slot + HEADER, vocabulary.pad, np.int64)
    ids[0] = vocabulary.user
    ids[1 : 1 + len(words)] = words
    ids[slot - 1 :] = vocabulary.action(action), vocabulary.t(t), vocabulary.h(h), vocabulary.w(w)
    return ids


def _frames(codes_thw: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    _check_range(codes_thw, vocabulary.codebook_size, "video code")
    t, h, w = codes_thw.shape
    ids = np.full((t, frame_stride(h, w)), vocabulary.frame, np.int64)
    ids[:, 1:] = vocabulary.video_ids(codes_thw).reshape(t, h * w)
    return ids


def _check_range(values: np.ndarray, size: int, what: str) -> None:
    outside = values[(values < 0) | (values >= size)]
    if outside.size:
        raise ValueError(f"{what} {outside.flat[0]} is out of range: 0 to {size - 1} are possible")


# Unpacking


def unpack(ids_L: np.ndarray, vocabulary: Vocabulary) -> list[Turn]:
    """The inverse of `pack`. ValueError names the position at which ids_L is not a sequence of whole turns."""
    ids_L = np.asarray(ids_L, np.int64)
    turns: list[Turn] = []
    position = 0
    while position < len(ids_L):
        try:
            turn, slot = _read_turn(ids_L[position:], vocabulary)
            expected = pack([turn], vocabulary, slot)
        except ValueError as error:
            raise ValueError(f"broken token sequence in the turn at position {position}: {error}") from error
        wrong = np.flatnonzero(expected != ids_L[position : position + len(expected)])
        if wrong.size:
            at = position + int(wrong[0])
            raise ValueError(f"broken token sequence: id {ids_L[at]} at position {at}, expected {expected[wrong[0]]}")
        turns.append(turn)
        position += len(expected)
    return turns


def _read_turn(ids_L: np.ndarray, vocabulary: Vocabulary) -> tuple[Turn, int]:
    # Reads what the fixed positions say; `unpack` compares the result with what `pack` would have written.
    action_of = {vocabulary.action(action): action for action in ACTIONS}
    slot = next((slot for slot in SLOTS if len(ids_L) > slot + HEADER and int(ids_L[slot - 1]) in action_of), None)
    if slot is None:
        raise ValueError("no action token where a slot ends")
    words = ids_L[1 : slot - 1]
    words = words[: np.argmax(words == vocabulary.pad)] if vocabulary.pad in words else words
    first = [vocabulary.t(1), vocabulary.h(1), vocabulary.w(1)]
    t, h, w = (ids_L[slot : slot + HEADER] - first + 1).tolist()
    if not (1 <= t <= MAX_T and 1 <= h <= MAX_H and 1 <= w <= MAX_W):
        raise ValueError(f"no grid after the slot (read as {t}, {h}, {w})")
    length = turn_length(slot, (t, h, w))
    if len(ids_L) < length:
        raise ValueError(f"{length} tokens announced, {len(ids_L)} found")
    frames = ids_L[slot + HEADER : length - 1].reshape(t, frame_stride(h, w))
    codes_thw = vocabulary.codes(frames[:, 1:]).reshape(t, h, w)
    return Turn(tuple(words.tolist()), action_of[int(ids_L[slot - 1])], codes_thw), slot


# Views of a packed sequence


def video_mask(ids, vocabulary: Vocabulary):
    """True where an id is a video code (numpy or torch, any shape): where the loss is taken."""
    video = vocabulary.video_slice
    return (ids >= video.start) & (ids < video.stop)


def without_words(ids_L: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """A copy in which the last turn's words are <|pad|>; earlier turns stay. For guidance, and for caption dropout."""
    ids_L = np.array(ids_L, np.int64)
    start = int(np.flatnonzero(ids_L == vocabulary.user)[-1]) + 1
    is_action = np.isin(ids_L[start:], [vocabulary.action(action) for action in ACTIONS])
    ids_L[start : start + int(np.argmax(is_action))] = vocabulary.pad
    return ids_L


# Windows


def fit_window(turns: Sequence[Turn], text_ids: Sequence[int], action: str, grid: Grid, window: int) -> list[Turn]:
    """The longest run of last turns that fits a window of `window` ids together with the whole new turn.

    Cut at whole turns; a run never opens with a <|continue|> whose parent was cut (it would read as a rolled window).
    An empty answer to "continue" means: go on with `rolled`. ValueError when the new turn alone is too long, or when an
    edit would lose its source.
    """
    room = window - turn_length(slot_length(len(text_ids)), grid)
    if room < 0:
        raise ValueError(f"a turn of {window - room} tokens exceeds the window of {window}: ask for a shorter video")
    kept = len(turns)
    for index in range(len(turns) - 1, -1, -1):
        room -= turn_length(slot_length(len(turns[index].text_ids)), turns[index].grid)
        if room < 0:
            break
        if turns[index].action != "continue" or index == 0:
            kept = index
    if action == "edit" and turns and kept == len(turns):
        raise ValueError(f"the video to edit does not fit the window of {window} tokens: edit a shorter one")
    return list(turns[kept:])


def rolled_codes(codes_thw: np.ndarray, start: int, stop: int | None = None) -> np.ndarray:
    """The codes of a rolled window: the anchor (latent frame 0), then latent frames start..stop; 1 <= start < t."""
    t = len(codes_thw)
    if not 1 <= start < t:
        raise ValueError(f"a rolled window cannot start at latent frame {start} of {t}: 1 to {t - 1} are possible")
    return np.concatenate([codes_thw[:1], codes_thw[start:stop]])


class RolledPrompt(NamedTuple):
    """What the engine needs for a rolled window: prompt, known latent frames, and the grid of the whole window."""

    ids_L: np.ndarray
    given_thw: np.ndarray
    grid: Grid


def rolled(text_ids: Sequence[int], codes_thw: np.ndarray, vocabulary: Vocabulary) -> RolledPrompt:
    """Re-prefill for a long video: `codes_thw` is all of it so far, at least 1 + ROLLED_TAIL latent frames.

    `append_frames(ids_L, given_thw)` is the full prefill; up to ROLLED_NEW new latent frames follow it.
    """
    t, h, w = codes_thw.shape
    if t < 1 + ROLLED_TAIL:
        raise ValueError(
            f"a rolled window needs {1 + ROLLED_TAIL} latent frames or more, not {t}: continue it as a turn"
        )
    grid = (ROLLED_T, h, w)
    ids_L = prompt([], text_ids, "continue", grid, vocabulary)
    return RolledPrompt(ids_L, rolled_codes(codes_thw, t - ROLLED_TAIL), grid)
