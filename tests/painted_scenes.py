"""A world that needs no renderer and no trained judge: scenes painted as blocks, and a judge that reads a code out of the pixels.

`paint` draws scenes as data sets hold them. `SpellingGenerator` writes into each frame which scene of a list it shows and which
frame it is, and `ReadingJudge` reads that back: so a video of the right scene in the right order is judged perfectly, and every
damage has a known effect.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np

from eval.attributes import NAMES, values_of
from eval.clips import labels_of
from eval.generators import Ask, Made
from eval.judge import Judgement
from eval.judge_net import OF_KIND, OF_SCENE
from gpt_video.diorama.sample import sample_scene
from gpt_video.diorama.scene import COLOURS, Scene, to_json, world_of
from gpt_video.diorama.world import CORE, WORLDS
from tokenizer.video import write_video

SIDE = 16
LEVEL = 16  # grey levels between two digits, so that a little noise does no harm


def paint(scene: Scene, size: tuple[int, int] = (SIDE, SIDE)) -> tuple[np.ndarray, np.ndarray]:
    """frames_THWC, masks_THW: a block of the subject's colour for each record, on a ground that tells the place; it moves."""
    height, width = size
    frames = np.full((scene.frames, height, width, 3), 40 + 25 * world_of(scene).places.index(scene.place), np.uint8)
    masks = np.zeros((scene.frames, height, width), np.uint8)
    for record, subject in enumerate(scene.subjects):
        for k in range(scene.frames):
            left = (width // 3 * record + k) % max(width - width // 3, 1)
            area = (k, slice(height // 3, 2 * height // 3), slice(left, left + width // 3))
            frames[area] = np.array(COLOURS[subject.colour]) * 255
            masks[area] = record + 1
    return frames, masks


def truth(scene: Scene) -> dict[str, np.ndarray]:
    """The tables of a judge that knows everything: 1 for what is true, equal shares where nothing is known."""
    labels, tables, values = labels_of(scene), {}, values_of(scene.world)
    for name in (name for name in (*OF_KIND, *OF_SCENE) if name in values and name != "colour"):
        n = len(values[name])
        known = labels[name][..., None] == np.arange(n)
        tables[name] = np.where(known.any(axis=-1, keepdims=True), known, 1 / n)
    shares = labels["colour"]
    tables["colour"] = np.where(shares.sum(axis=1, keepdims=True) > 0, shares, 1 / shares.shape[1])
    tables["relation"] = np.full((len(values["kind"]), len(values["kind"]), 4), 0.25)
    if scene.relation:
        a, b = (values["kind"].index(subject.kind) for subject in scene.subjects[:2])
        tables["relation"][a, b] = np.eye(4)[{"left of": 0, "behind": 2, "next to": 1}[scene.relation]]
    return tables


class SpellingGenerator:
    """Writes into each frame which scene it shows, and the frame's number; other pixels are grey."""

    name, sha256 = "spelling", "0"

    def __init__(self, scenes: list[Scene]):
        self.scenes, self.asked = scenes, 0

    def make(self, asks: list[Ask]) -> list[Made]:
        self.asked += len(asks)
        return [Made(self.spell(ask.scene), None) for ask in asks]

    def given(self, frames_THWC: np.ndarray, prompt: str) -> Made:
        return Made(frames_THWC)

    def spell(self, scene: Scene) -> np.ndarray:
        number = self.scenes.index(scene)
        digits = np.array([[number // 64, number // 8 % 8, number % 8, k // 8, k % 8] for k in range(scene.frames)])
        frames = np.full((scene.frames, SIDE, SIDE, 3), 128, np.uint8)
        frames[:, :, :5] = (LEVEL * (2 * digits[:, None, :, None] + 1)).astype(np.uint8)
        return frames


class ReadingJudge:
    """Reads what SpellingGenerator wrote. Frames out of order tell nothing of motion; what cannot be read tells nothing at all."""

    sha256 = "reading"
    ceiling = dict.fromkeys(NAMES, 1.0)

    def __init__(self, scenes: list[Scene]):
        self.scenes, self.world = scenes, scenes[0].world

    def counts(self, name: str) -> bool:
        return self.ceiling.get(name, 0) >= 0.8

    def __call__(self, frames_THWC: np.ndarray) -> Judgement:
        levels = frames_THWC[:, :, :5].astype(float)
        digits = (levels.mean(axis=(1, 3)) / LEVEL - 1).round() / 2
        numbers, order = digits[:, :3] @ (64, 8, 1), digits[:, 3:] @ (8, 1)
        readable = (
            levels.std(axis=(1, 3)).max() < 2 and len(set(numbers)) == 1 and numbers[0] in range(len(self.scenes))
        )
        unknown = {name: np.full_like(table, 1 / table.shape[-1]) for name, table in truth(self.scenes[0]).items()}
        unknown["count"] = np.tile((1.0, 0, 0, 0), (len(unknown["count"]), 1))
        if not readable:
            return Judgement(unknown)
        tables = truth(self.scenes[int(numbers[0])])
        if (np.diff(order) != 1).any():
            tables |= {name: unknown[name] for name in ("action", "direction", "speed", "camera")}
        return Judgement(tables)


def data_set(
    folder: Path, clips: int, frames: int = 9, size: tuple[int, int] = (32, 32), seed: int = 0, world: str = CORE.name
) -> Path:
    """A folder as the renderer writes it, of painted scenes; every third clip is a still."""
    rows = []
    (folder / "videos").mkdir(parents=True)
    (folder / "masks").mkdir()
    for number in range(clips):
        rng, length = Random(f"{seed} {number}"), 1 if number % 3 == 2 else frames
        scene = sample_scene(rng, frames=length, world=WORLDS[world])
        pixels, masks = paint(scene, size)
        write_video(folder / f"videos/{number}.mp4", pixels, 8.0)
        np.savez_compressed(folder / f"masks/{number}.npz", masks=masks)
        texts = [f"a {s.colour} {s.kind}" for s in scene.subjects]
        row = {"file_name": f"videos/{number}.mp4", "mask": f"masks/{number}.npz", "scene": to_json(scene)}
        rows.append(row | {"text": texts[0], "texts": texts})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder
