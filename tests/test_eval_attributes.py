"""What a caption names and what an edit asks for: against what the words were made from, over many sampled scenes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from eval.attributes import NAMES, VALUES, Claim, asked, claims, kept, named, phrases
from gpt_video.diorama import language, sentences
from gpt_video.diorama.edits import instruction, sample_edit
from gpt_video.diorama.sample import sample_scene
from gpt_video.diorama.scene import Scene, Subject

DOG = Subject("dog", "red", action="left", speed="fast")
SCENE = Scene((DOG, Subject("tree", "green")), "snow", "night", "zoom in", "left of")


def said(scene: Scene, text: str, words: str = "en") -> set[tuple[str, str]]:
    return {(claim.name, claim.value) for claim in named(scene, text, words)}


def test_everything_true_of_a_scene_is_claimed_once():
    found = claims(SCENE)
    assert len(set(found)) == len(found)
    topic = {(c.attribute, c.value) for c in found if not c.subject}
    assert {
        ("kind", "dog"),
        ("action", "move"),
        ("direction", "left"),
        ("speed", "fast"),
        ("relation", "left of"),
    } <= topic


@pytest.mark.parametrize(
    ("scene", "missing"),
    [
        (Scene((replace(DOG, action="still", speed="normal"),)), {"direction", "speed", "relation"}),
        (Scene((replace(DOG, action="jump"),)), {"direction", "relation"}),
        (Scene((DOG,), frames=1), {"action", "direction", "speed", "camera"}),
        (Scene((DOG, replace(DOG, colour="blue", action="jump"))), {"action", "direction", "speed"}),
        (replace(SCENE, before=SCENE, frames=8), {"relation"}),
    ],
)
def test_what_cannot_be_judged_is_not_claimed(scene: Scene, missing: set[str]):
    assert {claim.attribute for claim in claims(scene) if claim.subject == 0}.isdisjoint(missing)


def test_a_caption_claims_what_it_says_and_no_more():
    scene = replace(SCENE, subjects=(DOG,), relation=None)
    assert said(scene, "a dog") == {("kind", "dog"), ("count", "1")}
    assert said(scene, "a dog runs in the snow") >= {("action", "move"), ("place", "snow")}
    assert ("direction", "left") not in said(scene, "a dog runs in the snow")
    assert said(scene, "un chien rouge va vite à gauche la nuit", "fr") >= {
        ("colour", "red"), ("speed", "fast"), ("direction", "left"), ("time", "night"),
    }  # fmt: skip


def test_words_that_mean_something_else_are_not_taken():
    """ "grande vitesse" is no size, "to the left of" no direction, "un petit film" no size."""
    assert not phrases("le chien court à grande vitesse", "fr")["size", "large"]
    assert not phrases("a dog to the left of a tree", "en")["action", "left"]
    assert not phrases("un petit film avec un chien", "fr")["size", "small"]
    assert phrases("la caméra tourne vers la gauche", "fr") == Counter({("camera", "pan left"): 1})


@pytest.mark.parametrize("words", ["en", "fr"])
def test_captions_say_what_their_maker_meant_to_say(monkeypatch: pytest.MonkeyPatch, words: str):
    """Beside the captions, what was chosen to be said: the two agree in 97 of 100 cases for every attribute."""
    meant: list[set[str]] = []
    original = sentences._said

    def spy(record, *rest):
        meant.append(original(record, *rest))
        return set(meant[-1])

    monkeypatch.setattr(sentences, "_said", spy)
    right, total = Counter(), Counter()
    rng = Random(5)
    for number in range(600):
        scene = sample_scene(rng, held_out=bool(number % 2), single_share=1.0)
        meant.clear()
        text = language.captions(scene, words, rng, 1)[0]
        if len(meant) != 2:  # a bare caption is built in another way
            continue
        found = {claim.attribute for claim in named(scene, text, words)}
        for claim in claims(scene):
            if claim.attribute in ("colour", "size", "place", "time", "camera", "action"):
                total[claim.attribute] += 1
                right[claim.attribute] += (claim.attribute in found) == (claim.attribute in meant[0] | meant[1])
    assert len(total) == 6
    assert all(right[name] / total[name] > 0.97 for name in total), {name: right[name] / total[name] for name in total}


def test_edits_ask_for_what_changed_and_keep_the_rest():
    rng = Random(7)
    seen = Counter()
    for _ in range(400):
        edit = sample_edit(sample_scene(rng), rng)
        text = instruction(edit, "en", rng)
        wanted, same = asked(edit, text, "en"), kept(edit)
        seen[edit.attribute] += bool(wanted)
        true = set(claims(edit.scene_after))
        assert all(claim in true for claim in wanted if claim.attribute != "absent")
        assert all(before.value == after.value and after in true for before, after in same)
        assert {after for _, after in same}.isdisjoint(wanted)
        assert all(c.value in VALUES[c.attribute] and (c.name in NAMES or c.attribute == "absent") for c in wanted)
        before = set(claims(edit.scene_before))
        if edit.attribute not in ("add", "remove", "relation"):
            assert all(c not in before for c in wanted if c.attribute not in ("action", "direction", "count"))
    assert all(seen[name] for name in ("colour", "kind", "place", "action", "time", "size", "add", "remove", "camera"))


def test_what_was_taken_away_must_be_gone():
    before = Scene((DOG, Subject("tree", "green")))
    edit = next(
        e for e in (sample_edit(before, Random(n)) for n in range(200)) if e.attribute == "remove" and e.index == 1
    )
    assert asked(edit, "", "en") == (Claim("absent", "tree", 1),)
