"""A hundred prompts that no template made: bare nouns, capitals, typing errors, missing accents, other word orders, long sentences.

Enters: sentences.jsonl, written by hand: for each prompt its language, its text, and what it names of a scene. English and French
ones say the same in the same order. Leaves: a `Suite` of DioramaBench. Nothing here may ever be used in training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eval.attributes import Claim, action_of
from eval.suite import FRAMES, Prompt, Suite
from gpt_video.diorama.scene import Scene, Subject

LIST = Path(__file__).parent / "sentences.jsonl"
SIZE = (128, 128)
OF_SUBJECT = ("kind", "colour", "size", "count", "speed")
OF_SCENE = ("relation", "place", "time", "camera")


def sentences_suite(path: str | Path = LIST) -> Suite:
    """The prompts as a suite without conversations. ValueError for a line that names what the world does not have."""
    rows = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines() if line.strip()]
    numbers: dict[str, int] = {}
    prompts = []
    for row in rows:
        number = numbers[row["language"]] = numbers.get(row["language"], -1) + 1
        scene = _scene(row)
        prompts.append(Prompt(number, row["language"], row["text"], scene, SIZE, tuple(_claims(row)), "sentence"))
    return Suite("sentences", tuple(prompts), ())


def _scene(row: dict[str, Any]) -> Scene:
    """What is not named is as likely as anything else; it is no claim."""
    subjects = tuple(Subject(**{"colour": "red", **subject}) for subject in row["subjects"])
    return Scene(subjects, frames=FRAMES, **{name: row[name] for name in OF_SCENE if name in row})


def _claims(row: dict[str, Any]) -> list[Claim]:
    """Of the topic all that is named, of a second subject kind and colour, as in prompts that templates make."""
    found = []
    for index, subject in enumerate(row["subjects"]):
        named = OF_SUBJECT if not index else ("kind", "colour")
        found += [Claim(name, str(subject[name]), index) for name in named if name in subject]
        if "action" in subject and not index:
            action, direction = action_of(subject["action"])
            found += [Claim("action", action)] + ([Claim("direction", direction)] if direction else [])
    return found + [Claim(name, row[name]) for name in OF_SCENE if name in row]
