"""Scenes and conversations of the training data, and those that are held out of it.

Enters: a `random.Random`, so that the same seed gives the same data anywhere. Leaves: `Scene`s, or the `Turn`s of a
conversation: what is shown at each turn, and six ways of asking for it, three in each language.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from random import Random

from gpt_video.diorama.edits import CAMERA_WEIGHTS, continuation_text, instruction, sample_continuation, sample_edit
from gpt_video.diorama.language import LANGUAGES, captions, noisy
from gpt_video.diorama.scene import (
    ACTIONS,
    COLOURS,
    KINDS,
    PLACES,
    RELATIONS,
    SIZES,
    SPEEDS,
    Scene,
    Subject,
    allowed,
)  # fmt: skip

# Pairs that training never shows, though it shows each half with others: about 8 % of each sort of pair. Written down, and
# not drawn, so that a wider world keeps them.
HELD_OUT = frozenset({
    ("ball", "purple"), ("cube", "pink"), ("cylinder", "white"), ("cone", "blue"), ("car", "green"),
    ("boat", "black"), ("dog", "orange"), ("robot", "yellow"), ("snowman", "red"), ("tree", "brown"),
    ("ball", "road"), ("cube", "ocean"), ("cone", "snow"), ("boat", "desert"), ("robot", "meadow"), ("snowman", "city street"),
    ("cube", "left"), ("boat", "right"), ("cone", "closer"), ("mammoth", "away"), ("ball", "jump"), ("dog", "spin"),
    ("cylinder", "fall"), ("robot", "bounce"),
})  # fmt: skip
TIME_WEIGHTS = {"day": 55, "sunset": 20, "night": 25}
TEXTS_PER_LANGUAGE = 3


@dataclass(frozen=True)
class Turn:
    """One message and what it asks for. action: "new", "edit" or "continue"; parent: the turn that it starts from."""

    scene: Scene
    action: str
    parent: int | None
    texts: tuple[str, ...]
    languages: tuple[str, ...]


def has_held_out(scene: Scene) -> bool:
    """Whether a held-out pair occurs in the scene, or in one that it continues."""
    pairs = {(s.kind, value) for s in scene.subjects for value in (s.colour, s.action, scene.place)}
    return not pairs.isdisjoint(HELD_OUT) or (scene.before is not None and has_held_out(scene.before))


def sample_scene(rng: Random, *, held_out: bool = False, single_share: float = 0.7, frames: int = 33) -> Scene:
    """A scene of its own. With `held_out` at least one held-out pair occurs in it, without it none.

    single_share: of scenes with a single thing in them. frames: 1 + 4k; in a still (1) nothing moves.
    """
    while True:
        scene = _drawn(rng, set() if held_out else HELD_OUT, single_share, frames)
        if held_out:
            scene = _with_pair(scene, *rng.choice(sorted(HELD_OUT)))
        if has_held_out(scene) == held_out and _makes_sense(scene):
            return scene


def _drawn(rng: Random, banned: Collection[tuple[str, str]], single_share: float, frames: int) -> Scene:
    records, count = 1, 1
    if rng.random() >= single_share:
        records, count = rng.choices(((1, 2), (1, 3), (2, 1), (2, 2), (3, 1)), (20, 10, 45, 5, 20))[0]
    place = rng.choice(PLACES)
    subjects = [_subject(rng, place, banned, still=frames == 1)]
    for _ in range(records - 1):
        other = _subject(rng, place, banned, still=frames == 1)
        manner = rng.random()  # most of the others rest, some do as the topic does, some as they like
        if manner < 0.55:
            other = replace(other, action="still", speed="normal")
        elif manner < 0.8 and allowed(other.kind, subjects[0].action):
            other = replace(other, action=subjects[0].action, speed=subjects[0].speed)
        subjects.append(other)
    subjects[0] = replace(subjects[0], count=count)
    camera = rng.choices(list(CAMERA_WEIGHTS), list(CAMERA_WEIGHTS.values()))[0]
    return Scene(
        subjects=tuple(subjects),
        place=place,
        time=rng.choices(list(TIME_WEIGHTS), list(TIME_WEIGHTS.values()))[0],
        camera="still" if frames == 1 and camera != "from above" else camera,
        relation=rng.choice(RELATIONS) if records > 1 and rng.random() < 0.6 else None,
        layout_seed=rng.randrange(2**31),
        frames=frames,
    )


def _subject(rng: Random, place: str, banned: Collection[tuple[str, str]], *, still: bool) -> Subject:
    """A subject for the place; what is banned is left out of each choice, so that every kind stays equally likely."""
    kind = rng.choice([k for k in KINDS if allowed(k, place) and (k, place) not in banned])
    action = rng.choice([a for a in ACTIONS if allowed(kind, a) and (kind, a) not in banned])
    return Subject(
        kind=kind,
        colour=rng.choice([c for c in COLOURS if (kind, c) not in banned]),
        size=rng.choices(SIZES, (25, 50, 25))[0],
        action="still" if still else action,
        speed="normal" if still or action == "still" else rng.choices(SPEEDS, (25, 50, 25))[0],
    )


def _with_pair(scene: Scene, kind: str, value: str) -> Scene:
    """The scene with a topic of that kind that shows the value: a colour, a place or an action."""
    topic, *others = scene.subjects
    topic = replace(topic, kind=kind, action=topic.action if allowed(kind, topic.action) else "still")
    if value in COLOURS:
        topic = replace(topic, colour=value)
    elif value in ACTIONS and scene.frames > 1:
        topic = replace(topic, action=value)
    return replace(scene, subjects=(topic, *others), place=value if value in PLACES else scene.place)


def _makes_sense(scene: Scene) -> bool:
    """Whether the records can be told apart, and can be where they are."""
    looks = {(s.kind, s.colour) for s in scene.subjects}
    return len(looks) == len(scene.subjects) and all(allowed(s.kind, scene.place) for s in scene.subjects)


def sample_conversation(rng: Random, turns: int, frames: int = 33, *, held_out: bool = False) -> list[Turn]:
    """A new scene, then edits of what came before (about 70 % of the turns), and at last at most two continuations.

    frames: of the first scene and of every edit of it. Without `held_out` no turn shows a held-out pair.
    """
    scene = sample_scene(rng, held_out=held_out, frames=frames)
    out = [_turn(rng, scene, "new", None, lambda language: captions(scene, language, rng, 1)[0])]
    continuations = min(turns - 1, rng.choices((0, 1, 2), (45, 35, 20))[0]) if frames > 1 else 0

    def fair(after: Scene) -> bool:
        return held_out or not has_held_out(after)

    for number in range(1, turns):
        out.append(_edited(rng, out, fair) if number < turns - continuations else _continued(rng, out, fair))
    return out


def _edited(rng: Random, turns: list[Turn], fair: Callable[[Scene], bool]) -> Turn:
    edit = sample_edit(turns[-1].scene, rng, fair)
    return _turn(rng, edit.scene_after, "edit", len(turns) - 1, lambda language: instruction(edit, language, rng))


def _continued(rng: Random, turns: list[Turn], fair: Callable[[Scene], bool]) -> Turn:
    scene = sample_continuation(turns[-1].scene, rng, fair)
    return _turn(rng, scene, "continue", len(turns) - 1, lambda language: continuation_text(scene, language, rng))


def _turn(rng: Random, scene: Scene, action: str, parent: int | None, say: Callable[[str], str]) -> Turn:
    texts = turn_texts(rng, say)
    return Turn(scene, action, parent, tuple(text for text, _ in texts), tuple(language for _, language in texts))


def turn_texts(rng: Random, say: Callable[[str], str]) -> list[tuple[str, str]]:
    """Alternative texts of a turn and their languages, shuffled, some with the noise of typing. `say(language)`: one text."""
    texts = []
    for language in LANGUAGES:
        found: dict[str, None] = {}
        for _ in range(4 * TEXTS_PER_LANGUAGE):  # some things can be said in few ways only
            if len(found) < TEXTS_PER_LANGUAGE:
                found[say(language)] = None
        said = [*found] * TEXTS_PER_LANGUAGE
        texts += [(noisy(text, rng), language) for text in said[:TEXTS_PER_LANGUAGE]]
    rng.shuffle(texts)
    return texts


def world_prompts(rng: Random, n: int, language: str, *, held_out: bool = True) -> list[tuple[str, Scene]]:
    """n clean prompts and the scenes that they describe, of held-out pairs unless told otherwise."""
    scenes = [sample_scene(rng, held_out=held_out) for _ in range(n)]
    return [(captions(scene, language, rng, 1)[0], scene) for scene in scenes]
