"""The diorama's words: what is said is true, what is asked is done, and held-out pairs stay out of training."""

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_video.diorama import edits, grammar, sample
from gpt_video.diorama.language import captions, mirrored, noisy, words_of_world
from gpt_video.diorama.lexicon import LANGUAGES, LEXICON
from gpt_video.diorama.scene import (
    ACTIONS,
    CAMERAS,
    COLOURS,
    KINDS,
    PLACES,
    RELATIONS,
    SIZES,
    SPEEDS,
    TIMES,
    Scene,
    Subject,
    allowed,
    to_json,
)
from gpt_video.text import words_in

seeds = st.integers(0, 2**32 - 1)


def ball(**changes):
    return Scene((Subject("ball", "red", **changes),))


@pytest.fixture(scope="module")
def scenes():
    return [sample.sample_scene(Random(seed)) for seed in range(600)]


@pytest.fixture(scope="module")
def training():
    rng = Random(5)
    return [sample.sample_scene(rng) for _ in range(2000)]


# ---------------------------------------------------------------- grammar


def phrases(language, subject, word, article, said, feminine=False):
    """Every noun phrase that the voice finds for the noun, over many seeds."""
    noun = grammar.Noun(word, feminine, subject.count > 1)
    voices = (grammar.voice(language, Random(seed)) for seed in range(80))
    return {v.tidy(v.noun_phrase(subject, noun, article, said)) for v in voices}


@pytest.mark.parametrize(
    ("subject", "word", "article", "feminine", "expected"),
    [
        (Subject("ball", "red", "small"), "balle", "a", True, "une petite balle rouge"),
        (Subject("dog", "white", "large"), "chien", "a", False, "un gros chien blanc"),
        (Subject("dog", "white", "large"), "chien", "the", False, "l'énorme chien blanc"),
        (Subject("tree", "green"), "arbre", "the", False, "l'arbre vert de taille moyenne"),
        (Subject("car", "purple", "small"), "auto", "the", True, "la petite auto violette"),
        (Subject("ball", "white", "small", count=2), "balle", "a", True, "deux petites balles blanches"),
        (Subject("boat", "blue", "large", count=3), "bateau", "the", False, "les gros bateaux bleus"),
        (Subject("car", "orange", "large", count=2), "voiture", "a", True, "deux grosses voitures orange"),
        (Subject("cube", "brown", "small", count=2), "cube", "", False, "deux petits cubes marron"),
        (Subject("snowman", "black", "small", count=2), "bonhomme de neige", "", False,
         "deux petits bonshommes de neige noirs"),
        (Subject("woman", "green", "large"), "femme", "a", True, "une grande femme en robe verte"),
        (Subject("woman", "orange", "large"), "dame", "the", True, "la grande dame vêtue d'orange"),
    ],
)  # fmt: skip
def test_french_agrees(subject, word, article, feminine, expected):
    assert expected in phrases("fr", subject, word, article, {"colour", "size"}, feminine)


def test_english_articles_and_plurals():
    assert phrases("en", Subject("ball", "orange"), "ball", "a", {"colour"}) == {"an orange ball"}
    assert "two pink boxes" in phrases("en", Subject("cube", "pink", count=2), "box", "a", {"colour"})
    assert "two women in red dresses" in phrases("en", Subject("woman", "red", count=2), "woman", "a", {"colour"})
    assert [grammar.english_plural(n) for n in ("puppy", "snowman", "lady", "tree")] == [
        "puppies", "snowmen", "ladies", "trees"]  # fmt: skip


@pytest.mark.parametrize(
    ("phrase", "one", "many"),
    [
        ("rouler vers la gauche", "roule vers la gauche", "roulent vers la gauche"),
        ("s'éloigner de nous", "s'éloigne de nous", "s'éloignent de nous"),
        ("s'en aller", "s'en va", "s'en vont"),
        ("se promener", "se promène", "se promènent"),
        ("ne pas bouger", "ne bouge pas", "ne bougent pas"),
        ("rebondir sur place", "rebondit sur place", "rebondissent sur place"),
        ("faire un bond", "fait un bond", "font un bond"),
    ],
)
def test_french_conjugates(phrase, one, many):
    assert (grammar.french_finite(phrase, False), grammar.french_finite(phrase, True)) == (one, many)


def test_english_inflects():
    assert [grammar.english_ing(v) for v in ("run", "drive", "go", "jump", "stop")] == [
        "running", "driving", "going", "jumping", "stopping"]  # fmt: skip
    assert [grammar.english_third(v) for v in ("go", "march", "rest")] == ["goes", "marches", "rests"]


def test_french_elides_and_contracts_but_not_after_an_imperative():
    tidy = grammar.voice("fr", Random(0)).tidy
    assert tidy("à gauche de le cube, près de les autos") == "à gauche du cube, près des autos"
    assert tidy("une vidéo de un arbre en train de avancer à côté de le arbre") == (
        "une vidéo d'un arbre en train d'avancer à côté de l'arbre"
    )
    assert tidy("rends-la orange") == "rends-la orange"


def test_an_unknown_language_is_an_error():
    with pytest.raises(ValueError, match=r"'de'.*en, fr"):
        captions(ball(), "de", Random(0), 1)


def spoken(scene, language, rng):
    """Everything that is said about a scene, an edit of it and a continuation of it."""
    after = edits.sample_continuation(scene, rng)
    yield from captions(scene, language, rng, 3)
    yield edits.instruction(edits.sample_edit(scene, rng), language, rng)
    yield edits.continuation_text(after, language, rng)


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_well_formed_and_of_known_words(language, scenes):
    missing_elision = (
        r"(?<![-\w])(de|le|la|je|que|se) [aeiouéèêâô]|\b(de|à) les? " if language == "fr" else r"\ba [aeio]"
    )
    known = edits.words_of_instructions(language)
    for seed, scene in enumerate(scenes):
        for text in spoken(scene, language, Random(seed)):
            assert not re.search(r"[{}]|MOVE|SELF|  | [,.]|^\W|/", text), text
            assert not re.search(missing_elision, text.lower()), text
            assert not set(words_in(text)) - known, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_need_only_the_words_of_the_world(language, scenes):
    for seed, scene in enumerate(scenes[:200]):
        assert set(words_in(captions(scene, language, Random(seed), 1)[0])) <= words_of_world(language)


# ---------------------------------------------------------------- truth


def forms(language, section, value):
    speaker = grammar.voice(language, Random(0))
    return {form for phrase in LEXICON[language][section][value] for form in speaker.forms(section, phrase)}


def whole_words(words):
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(words)))})(?!\w)")


def says(text, words):
    return whole_words(words).search(text) is not None


VALUES = {"place": PLACES, "time": TIMES, "camera": CAMERAS, "kind": KINDS, "colour": tuple(COLOURS), "size": SIZES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_say_only_what_is_there(language, scenes):
    patterns = {}
    for section, values in VALUES.items():
        for value in values:
            across = LEXICON[language]["across"][value] if section == "place" else ()
            patterns[section, value] = whole_words(forms(language, section, value) | set(across))
    # Verbs that belong to one action alone: cameras turn too, and "faire" does everything.
    shared = {word for phrases in LEXICON[language]["camera"].values() for p in phrases for word in words_in(p)}
    shared |= {"turning", "tourner", "tournent", "pivoter", "pivotent", "faire", "fait", "font"}
    for action in ("jump", "spin", "fall", "bounce"):
        verbs = {form.split(" ")[0] for form in forms(language, "action", action)}
        patterns["action", action] = whole_words(verbs - shared)
    for seed, scene in enumerate(scenes):
        there = {("place", scene.place), ("time", scene.time), ("camera", scene.camera)}
        for s in scene.subjects:
            there |= {("kind", s.kind), ("colour", s.colour), ("size", s.size)}
        there |= {("action", s.action) for s in scene.subjects}
        for text in captions(scene, language, Random(seed), 4):
            text = re.sub("(petite|grande) vitesse|petit film", "", text.lower())
            wrong = [key for key, pattern in patterns.items() if key not in there and pattern.search(text)]
            assert not wrong, (text, scene)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("section", "value"), [(section, value) for section, values in VALUES.items() for value in values]
)
def test_every_value_can_be_said(language, section, value):
    scene, subject = ball(), Subject("ball", "red")
    if section in ("kind", "colour", "size"):
        scene = Scene((replace(subject, **{section: value}),))
    else:
        scene = replace(scene, **{section: value})
    assert any(says(text.lower(), forms(language, section, value)) for text in captions(scene, language, Random(1), 60))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_can_be_said(language, action):
    texts = captions(ball(action=action), language, Random(1), 60)
    words = {form.split(" ")[-1] for form in forms(language, "action", action)}
    assert any(says(text.lower(), words) for text in texts)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("relation", RELATIONS)
def test_every_relation_can_be_said_from_both_sides(language, relation):
    scene = Scene((Subject("ball", "red"), Subject("cube", "blue")), relation=relation)
    text = " ".join(captions(scene, language, Random(2), 80)).replace(" d'", " de ").replace(" du ", " de ")
    assert says(text, LEXICON[language]["relation"][relation])
    assert says(text, LEXICON[language]["inverse"][relation])


def test_captions_come_at_several_levels_of_detail():
    scene = replace(ball(action="left", speed="slowly", size="small"), place="snow", time="night", camera="zoom in")
    texts = captions(scene, "en", Random(3), 300)
    assert len(set(texts)) == 300
    assert {"red ball", "a red ball", "ball"} & set(texts)
    assert any({"small", "red", "slowly", "snow", "zoom"} <= set(words_in(t)) for t in texts)
    assert captions(scene, "en", Random(3), 5) == captions(scene, "en", Random(3), 5)


@pytest.mark.parametrize("language", LANGUAGES)
def test_most_captions_name_colour_place_and_action(language):
    found: Counter[str] = Counter()
    rng = Random(4)
    split = grammar.voice(language, rng).split_verb
    phrases = {f for a in ACTIONS for f in forms(language, "action", a)}
    phrases |= {f for kind in LEXICON[language]["move"] for f in forms(language, "move", kind)}
    verbs = {words_in(split(phrase)[0])[-1] for phrase in phrases}
    for _ in range(800):
        scene = sample.sample_scene(rng, single_share=1.0)
        subject = scene.subjects[0]
        if subject.action == "still":
            continue
        text = captions(scene, language, rng, 1)[0].lower()
        place = {*LEXICON[language]["place"][scene.place], *LEXICON[language]["across"][scene.place]}
        found.update(n=1, colour=says(text, forms(language, "colour", subject.colour)), place=says(text, place))
        found.update(action=bool(set(words_in(text)) & verbs))
    assert 0.85 < found["colour"] / found["n"] < 0.97
    assert 0.75 < found["place"] / found["n"] < 0.90
    assert 0.75 < found["action"] / found["n"] < 0.95


def test_stills_are_described_without_motion():
    rng = Random(6)
    for _ in range(200):
        scene = sample.sample_scene(rng, frames=1)
        assert {s.action for s in scene.subjects} == {"still"} and scene.camera in ("still", "from above")
        assert not {"still", "rests", "camera", "stands"} & set(words_in(captions(scene, "en", rng, 1)[0]))
        assert edits.sample_edit(scene, rng).attribute not in ("action", "speed", "camera")


# ---------------------------------------------------------------- noise


def test_noise_keeps_most_texts_and_never_loses_a_word():
    rng, text = Random(7), "une petite sphère rouge qui roule vers la gauche dans la forêt"
    outcomes = Counter(noisy(text, rng) for _ in range(2000))
    assert 0.68 < outcomes[text] / 2000 < 0.82
    assert "une petite sphere rouge qui roule vers la gauche dans la foret" in outcomes
    assert text.upper() in outcomes
    for other in outcomes:
        assert len(other.split()) == len(text.split()) and abs(len(other) - len(text)) <= 1
    assert noisy("", rng) == ""


@pytest.mark.parametrize(
    ("text", "in_a_mirror"),
    [
        ("a red dog left of a car moves right", "a red dog right of a car moves left"),
        ("LE BATEAU VA DE GAUCHE À DROITE", "LE BATEAU VA DE DROITE À GAUCHE"),
        ("Pan left", "Pan right"),
        ("ajoute un chat du côté droit", "ajoute un chat du côté gauche"),
        ("du cote gauche", "du cote droit"),
        ("il arrive droit sur nous, a bright green ball", "il arrive droit sur nous, a bright green ball"),
    ],
)
def test_in_a_mirror_left_is_right(text, in_a_mirror):
    assert mirrored(text) == in_a_mirror and mirrored(in_a_mirror) == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_moves_left_is_said_to_move_right_in_a_mirror(language):
    scene = Scene((Subject("dog", "red", action="left"),), "meadow", camera="pan right")
    turned = replace(scene, subjects=(replace(scene.subjects[0], action="right"),), camera="pan left")
    assert {mirrored(text) for text in captions(scene, language, Random(5), 40)} == {
        text for text in captions(turned, language, Random(5), 40)
    }


@given(st.text(max_size=40), seeds)
def test_noise_bears_any_text(text, seed):
    assert isinstance(noisy(text, Random(seed)), str)


# ---------------------------------------------------------------- edits


def differences(before, after):
    """The names of what differs: fields of the scene, and of its subjects when their number is the same."""
    a, b = to_json(before), to_json(after)
    names = {name for name in a if a[name] != b[name] and name != "subjects"}
    if len(before.subjects) != len(after.subjects):
        return names | {"subjects"}
    return names | {n for s, o in zip(a["subjects"], b["subjects"], strict=True) for n in s if s[n] != o[n]}


@settings(max_examples=200)
@given(seeds)
def test_an_edit_changes_what_it_names_and_nothing_else(seed):
    rng = Random(seed)
    before = sample.sample_scene(rng)
    edit = edits.sample_edit(before, rng)
    found = differences(before, edit.scene_after)
    if edit.attribute in ("add", "remove"):
        small, large = sorted((before, edit.scene_after), key=lambda scene: len(scene.subjects))
        assert {"subjects"} <= found <= {"subjects", "relation"}
        assert set(small.subjects) < set(large.subjects)
        kept = tuple(s for s in large.subjects if s in small.subjects)
        assert kept == small.subjects
    else:
        assert found == {edit.attribute}
        record = edit.scene_after.subjects[edit.index] if edit.attribute in edits.OF_SUBJECT else edit.scene_after
        assert str(getattr(record, edit.attribute)) == edit.value
    assert all(allowed(s.kind, s.action) for s in edit.scene_after.subjects)
    assert edit.scene_after.layout_seed == before.layout_seed


@pytest.fixture(scope="module")
def many_edits():
    rng = Random(8)
    return [edits.sample_edit(sample.sample_scene(rng), rng) for _ in range(4000)]


def test_every_attribute_and_value_is_asked_for(many_edits):
    found = {(edit.attribute, edit.value) for edit in many_edits}
    assert {attribute for attribute, _ in found} == set(edits.ATTRIBUTES)
    for attribute, values in {**edits.OF_SUBJECT, **edits.OF_SCENE, "add": KINDS}.items():
        assert {value for name, value in found if name == attribute} == set(values), attribute
    assert {edit.where for edit in many_edits} == {"", *edits.WHERE}


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_instruction_says_what_becomes(many_edits, language):
    words = LEXICON[language]
    for seed, edit in enumerate(many_edits[:1500]):
        text = edits.instruction(edit, language, Random(seed)).lower()
        if edit.attribute == "colour":
            assert says(text, forms(language, "colour", edit.value)), text
        elif edit.attribute in ("kind", "add"):
            assert says(text, forms(language, "kind", edit.value)), text
        elif edit.attribute == "place":
            assert says(
                text, [*words["place"][edit.value], *(p.split(" ", 1)[-1] for p in words["place"][edit.value])]
            ), text
        several = len(edit.scene_before.subjects) > 1
        if several and edit.attribute in ("colour", "size", "action", "speed", "remove", "kind"):
            kind = edit.scene_before.subjects[edit.index].kind
            assert says(text, forms(language, "kind", kind)), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_two_of_a_kind_the_instruction_says_which(language):
    scene = Scene((Subject("ball", "red"), Subject("ball", "blue")))
    edit = edits.Edit("size", "small", 1, scene, edits.change(scene, "size", "small", 1))
    for seed in range(30):
        text = edits.instruction(edit, language, Random(seed)).lower()
        assert says(text, forms(language, "colour", "blue")) and not says(text, forms(language, "colour", "red"))


def test_instructions_that_people_type():
    scene = Scene((Subject("dog", "red", action="left"),))

    def said(attribute, value, language):
        edit = edits.Edit(attribute, value, 0, scene, edits.change(scene, attribute, value))
        return {edits.instruction(edit, language, Random(seed)).lower().rstrip(" .?") for seed in range(600)}

    assert {"make it blue", "now in blue", "paint the dog blue"} <= said("colour", "blue", "en")
    assert {"rends-le bleu", "en bleu", "change la couleur en bleu"} <= said("colour", "blue", "fr")
    assert {"replace the dog with a mammoth", "turn it into a mammoth"} <= said("kind", "mammoth", "en")
    assert {"remplace le chien par un mammouth", "transforme-le en mammouth"} <= said("kind", "mammoth", "fr")
    assert {"move it to the desert", "now in the desert"} <= said("place", "desert", "en")
    assert {"dans la neige maintenant", "mets-le dans la neige"} <= said("place", "snow", "fr")
    assert {"now at night", "at night"} <= said("time", "night", "en")
    assert {"de nuit", "maintenant la nuit"} <= said("time", "night", "fr")
    assert {"make it jump", "it should jump", "jump instead"} <= said("action", "jump", "en")
    assert {"fais-le sauter", "il doit sauter"} <= said("action", "jump", "fr")
    assert {"slower", "slow down"} <= said("speed", "slowly", "en")
    assert {"plus lentement", "moins vite"} <= said("speed", "slowly", "fr")
    assert {"pan left", "the camera pans left"} <= said("camera", "pan left", "en")
    assert {"vue d'en haut", "filme d'en haut"} <= said("camera", "from above", "fr")
    assert {"make it bigger", "larger"} <= said("size", "large", "en")
    assert {"plus grand", "rends-le plus gros"} <= said("size", "large", "fr")
    assert {"make it two dogs", "add another dog"} <= said("count", "2", "en")
    assert {"mets deux chiens", "ajoute encore un chien"} <= said("count", "2", "fr")


def test_an_added_subject_stands_where_it_was_asked_for():
    tree = Subject("tree", "green")
    for where, subjects, relation in (
        ("left", ("tree", "ball"), "left of"),
        ("right", ("ball", "tree"), "left of"),
        ("behind", ("tree", "ball"), "behind"),
        ("in front", ("ball", "tree"), "behind"),
        ("next to", ("ball", "tree"), "next to"),
        ("anywhere", ("ball", "tree"), None),
    ):
        after = edits.add(ball(), tree, where)
        assert (tuple(s.kind for s in after.subjects), after.relation) == (subjects, relation)


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: edits.change(ball(), "colour", "red"), "changes nothing"),
        (lambda: edits.change(ball(), "weather", "rain"), "'weather'"),
        (lambda: edits.change(ball(), "colour", "teal"), "'teal'"),
        (lambda: edits.change(ball(action="jump"), "kind", "tree"), "cannot do 'jump'"),
        (lambda: edits.change(ball(), "relation", "behind"), "needs two"),
        (lambda: edits.remove(ball(), 0), "0 things"),
        (lambda: edits.add(ball(), Subject("ball", "red")), "same kind and colour"),
        (lambda: edits.add(ball(count=3), Subject("dog", "red")), "4 things"),
        (lambda: edits.add(ball(), Subject("dog", "red"), "under"), "'under'"),
        (lambda: edits.sample_edit(ball(), Random(0), lambda scene: False), "none accepted"),
        (lambda: edits.sample_continuation(ball(), Random(0), lambda scene: False), "none accepted"),
        (lambda: edits.continuation_text(ball(), "en", Random(0)), "continues no other"),
    ],
)
def test_an_edit_that_makes_no_sense_is_an_error(attempt, message):
    with pytest.raises(ValueError, match=message):
        attempt()


@settings(max_examples=100)
@given(seeds)
def test_a_continuation_goes_on_where_the_scene_was(seed):
    rng = Random(seed)
    before = sample.sample_scene(rng)
    after = edits.sample_continuation(before, rng)
    assert after.before == before and after.frames in (8, 16) and after.camera == "still"
    assert after.subjects[0].action != before.subjects[0].action
    assert differences(before, after) <= {"before", "frames", "camera", "action", "speed"}


def test_continuations_that_people_type():
    scene = replace(ball(action="jump"), before=ball(), frames=8)
    said = {edits.continuation_text(scene, "en", Random(seed)).lower().rstrip(".") for seed in range(300)}
    assert {"then it jumps", "and then the ball jumps"} <= said
    car = Scene((Subject("car", "red", action="left"),), before=Scene((Subject("car", "red"),)), frames=8)
    said = {edits.continuation_text(car, "fr", Random(seed)).lower().rstrip(".") for seed in range(600)}
    assert {"la voiture repart vers la gauche", "ensuite elle roule vers la gauche"} <= said


# ---------------------------------------------------------------- samples


def test_held_out_pairs_never_occur_in_training_while_every_value_does(training):
    pairs = {
        (s.kind, value) for scene in training for s in scene.subjects for value in (s.colour, s.action, scene.place)
    }
    assert not pairs & sample.HELD_OUT
    for values in (KINDS, COLOURS, PLACES, ACTIONS):
        assert {v for pair in pairs for v in pair} >= set(values)
    assert {scene.time for scene in training} == set(TIMES)
    assert {scene.camera for scene in training} == set(CAMERAS)
    assert {scene.relation for scene in training} == {*RELATIONS, None}
    assert {s.size for scene in training for s in scene.subjects} == set(SIZES)
    assert {s.speed for scene in training for s in scene.subjects} == set(SPEEDS)
    assert {s.count for scene in training for s in scene.subjects} == {1, 2, 3}
    every = {(k, v) for k in KINDS for v in (*COLOURS, *PLACES, *(a for a in ACTIONS if allowed(k, a)))}
    assert len(every - sample.HELD_OUT - pairs) == 0


def test_held_out_pairs_are_about_eight_percent_of_each_sort():
    for values, total in ((COLOURS, 120), (PLACES, 72), (ACTIONS, 102)):
        pairs = [(kind, value) for kind, value in sample.HELD_OUT if value in values]
        assert all(kind in KINDS for kind, _ in pairs)
        assert 0.07 < len(pairs) / total < 0.09
    assert all(allowed(kind, value) for kind, value in sample.HELD_OUT if value not in COLOURS)


@pytest.mark.parametrize("frames", [1, 33])
def test_a_held_out_scene_holds_a_held_out_pair(frames):
    rng = Random(9)
    found = [sample.sample_scene(rng, held_out=True, frames=frames) for _ in range(300)]
    assert all(sample.has_held_out(scene) for scene in found)
    assert len({pair for scene in found for pair in _pairs(scene)} & sample.HELD_OUT) >= (16 if frames == 1 else 24)


def _pairs(scene):
    return {(s.kind, value) for s in scene.subjects for value in (s.colour, s.action, scene.place)}


def test_the_training_mix(training):
    def share(condition):
        return sum(map(condition, training)) / len(training)

    assert 0.66 < share(lambda s: sum(x.count for x in s.subjects) == 1) < 0.74
    assert share(lambda s: s.camera not in ("still", "from above")) < 0.30
    assert 0.06 < share(lambda s: s.camera == "from above") < 0.10
    assert 0.51 < share(lambda s: s.time == "day") < 0.59
    kinds = Counter(s.subjects[0].kind for s in training)
    assert max(kinds.values()) < 1.6 * min(kinds.values())


def test_conversations_mix_edits_and_continuations():
    rng = Random(10)
    actions: Counter[str] = Counter()
    for _ in range(400):
        turns = sample.sample_conversation(rng, rng.randint(2, 5))
        names = [turn.action for turn in turns]
        assert names[0] == "new" and names[1:] == sorted(names[1:], key=["edit", "continue"].index)
        assert [turn.parent for turn in turns] == [None, *range(len(turns) - 1)]
        assert names.count("continue") <= 2
        for i, turn in enumerate(turns):
            assert not sample.has_held_out(turn.scene)
            assert Counter(turn.languages) == {"en": 3, "fr": 3} and all(turn.texts)
            if turn.action == "continue":
                assert turn.scene.before == turns[i - 1].scene
            else:
                assert turn.scene.frames == 33 and turn.scene.layout_seed == turns[0].scene.layout_seed
        actions.update(names[1:])
    assert 0.2 < actions["continue"] / actions.total() < 0.4


def test_conversations_of_stills_are_edits_alone():
    turns = [t for seed in range(60) for t in sample.sample_conversation(Random(seed), 3, 1)]
    assert {t.action for t in turns} == {"new", "edit"} and {t.scene.frames for t in turns} == {1}


def test_held_out_conversations_start_with_a_held_out_pair():
    for seed in range(60):
        assert sample.has_held_out(sample.sample_conversation(Random(seed), 3, held_out=True)[0].scene)


@given(seeds)
def test_the_same_seed_gives_the_same_conversation(seed):
    assert sample.sample_conversation(Random(seed), 4) == sample.sample_conversation(Random(seed), 4)


def test_conversations_do_not_depend_on_the_hash_seed():
    code = (
        "from random import Random; from gpt_video.diorama.sample import sample_conversation as s;"
        "print([s(Random(i), 4, held_out=i % 2 == 1) for i in range(40)])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout


def test_world_prompts_describe_held_out_scenes():
    for text, scene in sample.world_prompts(Random(11), 20, "fr"):
        assert sample.has_held_out(scene) and set(words_in(text)) <= words_of_world("fr")
