"""The diorama on disk: a folder of clips, masks and `metadata.jsonl`, or the same turns handed over as frames.

Enters: how many, a seed, and what to choose from. Leaves: a data-set folder (design.md, "Data on disk"), the same for the
same seed whatever the number of workers; an interrupted one is completed. A conversation is a function of
(seed, family, index) alone, where the family is "clip", "still", "conversation" or "long". Without PyAV clips are written as .npz.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from gpt_video.diorama.language import mirrored
from gpt_video.diorama.render import RenderedClip, Renderer
from gpt_video.diorama.sample import Turn, sample_conversation
from gpt_video.diorama.scene import to_json
from gpt_video.diorama.world import CORE, WORLDS
from gpt_video.disk import draft_of, write_text
from tokenizer.data import FPS
from tokenizer.video import data_set_suffix, read_video, write_video

# How often each shape (height, width) is chosen, and each number of frames of a clip or of a conversation's first turn.
SHAPE_WEIGHTS: dict[tuple[int, int], int] = {(128, 128): 60, (96, 160): 20, (160, 96): 20}
FRAME_WEIGHTS: dict[int, int] = {33: 60, 25: 10, 17: 18, 9: 12}
# Of a long clip: what a window that is rolled on has to learn from.
LONG_FRAMES: dict[int, int] = {65: 1, 97: 1, 129: 1}
FAMILIES = ("clip", "still", "conversation", "long")


@dataclass(frozen=True)
class Choices:
    """What a conversation is sampled from: its number of turns (least, most), and weights of shapes and of lengths."""

    seed: int = 0
    turns: tuple[int, int] = (1, 5)
    shapes: Mapping[tuple[int, int], int] | None = None
    frames: Mapping[int, int] | None = None
    held_out: bool = False
    world: str = CORE.name

    def record(self) -> dict[str, Any]:
        """As JSON: two folders with the same record hold the same conversations."""
        shapes = [[*shape, weight] for shape, weight in (self.shapes or SHAPE_WEIGHTS).items()]
        frames = [list(item) for item in (self.frames or FRAME_WEIGHTS).items()]
        record = asdict(self) | {"shapes": shapes, "frames": frames}
        if self.world == CORE.name:  # as in folders that were rendered before there was another
            del record["world"]
        return record


@dataclass(frozen=True)
class RenderedTurn:
    """A turn, its frames and masks, and where it belongs."""

    conversation: str
    number: int
    turn: Turn
    clip: RenderedClip


def rendered_turns(
    index: int, choices: Choices, family: str = "conversation", *, with_masks: bool = True
) -> Iterator[RenderedTurn]:
    """The turns of one conversation (or single clip, or still), rendered one by one, without any file."""
    name = _name(family, index)
    rng = Random(f"{choices.seed} {family} {index}")
    height, width = _weighted(rng, choices.shapes or SHAPE_WEIGHTS)
    weights = LONG_FRAMES if family == "long" else choices.frames or FRAME_WEIGHTS
    frames = 1 if family == "still" else _weighted(rng, weights)
    least, most = choices.turns if family == "conversation" else (1, 1)
    world = WORLDS[choices.world]
    turns = sample_conversation(rng, rng.randint(least, most), frames, held_out=choices.held_out, world=world)
    renderer = Renderer(height, width)
    for number, turn in enumerate(turns):
        yield RenderedTurn(name, number, turn, renderer.render(turn.scene, with_masks=with_masks))


def render_dataset(
    out: str | os.PathLike[str],
    clips: int = 0,
    conversations: int = 0,
    stills: int = 0,
    long: int = 0,
    *,
    turns: tuple[int, int] = (1, 5),
    workers: int = 1,
    seed: int = 0,
    shapes: Mapping[tuple[int, int], int] | None = None,
    frames: Mapping[int, int] | None = None,
    held_out: bool = False,
    world: str = CORE.name,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Renders a data-set folder. What `out` holds already, from an interrupted run or a smaller one, is kept.

    long: clips of 8 to 16 seconds. shapes, frames: weights of (height, width) and of other clips' lengths. world: a name from
    WORLDS. on_progress(done, total) counts conversations.
    Raises RendererUnavailable; ValueError for an unknown world, or when `out` was rendered from other choices; OSError when
    it cannot be written.
    """
    if world not in WORLDS:
        raise ValueError(f"there is no world {world!r}: use one of {', '.join(WORLDS)}")
    folder = Path(out)
    choices = Choices(seed, turns, shapes, frames, held_out, world)
    _claim(folder, choices)
    counts = dict(zip(FAMILIES, (clips, stills, conversations, long), strict=True))
    jobs = [(str(folder), choices, family, index) for family in FAMILIES for index in range(counts[family])]
    waiting = [job for job in jobs if not _is_complete(folder, _part(folder, *job[2:]))]
    if waiting and data_set_suffix() == ".npz":
        print("PyAV is not installed: clips are written as .npz, with no loss, and larger than videos", file=sys.stderr)
    done = len(jobs) - len(waiting)
    for _ in _in_processes(waiting, workers):
        done += 1
        if on_progress:
            on_progress(done, len(jobs))
    parts = [_part(folder, family, index).read_text("utf-8") for _, _, family, index in jobs]
    write_text(folder / "metadata.jsonl", "".join(parts))


def contact_sheet(folder: str | os.PathLike[str], out_png: str | os.PathLike[str], n: int = 24) -> None:
    """A picture of n clips spread over the data set: first, middle and last frame of each, and its text."""
    from gpt_video.sheets import contact_sheet as draw

    folder = Path(folder)
    try:
        rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text("utf-8").splitlines()]
    except FileNotFoundError as error:
        raise ValueError(f"{folder} holds no metadata.jsonl: give a data-set folder") from error
    chosen = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, n).round().astype(int))] if rows else []
    drawn = []
    for row in chosen:
        frames, _ = read_video(folder / row["file_name"])
        drawn.append((row["text"], [frames[i] for i in (0, len(frames) // 2, -1)]))
    draw(drawn, out_png)


def _claim(folder: Path, choices: Choices) -> None:
    """Makes the folder, and notes in it what it is rendered from, so that a resumed run cannot mix two data sets."""
    for sub in ("videos", "masks", "parts"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    note, record = folder / "render.json", choices.record()
    if not note.exists():
        write_text(note, json.dumps(record))
    elif json.loads(note.read_text("utf-8")) != json.loads(json.dumps(record)):
        raise ValueError(
            f"{folder} was rendered with {note.read_text('utf-8')}: use the same settings, or another folder"
        )


def _name(family: str, index: int) -> str:
    return f"{family}-{index:06d}"


def _part(folder: Path, family: str, index: int) -> Path:
    return folder / "parts" / f"{_name(family, index)}.jsonl"


def _is_complete(folder: Path, part: Path) -> bool:
    """The part is written last, so it is enough to see that nobody took a file away."""
    if not part.exists():
        return False
    rows = [json.loads(line) for line in part.read_text("utf-8").splitlines()]
    return all((folder / row[key]).exists() for row in rows for key in ("file_name", "mask"))


def _in_processes(jobs: list[tuple], workers: int) -> Iterable[str]:
    """Does the jobs, in this process or in others; yields a name as each is done."""
    if workers <= 1 or len(jobs) <= 1:
        yield from map(_render_conversation, jobs)
        return
    # Not forked from here: a GL context or a thread pool that this process holds does not survive it.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":  # imports once, for all workers
        context.set_forkserver_preload(["gpt_video.diorama.make"])
    with context.Pool(min(workers, len(jobs)), initializer=_start_worker) as pool:
        yield from pool.imap_unordered(_render_conversation, jobs, chunksize=1)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends the pool


def _render_conversation(job: tuple[str, Choices, str, int]) -> str:
    """Writes the videos and masks of one conversation, then its lines of metadata."""
    folder, (_, choices, family, index) = Path(job[0]), job
    lines = []
    for one in rendered_turns(index, choices, family):
        row = row_of(one)
        write_video(folder / row["file_name"], one.clip.frames_THWC, FPS)
        _write_masks(folder / row["mask"], one.clip.masks_THW)
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    write_text(_part(folder, family, index), "".join(lines))
    return _name(family, index)


def row_of(one: RenderedTurn) -> dict[str, Any]:
    """The line of metadata.jsonl of a turn."""
    turn, name = one.turn, f"{one.conversation}-{one.number}"
    return {
        "file_name": f"videos/{name}{data_set_suffix()}",
        "text": turn.texts[0],
        "texts": list(turn.texts),
        "languages": list(turn.languages),
        "conversation": one.conversation,
        "turn": one.number,
        "action": turn.action,
        "parent": turn.parent,
        "mask": f"masks/{name}.npz",
        "mask_classes": [subject.kind for subject in turn.scene.subjects],
        "licence": "Apache-2.0",
        "source": "diorama",
        "scene": to_json(turn.scene),
    }


def mirrored_row(row: dict[str, Any]) -> dict[str, Any]:
    """The line of what a mirror shows of the turn, in words that are true of it."""
    texts = [mirrored(text) for text in row["texts"]]
    return row | {"text": texts[0], "texts": texts, "source": f"{row['source']}, mirrored"}


def _write_masks(path: Path, masks_THW: np.ndarray) -> None:
    with draft_of(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, masks=masks_THW)


def _weighted(rng: Random, weights: Mapping[Any, int]) -> Any:
    return rng.choices(list(weights), list(weights.values()))[0]
