"""Questions whose answers a program can rate: random conversations of scenes that training may show, and how well a video does.

Enters: the number of a conversation; what a judge sees in a video, and in the one before it. Leaves: what to ask for; a rating.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from random import Random

import numpy as np

from eval.attributes import Claim
from eval.generators import trained_world
from eval.judge import Judge, Judgement
from eval.suite import Draws, conversation
from gpt_video.diorama.scene import Scene
from gpt_video.diorama.world import WORLDS
from gpt_video.generate import VideoGenerator
from tokenizer.data import FPS

BLOCK, SECONDS = 8, (1.0, 1.0, 1.0, 2.0, 2.0)  # of every five blocks of eight conversations, how long the videos are


@dataclass(frozen=True)
class Step:
    """One turn: what is said, the scene that it asks for, what must be seen, and (before, after) what must be as it was."""

    text: str
    scene: Scene
    asked: tuple[Claim, ...]
    kept: tuple[tuple[Claim, Claim], ...]


@dataclass(frozen=True)
class Talk:
    """A conversation to be made. size: (height, width) of its render."""

    number: int
    seconds: float
    size: tuple[int, int]
    steps: tuple[Step, ...]


def talk(number: int, turns: int, world: str) -> Talk:
    """The conversation of a number: a function of it."""
    seconds = SECONDS[number // BLOCK % len(SECONDS)]
    draw = Draws(WORLDS[world], 1 + round(seconds * FPS), held_out=False)
    said = conversation(number, turns - 1, Random(f"preference {number}"), draw)
    edits = [Step(step.text, step.edit.scene_after, step.asked, step.kept) for step in said.steps]
    return Talk(number, seconds, said.size, (Step(said.text, said.scene, said.claims, ()), *edits))


def check_worlds(judge: Judge, generator: VideoGenerator) -> None:
    """ValueError if the judge and the model are of two worlds."""
    if judge.world != (world := trained_world(generator)):
        raise ValueError(f"the judge knows the world {judge.world}, the model {world}: give another")


def rating(known: Collection[str], step: Step, was: tuple[Judgement, Scene] | None, now: Judgement) -> float:
    """0 .. 1, or 0 .. 2 of an edit: the mean probability of what is asked for, and that of what the video before showed.

    known: the names of claims that are rated; nan where nothing of what is asked is among them.
    """
    wanted = [_probability(now, claim, step.scene, claim.value) for claim in step.asked if claim.name in known]
    score = float(np.mean(wanted)) if wanted else float("nan")
    if was is not None:
        before, scene = was
        same = [
            _probability(now, new, step.scene, before.answer(old, scene))
            for old, new in step.kept
            if new.name in known and new.attribute != "absent"
        ]
        score += float(np.mean(same)) if same else 1.0
    return score


def _probability(judgement: Judgement, claim: Claim, scene: Scene, value: str) -> float:
    found = judgement.probabilities(claim.attribute, scene, claim.subject)
    if value not in found:  # "animal" is no kind
        return float(judgement.is_right(claim, scene))
    twins = sum(other.kind == scene.subjects[claim.subject].kind for other in scene.subjects)
    return min(found[value] * (twins if claim.attribute == "colour" else 1), 1.0)  # a red ball and a blue one share it
