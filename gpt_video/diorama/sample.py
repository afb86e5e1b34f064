"""Scenes and conversations of the training data, and those that are held out of it.

Enters: a `random.Random`, so that the same seed gives the same data anywhere. Leaves: `Scene`s, or the `Turn`s of a
conversation: what is shown at each turn, and six ways of asking for it, three in each language.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from random import Random

from gpt_video.diorama.edits import camera_weights, continuation_text, instruction, sample_continuation, sample_edit
from gpt_video.diorama.language import LANGUAGES, captions, noisy
from gpt_video.diorama.scene import Scene, Subject, world_of
from gpt_video.diorama.world import CORE, MEANWHILE, MOVES, RELATIONS, SIZES, SPEEDS, World, can

HELD_OUT = CORE.held_out
TIME_WEIGHTS = {"day": 55, "sunset": 20, "night": 25}
# Of a world that has them.
WEATHER_WEIGHTS = {"clear": 70, "snowing": 15, "raining": 15}
STYLE_WEIGHTS = {"plain": 86, "drawn": 14}
BUSY_SHARE = 0.30  # of those who can be busy with an activity
COLLISION_SHARE = 0.12  # of scenes of several records
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
    """Whether a pair that its world holds out occurs in the scene, or in one that it continues."""
    pairs = {(s.kind, value) for s in scene.subjects for value in (s.colour, s.action, s.activity, scene.place)}
    return not pairs.isdisjoint(world_of(scene).held_out) or (scene.before is not None and has_held_out(scene.before))


def sample_scene(
    rng: Random, *, held_out: bool = False, single_share: float = 0.7, frames: int = 33, world: World = CORE
) -> Scene:
    """A scene of its own. With `held_out` at least one held-out pair occurs in it, without it none.

    single_share: of scenes with a single thing in them. frames: 1 + 4k; in a still (1) nothing moves.
    """
    while True:
        drawn = _drawn(rng, set() if held_out else world.held_out, single_share, frames, world)
        scene = _with_pair(drawn, *rng.choice(sorted(world.held_out))) if held_out else drawn
        if scene is not None and has_held_out(scene) == held_out and _makes_sense(scene):
            return scene


def _drawn(rng: Random, banned: Collection[tuple[str, str]], single_share: float, frames: int, world: World) -> Scene:
    records, count = 1, 1
    if rng.random() >= single_share:
        records, count = rng.choices(((1, 2), (1, 3), (2, 1), (2, 2), (3, 1)), (20, 10, 45, 5, 20))[0]
    place = rng.choice(world.places)
    subjects = [_subject(rng, place, banned, world, still=frames == 1)]
    for _ in range(records - 1):
        other = _subject(rng, place, banned, world, still=frames == 1)
        manner = rng.random()  # most of the others rest, some do as the topic does, some as they like
        if manner < 0.55:
            other = replace(other, action="still", speed="normal", activity="none")
        elif manner < 0.8:
            other = _doing_as(subjects[0], other)
        subjects.append(other)
    subjects[0] = replace(subjects[0], count=count)
    weights = camera_weights(world)
    camera = rng.choices(list(weights), list(weights.values()))[0]
    scene = Scene(
        subjects=tuple(subjects),
        place=place,
        time=rng.choices(list(TIME_WEIGHTS), list(TIME_WEIGHTS.values()))[0],
        camera="still" if frames == 1 and camera != "from above" else camera,
        relation=rng.choice(RELATIONS) if records > 1 and rng.random() < 0.6 else None,
        layout_seed=rng.randrange(2**31),
        frames=frames,
        world=world.name,
    )
    return scene if world == CORE else _widened(scene, rng, banned, world)


def _subject(rng: Random, place: str, banned: Collection[tuple[str, str]], world: World, *, still: bool) -> Subject:
    """A subject for the place; what is banned is left out of each choice, so that every kind stays equally likely."""
    kind = rng.choice([k for k in world.kinds if (k, place) not in banned])
    action = rng.choice([a for a in world.actions if can(kind, a) and (kind, a) not in banned and a != "into"])
    return Subject(
        kind=kind,
        colour=rng.choice([c for c in world.colours if (kind, c) not in banned]),
        size=rng.choices(SIZES, (25, 50, 25))[0],
        action="still" if still else action,
        speed="normal" if still or action == "still" else rng.choices(SPEEDS, (25, 50, 25))[0],
    )


def _doing_as(topic: Subject, other: Subject) -> Subject:
    """The other at what the topic does, where it can; else as it was."""
    if not can(other.kind, topic.action, topic.activity):
        return other
    return replace(other, action=topic.action, speed=topic.speed, activity=topic.activity)


def _widened(scene: Scene, rng: Random, banned: Collection[tuple[str, str]], world: World) -> Scene:
    """The scene with what only a wider world has: a weather, a style, something to be busy with, a collision."""
    weather, style = (
        rng.choices(list(weights), list(weights.values()))[0] for weights in (WEATHER_WEIGHTS, STYLE_WEIGHTS)
    )
    scene = replace(scene, weather=weather, style=style)
    topic, *others = scene.subjects
    moving = scene.frames > 1
    if others and moving and rng.random() < COLLISION_SHARE and can(topic.kind, "into"):
        if (topic.kind, "into") in banned or topic.count > 1:
            return scene
        subjects = (replace(topic, action="into"), *(replace(s, action="still", speed="normal") for s in others))
        return replace(scene, subjects=subjects, relation=None)
    activities = [a for a in world.activities[1:] if can(topic.kind, "still", a) and (topic.kind, a) not in banned]
    if not activities or rng.random() >= BUSY_SHARE:
        return scene
    topic = _busy(topic, rng.choice(activities), rng, banned, moving)
    company = [
        _doing_as(topic, other) if rng.random() < 0.7 and (other.kind, topic.activity) not in banned else other
        for other in others
    ]
    return replace(scene, subjects=(topic, *company))


def _busy(subject: Subject, activity: str, rng: Random, banned: Collection[tuple[str, str]], moving: bool) -> Subject:
    """The subject at an activity; whoever rides goes somewhere, most of the time."""
    ways = sorted(a for a in MEANWHILE[activity] if (subject.kind, a) not in banned)
    ways = [a for a in ways if a in MOVES] if moving and activity == "bicycle" and rng.random() < 0.8 else ["still"]
    action = rng.choice(ways)
    return replace(subject, activity=activity, action=action, speed="normal" if action == "still" else subject.speed)


def _with_pair(scene: Scene, kind: str, value: str) -> Scene | None:
    """The scene with a topic of that kind that shows the value, whatever it is; None where it cannot."""
    world = world_of(scene)
    topic, *others = scene.subjects
    if topic.action == "into" and not can(kind, "into"):
        return None
    activity = topic.activity if can(kind, "still", topic.activity) else "none"
    action = topic.action if can(kind, topic.action, activity) else "still"
    topic = replace(topic, kind=kind, action=action, activity=activity)
    if value in world.colours:
        topic = replace(topic, colour=value)
    elif value in world.activities:
        topic = replace(topic, activity=value, action=topic.action if can(kind, topic.action, value) else "still")
    elif value == "into":
        if not others or scene.frames == 1:
            return None
        others = [replace(s, action="still", speed="normal", activity="none") for s in others]
        topic, scene = replace(topic, action=value, activity="none"), replace(scene, relation=None)
    elif value in world.actions and scene.frames > 1:
        topic = replace(topic, action=value, activity=activity if can(kind, value, activity) else "none")
    return replace(scene, subjects=(topic, *others), place=value if value in world.places else scene.place)


def _makes_sense(scene: Scene) -> bool:
    """Whether the records can be told apart, and whether they can be told to do what they do."""
    looks = {(s.kind, s.colour) for s in scene.subjects}
    return len(looks) == len(scene.subjects) and all(can(s.kind, s.action, s.activity) for s in scene.subjects)


def sample_conversation(
    rng: Random, turns: int, frames: int = 33, *, held_out: bool = False, world: World = CORE
) -> list[Turn]:
    """A new scene, then edits of what came before (about 70 % of the turns), and at last at most two continuations.

    frames: of the first scene and of every edit of it. Without `held_out` no turn shows a held-out pair.
    """
    scene = sample_scene(rng, held_out=held_out, frames=frames, world=world)
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


def world_prompts(
    rng: Random, n: int, language: str, *, held_out: bool = True, world: World = CORE
) -> list[tuple[str, Scene]]:
    """n clean prompts and the scenes that they describe, of held-out pairs unless told otherwise."""
    scenes = [sample_scene(rng, held_out=held_out, world=world) for _ in range(n)]
    return [(captions(scene, language, rng, 1)[0], scene) for scene in scenes]
