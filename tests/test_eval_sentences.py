"""The prompts that no template made: what they name exists, languages are paired, and no caption of the diorama is among them.

And the scenes of the article, which are asked for in its words.
"""

from __future__ import annotations

import json
from collections import defaultdict
from random import Random

import pytest

from eval.attributes import NAMES, values_of
from eval.reading import ANIMAL
from eval.sentences import LISTS, article_suite, sentences_suite
from gpt_video.diorama.language import captions
from gpt_video.diorama.sample import sample_scene
from gpt_video.diorama.world import CORE, WIDE, WORLDS
from gpt_video.text import normalise


@pytest.mark.parametrize("suite", [*map(sentences_suite, WORLDS), article_suite()], ids=lambda suite: suite.form)
def test_prompts_name_what_can_be_judged_in_both_languages(suite):
    values = values_of(suite.world)
    assert len({prompt.text for prompt in suite.prompts}) == len(suite.prompts)
    pairs = defaultdict(dict)
    for prompt in suite.prompts:
        pairs[prompt.scene_number][prompt.language] = prompt.claims
        assert prompt.claims and all(claim.value in (*values[claim.attribute], ANIMAL) for claim in prompt.claims)
        assert {claim.name for claim in prompt.claims} <= set(NAMES)
    assert all(pair["en"] == pair["fr"] for pair in pairs.values()), "translations name the same"


def test_a_hundred_prompts_a_world_and_those_of_the_core_are_frozen():
    suites = [sentences_suite(world) for world in WORLDS]
    assert [len(suite.prompts) for suite in suites] == [100, 100]
    assert suites[0].hash == "e4d21edd5bc8"
    assert not {prompt.text for prompt in suites[0].prompts} & {prompt.text for prompt in suites[1].prompts}


def test_about_half_of_the_wide_prompts_are_about_what_is_new():
    core = values_of(CORE.name)
    new = [
        p for p in sentences_suite(WIDE.name).prompts if any(c.value not in core.get(c.attribute, ()) for c in p.claims)
    ]
    assert 40 <= len(new) <= 65
    seen = {(c.attribute, c.value) for p in new for c in p.claims}
    for name in ("activity", "weather", "style"):
        assert seen >= {(name, value) for value in values_of(WIDE.name)[name][1:]}
    assert seen >= {("camera", "orbit"), ("camera", "drone"), ("camera", "cut"), ("action", "wave"), ("action", "into")}
    assert seen >= {("place", "room"), ("place", "mountain top")}


def test_the_article_is_five_scenes_in_two_languages():
    suite = article_suite()
    assert len(suite.prompts) == 10 and suite.world == WIDE.name
    woman = {(claim.name, claim.value) for claim in suite.prompts[1].claims}
    assert woman >= {
        ("kind", "woman"),
        ("colour", "red"),
        ("place", "city street"),
        ("time", "night"),
        ("camera", "cut"),
    }
    race = {(claim.name, claim.value) for claim in suite.prompts[4].claims}
    assert race >= {("kind", ANIMAL), ("activity", "bicycle"), ("place", "ocean"), ("camera", "drone")}


@pytest.mark.parametrize("world", WORLDS)
def test_no_caption_is_among_them(world: str):
    rng = Random(0)
    said = {
        normalise(text)
        for _ in range(300)
        for language in ("en", "fr")
        for text in captions(sample_scene(rng, world=WORLDS[world]), language, rng, 4)
    }
    prompts = sentences_suite(world).prompts
    assert not said & {normalise(prompt.text) for prompt in prompts if len(prompt.text.split()) > 4}


def test_a_line_that_names_what_does_not_exist_is_an_error(tmp_path):
    row = json.loads(LISTS[CORE.name].read_text("utf-8").splitlines()[0])
    row["subjects"][0]["kind"] = "unicorn"
    (tmp_path / "list.jsonl").write_text(json.dumps(row))
    with pytest.raises(ValueError, match="unicorn"):
        sentences_suite(path=tmp_path / "list.jsonl")
