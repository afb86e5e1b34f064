"""The core world never changes: scenes, words, edits and pictures are those that evaluation suites were frozen on."""

import hashlib
import json
from random import Random

import numpy as np
import pytest

from gpt_video.diorama import edits, sample
from gpt_video.diorama.language import captions, words_of_world
from gpt_video.diorama.render import Renderer, RendererUnavailable
from gpt_video.diorama.scene import Scene, Subject, to_json

GOLDEN = {
    "scenes": "21d73f0a59bc0d8b",
    "held-out scenes": "77583cb6ec36fe48",
    "English": "1a0bf16d1a1d66d8",
    "French": "b0e5aed9d1e3737a",
    "edits": "ae701c815d509514",
    "conversations": "d53291faa36771de",
    "held-out conversations": "ae48c0b7f1480758",
    "prompts": "fafd0e7806f2e334",
    "words": "cac16ad9573501de",
    "suite": "647ec7815b52",
}
THUMBNAILS = {
    "a ball pushes a cube": (
        "b2d7fab0d5fa90c4f890c5f8b4d7fa92c6f8a4cddcb4dbfcb4dcfcb4dcfcb2daf7acd5e663904f7aa57587b88088a46a7f966a6d9a73"
        "8eb8658fb86794b468eb3733d69596212e9495bd6895bd6899b86ab8453fa56b6a23329195bd6895bd6895bd6892b064899f5a8db363"
    ),
    "a mammoth walks": (
        "bf6d63bf6f66bd6c64bd6b64be6c64bf6d63de9062a47e53cd975be0874cdc9268d79a7caa8b84673d20512c136e40226362537f8076"
        "8f705a8a6e5c532e144d2a127d635b8e868389706292766d532e1560412b725c56ab9aa099888d968589927a73a08e90a49296ae9da4"
    ),
    "a robot jumps": (
        "69766c747e6a968e5e7e75556f644ca6995c64706c6570688078566e644f6154477b6848626654717b688a82596c6548685c4a958654"
        "34384a38425a47434b30302d403a3d493a42444a5e43485c4045583639422f323f363b4e51576b52586c52586c4448594a4f6252586c"
    ),
    "boats from above": (
        "327ca4327ca435799e4781a1327ca4327ca44984a2357da4487592919da44480a24283a44f738992a6b177889d808ea0b9bfc3476d85"
        "74859c7e8d9f4e7e9b4f83a38794a478879d357aa0498eb03780a6327ca4327aa1377da3327ca4327ca4327ca4327ca44c91b33982a8"
    ),
    "a tree falls": (
        "1019401119400f173e121a40676c851019401520501520501520501520501520501621503448493640462e3e4b33444f364a4c3a5049"
        "4a584d8f65774f5c4f485a4b426146465e4b3d47519a5e8a3b404a3d4751384d341c802e3b42583b42583b42583b4258394055384554"
    ),
    "a cone bounces": (
        "b2d7fab0d5fa90c4f890c5f8b4cde992b1d6a9d2ecb4dcfcb4dcfcb4dbfca487819d6045717b48b19d6ed4ad7adeb987d9aa7185834f"
        "9d9e6ee1c690f59e41d89f5fe4c892d5c18ce6ca93e2bb7ffe8510db700fd7b379e6ca92e4c78eddbb81cc9451c28f52d4b782e7cc95"
    ),
}


def digest(value):
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:16]


def scenes(held_out):
    return [sample.sample_scene(Random(seed), held_out=held_out) for seed in range(300)]


def said(language):
    return [captions(scene, language, Random(seed), 3) for seed, scene in enumerate(scenes(False))]


def conversations(held_out):
    turns = (
        turn
        for seed in range(80)
        for turn in sample.sample_conversation(Random(seed), 5, (33, 17, 1)[seed % 3], held_out=held_out)
    )
    return [[to_json(t.scene), t.action, t.parent, t.texts, t.languages] for t in turns]


def asked():
    out = []
    for seed, scene in enumerate(scenes(False)):
        rng = Random(seed)
        edit = edits.sample_edit(scene, rng)
        texts = [edits.instruction(edit, language, rng) for language in ("en", "fr")]
        out.append([to_json(edit.scene_after), edit.attribute, edit.value, edit.index, edit.where, texts])
    return out


MADE = {
    "scenes": lambda: [to_json(scene) for scene in scenes(False)],
    "held-out scenes": lambda: [to_json(scene) for scene in scenes(True)],
    "English": lambda: said("en"),
    "French": lambda: said("fr"),
    "edits": asked,
    "conversations": lambda: conversations(False),
    "held-out conversations": lambda: conversations(True),
    "prompts": lambda: [[text, to_json(scene)] for text, scene in sample.world_prompts(Random(0), 50, "fr")],
    "words": lambda: [sorted(edits.words_of_instructions(language) | words_of_world(language)) for language in ("en", "fr")],
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_the_same_seed_gives_what_it_always_gave(name):
    assert digest(MADE[name]()) == GOLDEN[name]


def test_the_suites_of_the_evaluation_are_those_that_were_frozen():
    from eval.suite import build_suite

    assert build_suite("short").hash == GOLDEN["suite"]


SHOWN = {
    "a ball pushes a cube": Scene(
        (Subject("ball", "red", "medium", "right", "fast"), Subject("cube", "blue")), "meadow", relation="left of"
    ),
    "a mammoth walks": Scene((Subject("mammoth", "brown", "large", "left"),), "snow", "sunset", layout_seed=4),
    "a robot jumps": Scene((Subject("robot", "black", "small", "jump"),), "city street", "night", "pan left"),
    "boats from above": Scene((Subject("boat", "white", count=3),), "ocean", "day", "from above", layout_seed=9),
    "a tree falls": Scene((Subject("tree", "green", action="fall"), Subject("woman", "pink")), "road", "night"),
    "a cone bounces": Scene((Subject("cone", "orange", action="bounce"),), "desert", "day", "zoom out", layout_seed=2),
}


def thumbnail(scene):
    """6 x 6 mean colours of the clip's last frame."""
    frame = Renderer(96, 96).render(scene).frames_THWC[-1]
    return frame.reshape(6, 16, 6, 16, 3).mean(axis=(1, 3)).round().astype(np.uint8)


@pytest.mark.parametrize("name", SHOWN)
def test_the_pictures_are_what_they_were(name):
    try:
        seen = thumbnail(SHOWN[name])
    except RendererUnavailable as error:
        pytest.skip(f"no GL back end for MuJoCo: {error}")
    wanted = np.frombuffer(bytes.fromhex(THUMBNAILS[name]), np.uint8).reshape(6, 6, 3)
    assert np.abs(seen.astype(int) - wanted).max() <= 3  # drivers round differently
