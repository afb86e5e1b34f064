"""What DioramaBench asks for: prompts in pairs of languages, conversations, and edits of rendered clips, from held-out scenes.

Enters: a form ("short" or "long") and a world. Leaves: a `Suite`, the same for everybody, with a hash over every scene and every
word. A change of this file, of the world or of its words gives another hash: a new version, whose numbers are not compared with
the old. The suites of the core world are frozen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

from eval.attributes import Claim, asked, kept, named
from eval.protocol import digest
from gpt_video.diorama.edits import Edit, instruction, sample_edit
from gpt_video.diorama.language import LANGUAGES, captions
from gpt_video.diorama.make import SHAPE_WEIGHTS
from gpt_video.diorama.sample import has_held_out, sample_scene
from gpt_video.diorama.scene import Scene, to_json
from gpt_video.diorama.world import CORE, WORLDS, World

VERSION = 1
FRAMES = 33
DRAWS = 10  # captions of each language from which a pair that says the same is chosen
# Edits that leave a part of the frame as it is; the last is the wide world's.
IN_PLACE = ("colour", "kind", "size", "count", "add", "remove", "activity")


@dataclass(frozen=True)
class Form:
    """How much is asked. scenes: each is one prompt a language; turns: of a conversation, the first video included."""

    scenes: int
    conversations: int
    turns: int
    renders: int


FORMS = {"short": Form(50, 20, 3, 10), "long": Form(300, 60, 6, 60)}


@dataclass(frozen=True)
class Prompt:
    """One caption of a held-out scene. claims: what the captions of all languages name, so that languages can be paired."""

    scene_number: int
    language: str
    text: str
    scene: Scene
    size: tuple[int, int]
    claims: tuple[Claim, ...]
    family: str = "prompt"

    @property
    def key(self) -> str:
        return f"{self.family}-{self.scene_number:04d}-{self.language}"


@dataclass(frozen=True)
class Step:
    """One edit of a conversation: what is said, what must then be seen, and what must be as it was (before, after)."""

    text: str
    edit: Edit
    asked: tuple[Claim, ...]
    kept: tuple[tuple[Claim, Claim], ...]


@dataclass(frozen=True)
class Conversation:
    """A first prompt and edits, each of the video before it. rendered: the first video is a render, not the model's."""

    number: int
    language: str
    text: str
    scene: Scene
    size: tuple[int, int]
    claims: tuple[Claim, ...]
    steps: tuple[Step, ...]
    rendered: bool = False

    @property
    def key(self) -> str:
        return f"{'render' if self.rendered else 'conversation'}-{self.number:04d}"


@dataclass(frozen=True)
class Suite:
    """Everything that is asked, in order. `hash`: 12 hex digits over all of it."""

    form: str
    prompts: tuple[Prompt, ...]
    conversations: tuple[Conversation, ...]

    @property
    def world(self) -> str:
        """The name of the world of its scenes."""
        scenes = [prompt.scene for prompt in self.prompts[:1]] + [talk.scene for talk in self.conversations[:1]]
        return scenes[0].world if scenes else CORE.name

    @cached_property
    def hash(self) -> str:
        said = [[p.key, p.text, to_json(p.scene), p.size, _plain(p.claims)] for p in self.prompts]
        talks = [
            [
                c.key,
                c.text,
                to_json(c.scene),
                c.size,
                [[s.text, to_json(s.edit.scene_after), _plain(s.asked)] for s in c.steps],
            ]
            for c in self.conversations
        ]
        return digest([VERSION, said, talks])[:12]


def build_suite(form: str | Form = "short", seed: int = 0, frames: int = FRAMES, world: str = CORE.name) -> Suite:
    """The suite of a form in the world of that name. seed, frames: other than the default, a suite of one's own.

    ValueError for an unknown form or world.
    """
    if world not in WORLDS:
        raise ValueError(f"there is no world {world!r}: use one of {', '.join(WORLDS)}")
    if isinstance(form, str) and form not in FORMS:
        raise ValueError(f"there is no form {form!r} of DioramaBench: use one of {', '.join(FORMS)}")
    name, wanted = (form, FORMS[form]) if isinstance(form, str) else ("own", form)
    draw = Draws(WORLDS[world], frames)
    prompts = [p for number in range(wanted.scenes) for p in _prompts(number, Random(f"{seed} prompt {number}"), draw)]
    talks = [
        conversation(number, wanted.turns - 1, Random(f"{seed} conversation {number}"), draw)
        for number in range(wanted.conversations)
    ]
    renders = [_on_render(number, Random(f"{seed} render {number}"), draw) for number in range(wanted.renders)]
    return Suite(name if world == CORE.name else f"{world} {name}", tuple(prompts), (*talks, *renders))


@dataclass(frozen=True)
class Draws:
    """Scenes of one world and one length: held-out ones, or those that training may show."""

    world: World
    frames: int
    held_out: bool = True

    def __call__(self, rng: Random) -> Scene:
        return sample_scene(rng, held_out=self.held_out, frames=self.frames, world=self.world)


def _prompts(number: int, rng: Random, draw: Draws) -> Iterable[Prompt]:
    """One prompt a language that name the same things of one scene, as nearly as ten draws of each allow."""
    scene, size = draw(rng), _size(rng)
    drawn = [captions(scene, language, rng, DRAWS) for language in LANGUAGES]
    said = [
        [(text, frozenset(named(scene, text, language))) for text in texts]
        for texts, language in zip(drawn, LANGUAGES, strict=True)
    ]
    pairs = [(first, second) for first in said[0] for second in said[1]]
    pair = max(pairs, key=lambda pair: len(pair[0][1] & pair[1][1]) / max(len(pair[0][1] | pair[1][1]), 1))
    claims = tuple(sorted(pair[0][1] & pair[1][1]))
    for language, (text, _) in zip(LANGUAGES, pair, strict=True):
        yield Prompt(number, language, text, scene, size, claims)


def conversation(number: int, edits: int, rng: Random, draw: Draws) -> Conversation:
    """A first video and edits of it; where `draw` leaves held-out scenes out, no edit leads to one."""
    language = LANGUAGES[number % len(LANGUAGES)]
    scene, size = draw(rng), _size(rng)
    text = captions(scene, language, rng, 1)[0]
    steps: list[Step] = []
    for _ in range(edits):
        before = steps[-1].edit.scene_after if steps else scene
        steps.append(_step(before, language, rng, _ATTRIBUTES, may_be_held_out=draw.held_out))
    return Conversation(number, language, text, scene, size, named(scene, text, language), tuple(steps))


def _on_render(number: int, rng: Random, draw: Draws) -> Conversation:
    """One edit that leaves most of the frame alone, of a clip that the renderer drew with a camera at rest."""
    language = LANGUAGES[number % len(LANGUAGES)]
    scene, size = replace(draw(rng), camera="still"), _size(rng)
    text = captions(scene, language, rng, 1)[0]
    steps = (_step(scene, language, rng, IN_PLACE),)
    return Conversation(number, language, text, scene, size, named(scene, text, language), steps, rendered=True)


_ATTRIBUTES = (*IN_PLACE, "action", "speed", "place", "time", "camera", "relation", "weather", "style")


def _step(scene: Scene, language: str, rng: Random, attributes: tuple[str, ...], may_be_held_out: bool = True) -> Step:
    """An edit of one of the attributes, whose success can be judged."""
    while True:
        edit = sample_edit(scene, rng)
        text = instruction(edit, language, rng)
        wanted = asked(edit, text, language)
        if edit.attribute in attributes and wanted and (may_be_held_out or not has_held_out(edit.scene_after)):
            return Step(text, edit, wanted, kept(edit))


def _size(rng: Random) -> tuple[int, int]:
    return rng.choices(list(SHAPE_WEIGHTS), list(SHAPE_WEIGHTS.values()))[0]


def _plain(claims: Iterable[Claim]) -> list[list[str]]:
    return [[claim.attribute, claim.value, str(claim.subject)] for claim in claims]
