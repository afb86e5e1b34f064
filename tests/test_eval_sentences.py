"""The prompts that no template made: what they name exists, languages are paired, and no caption of the diorama is among them."""

from __future__ import annotations

import json
from collections import defaultdict
from random import Random

import pytest

from eval.attributes import NAMES, VALUES
from eval.sentences import LIST, sentences_suite
from gpt_video.diorama.language import captions
from gpt_video.diorama.sample import sample_scene
from gpt_video.text import normalise


def test_a_hundred_prompts_that_name_what_can_be_judged_in_both_languages():
    suite = sentences_suite()
    assert len({prompt.text for prompt in suite.prompts}) == len(suite.prompts) == 100
    pairs = defaultdict(dict)
    for prompt in suite.prompts:
        pairs[prompt.scene_number][prompt.language] = prompt.claims
        assert prompt.claims and all(claim.value in VALUES[claim.attribute] for claim in prompt.claims)
        assert {claim.name for claim in prompt.claims} <= set(NAMES)
    assert all(pair["en"] == pair["fr"] for pair in pairs.values()), "translations name the same"
    assert sentences_suite().hash == suite.hash


def test_no_caption_is_among_them():
    rng = Random(0)
    said = {
        normalise(text)
        for _ in range(300)
        for language in ("en", "fr")
        for text in captions(sample_scene(rng), language, rng, 4)
    }
    assert not said & {normalise(prompt.text) for prompt in sentences_suite().prompts if len(prompt.text.split()) > 4}


def test_a_line_that_names_what_does_not_exist_is_an_error(tmp_path):
    row = json.loads(LIST.read_text("utf-8").splitlines()[0])
    row["subjects"][0]["kind"] = "unicorn"
    (tmp_path / "list.jsonl").write_text(json.dumps(row))
    with pytest.raises(ValueError, match="unicorn"):
        sentences_suite(tmp_path / "list.jsonl")
