"""Prompts that no template made: bare nouns, capitals, typing errors, missing accents, other word orders, long sentences.

Enters: a list written by hand: for each prompt its language, its text, and what it names of a scene. English and French ones say
the same in the same order. sentences.jsonl is a hundred of the core world, sentences_wide.jsonl a hundred of the wide one, about
half of them on what is new there; article.jsonl the five scenes that the wide world was made to show, in both languages. Leaves:
a `Suite` of DioramaBench. Nothing here may ever be used in training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eval.attributes import Claim, action_of
from eval.reading import ANIMAL
from eval.suite import FRAMES, Prompt, Suite
from gpt_video.diorama.scene import Scene, Subject
from gpt_video.diorama.world import CORE, WIDE

HERE = Path(__file__).parent
LISTS = {CORE.name: HERE / "sentences.jsonl", WIDE.name: HERE / "sentences_wide.jsonl"}
ARTICLE = HERE / "article.jsonl"
SIZE = (128, 128)
OF_SUBJECT = ("kind", "colour", "size", "count", "speed", "activity")
OF_SCENE = ("relation", "place", "time", "camera", "weather", "style")


def sentences_suite(world: str = CORE.name, path: str | Path | None = None) -> Suite:
    """The prompts of a world as a suite without conversations. path: another list of that world.

    ValueError for a line that names what the world does not have.
    """
    name = "sentences" if world == CORE.name else f"{world} sentences"
    return Suite(name, _prompts(path or LISTS[world], world, "sentence"), ())


def article_suite() -> Suite:
    """The five scenes of the article, twice: ten prompts, too few for more than a look, which their videos are kept for."""
    return Suite("article", _prompts(ARTICLE, WIDE.name, "article"), ())


def _prompts(path: str | Path, world: str, family: str) -> tuple[Prompt, ...]:
    rows = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines() if line.strip()]
    numbers: dict[str, int] = {}
    prompts = []
    for row in rows:
        number = numbers[row["language"]] = numbers.get(row["language"], -1) + 1
        scene = _scene(row, world)
        prompts.append(Prompt(number, row["language"], row["text"], scene, SIZE, tuple(_claims(row)), family))
    return tuple(prompts)


def _scene(row: dict[str, Any], world: str) -> Scene:
    """What is not named is as likely as anything else; it is no claim. Any animal may stand for "animals"."""
    subjects = []
    for named in row["subjects"]:
        subject = {"colour": "red", **named}
        subject["kind"] = "dog" if subject["kind"] == ANIMAL else subject["kind"]
        subject["action"] = "left" if subject.get("action") == "move" else subject.get("action", "still")
        subjects.append(Subject(**subject))
    return Scene(tuple(subjects), frames=FRAMES, world=world, **{name: row[name] for name in OF_SCENE if name in row})


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
