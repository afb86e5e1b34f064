"""The wide world: every scene renders, captions are true of it, edits keep the rest, and every word of its lexicon is used."""

import re
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest

from gpt_video.diorama import edits, sample
from gpt_video.diorama.grammar import french_participle, voice
from gpt_video.diorama.language import captions, noisy, words_of_world
from gpt_video.diorama.lexicon import LANGUAGES, WIDE_LEXICON, lexicon
from gpt_video.diorama.make import Choices, render_dataset, rendered_turns
from gpt_video.diorama.motion import simulate
from gpt_video.diorama.render import Renderer, RendererUnavailable
from gpt_video.diorama.scene import Scene, Subject, from_json, to_json
from gpt_video.diorama.world import ACTORS, CORE, WIDE, can
from gpt_video.text import words_in

W = WIDE.name


def one(kind, colour="red", **changes):
    scene = {
        name: changes.pop(name) for name in ("place", "time", "camera", "weather", "style", "frames") if name in changes
    }
    return Scene((Subject(kind, colour, **changes),), world=W, layout_seed=5, **scene)


def render(scene, height=128, width=128):
    try:
        return Renderer(height, width).render(scene)
    except RendererUnavailable as error:
        pytest.skip(f"no GL back end for MuJoCo: {error}")


def height(mask_HW, record=1):
    rows = np.flatnonzero((mask_HW == record).any(axis=1))
    return 0.0 if len(rows) == 0 else (rows[-1] + 1 - rows[0]) / len(mask_HW)


@pytest.fixture(scope="module")
def scenes():
    return [sample.sample_scene(Random(seed), world=WIDE, frames=(33, 33, 1)[seed % 3]) for seed in range(900)]


@pytest.fixture(scope="module")
def many_edits(scenes):
    return [edits.sample_edit(scene, Random(seed)) for seed, scene in enumerate(scenes)]


# ---------------------------------------------------------------- records


def test_a_scene_survives_json_and_the_core_knows_nothing_of_it(scenes):
    for scene in scenes:
        assert from_json(to_json(scene)) == scene
    assert {"world", "weather", "style"}.isdisjoint(to_json(Scene((Subject("dog", "red"),))))
    with pytest.raises(ValueError, match="'cat'"):
        Scene((Subject("cat", "red"),))
    with pytest.raises(ValueError, match="'raining'"):
        Scene((Subject("dog", "red"),), weather="raining")


@pytest.mark.parametrize(
    "subjects",
    [
        (Subject("ball", "red", action="into"),),
        (Subject("ball", "red"), Subject("cube", "red", action="into")),
        (Subject("ball", "red", action="into"), Subject("cube", "red", action="jump")),
    ],
)
def test_what_runs_into_another_needs_one_that_stands(subjects):
    with pytest.raises(ValueError, match="into"):
        Scene(subjects, world=W)


def test_every_value_is_sampled_and_held_out_pairs_are_not(scenes):
    def seen(of):
        return {value for scene in scenes for value in of(scene)}

    assert seen(lambda s: [x.kind for x in s.subjects]) == set(WIDE.kinds)
    assert seen(lambda s: [x.action for x in s.subjects]) == set(WIDE.actions)
    assert seen(lambda s: [x.activity for x in s.subjects]) == set(WIDE.activities)
    for name in ("place", "time", "camera", "weather", "style"):
        assert seen(lambda s, name=name: [getattr(s, name)]) == set(getattr(WIDE, f"{name}s"))
    assert not any(map(sample.has_held_out, scenes))
    assert all(can(x.kind, x.action, x.activity) for scene in scenes for x in scene.subjects)
    held_out = [sample.sample_scene(Random(seed), held_out=True, world=WIDE) for seed in range(300)]
    assert all(map(sample.has_held_out, held_out))


def test_held_out_pairs_are_about_a_tenth_and_keep_those_of_the_core():
    assert CORE.held_out < WIDE.held_out
    for values in (WIDE.colours, WIDE.places):
        pairs = [pair for pair in WIDE.held_out if pair[1] in values]
        assert 0.06 < len(pairs) / (len(WIDE.kinds) * len(values)) < 0.10
    for kind, value in WIDE.held_out:
        assert kind in WIDE.kinds
        assert value in (*WIDE.colours, *WIDE.places) or can(kind, "still" if value in WIDE.activities else value)


# ---------------------------------------------------------------- pictures


@pytest.mark.parametrize("shape", [(128, 128), (96, 160), (160, 96)])
def test_every_kind_and_pose_is_seen_large_enough(shape):
    shown = [one(kind, size="small", frames=1) for kind in WIDE.kinds]
    shown += [one(kind, activity=a, frames=1) for kind in sorted(ACTORS) for a in WIDE.activities[1:]]
    pictures = []
    for scene in shown:
        clip = render(scene, *shape)
        # A table hides the lower half of who sits at it, and is no part of the subject.
        least = 0.25 if scene.subjects[0].activity == "podcast" else 0.4
        assert height(clip.masks_THW[0]) >= least, scene.subjects[0]
        pictures.append(clip.frames_THWC[0].astype(int))
    for i, picture in enumerate(pictures):
        assert all(np.abs(picture - other).mean() > 1.5 for other in pictures[:i]), shown[i].subjects[0]


def test_every_sampled_scene_renders_with_masks_of_all_its_subjects(scenes):
    shapes = ((128, 128), (96, 160), (160, 96))
    for number, scene in enumerate(scenes[:60]):
        clip = render(replace(scene, frames=min(scene.frames, 9)), *shapes[number % 3])
        assert clip.frames_THWC.shape[1:] == (*shapes[number % 3], 3)
        seen = set(np.unique(clip.masks_THW)) - {0}
        assert seen == set(range(1, len(scene.subjects) + 1)), scene


@pytest.mark.parametrize("place", WIDE.places)
def test_weather_is_seen_and_leaves_the_subject_uncovered_in_the_mask(place):
    clear = render(one("bear", place=place, frames=5))
    for weather in ("snowing", "raining"):
        clip = render(one("bear", place=place, weather=weather, frames=5))
        assert np.array_equal(clip.masks_THW > 0, clear.masks_THW > 0)
        assert np.abs(clip.frames_THWC.astype(int) - clear.frames_THWC).mean() > (0.5 if place == "room" else 4)
        assert np.abs(clip.frames_THWC[4].astype(int) - clip.frames_THWC[0]).max() > 40  # it falls
        inside = clip.masks_THW > 0
        hidden = np.abs(clip.frames_THWC[inside].astype(int) - clear.frames_THWC[inside]).max(axis=-1) > 60
        assert hidden.mean() < 0.25


def test_a_drawing_has_dark_outlines_and_the_same_masks():
    plain, drawn = (render(one("dog", "yellow", style=style, frames=1)) for style in WIDE.styles)
    assert np.array_equal(plain.masks_THW, drawn.masks_THW)
    mask = plain.masks_THW[0] > 0
    rim = mask & ~np.logical_and.reduce([np.roll(mask, s, a) for a in (0, 1) for s in (-1, 1)])
    assert drawn.frames_THWC[0][rim].mean() < plain.frames_THWC[0][rim].mean() - 30


@pytest.mark.parametrize(("frames", "border"), [(65, 17), (33, 17), (17, 9), (9, 5)])
def test_a_cut_falls_on_the_middle_border_between_latent_frames(frames, border):
    clip = render(one("woman", camera="cut", frames=frames), 64, 64).frames_THWC.astype(int)
    jumps = np.abs(np.diff(clip, axis=0)).mean(axis=(1, 2, 3))
    assert int(jumps.argmax()) + 1 == border and jumps.max() > 8 * np.median(jumps)


@pytest.mark.parametrize(
    ("kind", "speed"), [("horse", "normal"), ("ball", "normal"), ("bird", "fast"), ("car", "fast")]
)
def test_in_a_long_scene_what_goes_to_the_right_comes_back(kind, speed):
    long, short = (simulate(one(kind, action="right", speed=speed, frames=frames), 1.0) for frames in (129, 33))
    track, start = long.tracks[0], short.tracks[0]
    x_T = track.centre_T3[:, 0]
    assert np.allclose(x_T[:33], start.centre_T3[:, 0], atol=1e-9)  # the first four seconds are those of a short scene
    turn = int(x_T[:70].argmax())
    assert turn > 28 and (np.diff(x_T[:turn]) > 0).all()
    back = turn + 70 // (2 if speed == "fast" else 1) - 8
    assert x_T[back] < x_T[turn] - 0.5 * (x_T[turn] - x_T[0])
    assert np.abs(np.diff(x_T)).max() < 1.5 * np.abs(np.diff(x_T[:20])).max()
    ahead_T = track.turn_T33[:, 0, 0]  # where its nose points, to the right
    if kind != "ball":
        assert ahead_T[5] > 0.5 and ahead_T[turn + 12] < -0.5
        assert np.abs(np.diff(ahead_T)).max() < 1.5  # it turns, and does not flip
    assert (np.diff(track.roll_T) >= 0).all()  # wheels roll forwards both ways


@pytest.mark.parametrize("camera", ["orbit", "drone"])
def test_a_camera_goes_round_and_keeps_the_subject(camera):
    clip = render(one("bear", camera=camera))
    assert all(height(mask) > 0.35 for mask in clip.masks_THW)
    assert np.abs(clip.frames_THWC[-1].astype(int) - clip.frames_THWC[0]).mean() > 15


@pytest.mark.parametrize("kind", ["ball", "car", "dog"])
def test_what_is_run_into_is_pushed_and_stays_in_the_picture(kind):
    scene = Scene((Subject(kind, "red", action="into"), Subject("snowman", "white")), world=W)
    topic, target = simulate(scene, 1.0).tracks
    assert 0.1 < abs(target.centre_T3[-1, 0] - target.centre_T3[0, 0]) < 0.9
    assert abs(topic.centre_T3[-1, 0] - topic.centre_T3[0, 0]) > 0.2
    assert height(render(scene).masks_THW[-1], 2) > 0.15


def test_a_wave_moves_one_arm_and_wheels_turn():
    clip = render(one("man", action="wave", frames=17)).frames_THWC.astype(int)
    assert 0.05 < np.abs(np.diff(clip, axis=0)).mean() < 3
    track = simulate(one("bear", action="right", activity="bicycle"), 1.0).tracks[0]
    assert track.roll_T[-1] > 1.5


# ---------------------------------------------------------------- words


def spoken(scene, language, rng):
    yield from captions(scene, language, rng, 3)
    yield edits.instruction(edits.sample_edit(scene, rng), language, rng)
    yield edits.continuation_text(edits.sample_continuation(scene, rng), language, rng)


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_well_formed_and_of_known_words(language, scenes):
    missing = (
        r"(?<![-\w])(de|le|la|je|que|se) (?:[aeiouéèêâô]|homm)|\b(de|à) les? " if language == "fr" else r"\ba [aeio]"
    )
    known = edits.words_of_instructions(language, W)
    for seed, scene in enumerate(scenes):
        for text in spoken(scene, language, Random(seed)):
            assert not re.search(r"[{}]|MOVE|SELF|ITS|HANDS|OTHER|  | [,.]|^\W|/|\bmonsieurs\b", text), text
            assert not re.search(missing, text.lower()), text
            assert not set(words_in(text)) - known, text
            assert noisy(text, Random(seed))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_used(language):
    rng, used = Random(1), set()
    for _ in range(9000):
        scene = sample.sample_scene(rng, world=WIDE, frames=33 if rng.random() < 0.9 else 1, single_share=0.6)
        used.update(words_in(captions(scene, language, rng, 1)[0]))
        edit = edits.sample_edit(scene, rng)
        used.update(words_in(edits.instruction(edit, language, rng)))
    # Forms that the grammar has and no sentence needs, such as the plural of "mer", are not counted: only the lexicon's own.
    own = {
        word
        for section in ("kind", "place", "weather", "weather clause", "style", "camera", "detail", "activity", "time")
        for phrases in lexicon(language, W)[section].values()
        for phrase in phrases
        for word in words_in(phrase)
    }
    assert own - used == set()


def forms(language, section, value):
    speaker = voice(language, Random(0), W)
    return {
        form for phrase in WIDE_LEXICON[language][section].get(value, ()) for form in speaker.forms(section, phrase)
    }


@cache
def pattern(language, section, value):
    """All that says the value, and nothing else says: of weather also its clauses."""
    words = forms(language, section, value)
    if section == "weather":
        words |= set(WIDE_LEXICON[language]["weather clause"][value])
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(words, key=len, reverse=True)))})(?!\w)")


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_say_only_what_is_there(language, scenes):
    values = {
        "weather": WIDE.weathers, "style": WIDE.styles, "kind": WIDE.kinds, "colour": tuple(WIDE.colours), "time": WIDE.times,
        "place": WIDE.places, "camera": WIDE.cameras,
    }  # fmt: skip
    for seed, scene in enumerate(scenes):
        there = {(name, getattr(scene, name)) for name in ("weather", "style", "time", "place", "camera")}
        there |= {("kind", s.kind) for s in scene.subjects} | {("colour", s.colour) for s in scene.subjects}
        if any(s.activity == "candle" for s in scene.subjects):
            there.add(("kind", "candle"))  # it brings one along
        for text in captions(scene, language, Random(seed), 4):
            text = re.sub("bird's-eye|course cycliste", "", text.lower())
            wrong = [
                (section, value)
                for section, all_values in values.items()
                for value in all_values
                if (section, value) not in there and pattern(language, section, value).search(text)
            ]
            assert not wrong, (text, wrong)


RACE = Scene(
    tuple(Subject(k, c, action="right", activity="bicycle") for k, c in (("dog", "white"), ("bear", "brown"))),
    "ocean", camera="drone", world=W,
)  # fmt: skip
CAST = {
    "en": [
        (Scene((Subject("mammoth", "brown", action="left", count=3),), "snow", world=W), "mammoths", "snow"),
        (one("woman", action="right", place="city street", time="night", camera="cut"), "red", "neon", "angles"),
        (one("monster", "purple", size="small", activity="candle"), "fluffy", "hands", "candle", "warms"),
        (Scene((Subject("dog", "yellow", count=2, activity="podcast"),), "mountain top", world=W), "golden", "podcast", "mountain"),
        (RACE, "race", "ocean", "drone", "animals", "bicycle"),
    ],
    "fr": [
        (Scene((Subject("mammoth", "brown", action="left", count=3),), "snow", world=W), "mammouths", "neige", "marchent"),
        (one("woman", action="right", place="city street", time="night", camera="cut"), "robe", "néons", "angles"),
        (one("monster", "purple", size="small", activity="candle"), "petit", "mains", "bougie", "réchauffe"),
        (Scene((Subject("dog", "yellow", count=2, activity="podcast"),), "mountain top", world=W), "dorés", "podcast", "montagne"),
        (RACE, "course", "océan", "drone", "animaux", "vélos"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("language", "number"), [(language, i) for language in LANGUAGES for i in range(5)])
def test_the_words_of_the_cast_are_said(language, number):
    scene, *words = CAST[language][number]
    said = {word for text in captions(scene, language, Random(3), 150) for word in words_in(text)}
    assert set(words) <= said


PROMPTS = {
    "en": "a mammoth walking through snow; a woman in a red dress walking down a city street at night with neon signs, seen from "
    "several angles; a fluffy little monster warming its hands at a candle; two golden dogs recording a podcast with microphones "
    "at a table on a mountain top; a bicycle race on the ocean with animals riding, filmed by a drone",
    "fr": "un mammouth marchant dans la neige; une femme en robe rouge marchant dans une rue de la ville la nuit avec des néons, "
    "vue sous plusieurs angles; un petit monstre poilu se réchauffant les mains à une bougie; deux chiens dorés enregistrant un "
    "podcast avec des micros au sommet d'une montagne; une course de vélos sur l'océan avec des animaux, filmée par un drone",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_cast_is_a_word_of_the_world(language):
    assert set(words_in(PROMPTS[language])) <= words_of_world(language, W)


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("marcher vers nous", "marchant vers nous"),
        ("s'éloigner de nous", "s'éloignant de nous"),
        ("se réchauffer les mains", "se réchauffant les mains"),
        ("courir", "courant"),
        ("faire un bond", "faisant un bond"),
        ("rebondir sur place", "rebondissant sur place"),
        ("foncer dans un mur", "fonçant dans un mur"),
        ("ne pas bouger", "ne bougeant pas"),
        ("venir vers nous", "venant vers nous"),
        ("s'en aller", "s'en allant"),
        ("se tenir sur un vélo", "se tenant sur un vélo"),
        ("tendre les mains", "tendant les mains"),
        ("partir au loin", "partant au loin"),
    ],
)
def test_french_participles(phrase, expected):
    assert french_participle(phrase) == expected


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (Subject("horse", "white", "large", count=2), "deux grands chevaux blancs"),
        (Subject("cat", "yellow", "small"), "un petit chat doré"),
        (Subject("house", "white", "large"), "une grande maison blanche"),
        (Subject("man", "green"), "un homme en chemise verte de taille moyenne"),
        (Subject("monster", "purple", "small", count=3), "trois petits monstres poilus violets"),
        (Subject("bear", "brown", "large", count=2), "deux gros ours marron"),
        (Subject("bird", "white", "small", count=2), "deux petits oiseaux blancs"),
    ],
)
def test_french_agrees(subject, expected):
    said = set()
    for seed in range(600):
        speaker = voice("fr", Random(seed), W)
        said.add(speaker.tidy(speaker.noun_phrase(subject, speaker.noun(subject), "a", {"colour", "size"})))
    assert expected in said


# ---------------------------------------------------------------- edits


def test_an_edit_changes_what_it_names_and_nothing_else(many_edits):
    for edit in many_edits:
        before, after = to_json(edit.scene_before), to_json(edit.scene_after)
        changed = {k for k in {*before, *after} if before.get(k) != after.get(k)}
        if edit.attribute in ("add", "remove"):
            assert changed <= {"subjects", "relation"}
        elif edit.attribute in edits.WIDE_OF_SCENE:
            assert changed == {edit.attribute} and getattr(edit.scene_after, edit.attribute) == edit.value
        else:
            assert changed == {"subjects"}
            pairs = list(zip(before["subjects"], after["subjects"], strict=True))
            assert [i for i, (a, b) in enumerate(pairs) if a != b] == [edit.index]
            a, b = pairs[edit.index]
            names = {k for k in {*a, *b} if a.get(k) != b.get(k)}
            # Whoever mounts a bicycle goes somewhere, and whoever sits down at a table stays.
            assert names <= {edit.attribute, *(("action", "speed") if edit.attribute == "activity" else ())}
            assert edit.attribute in names


def test_every_new_value_is_asked_for(many_edits):
    asked = {(edit.attribute, edit.value) for edit in many_edits}
    rng = Random(4)
    for _ in range(1500):
        edit = edits.sample_edit(sample.sample_scene(rng, world=WIDE), rng)
        asked.add((edit.attribute, edit.value))
    for attribute, values in {**edits.WIDE_OF_SUBJECT, **edits.WIDE_OF_SCENE}.items():
        assert {value for name, value in asked if name == attribute} == set(values), attribute


def test_instructions_that_people_type():
    scene = one("bear", "brown", place="meadow")

    def said(attribute, value, language, scene=scene):
        edit = edits.Edit(attribute, value, 0, scene, edits.change(scene, attribute, value))
        return {edits.instruction(edit, language, Random(seed)).lower().rstrip(" .?") for seed in range(700)}

    assert {"make it snow", "now it is snowing"} <= said("weather", "snowing", "en")
    assert {"make it rain", "now it rains"} <= said("weather", "raining", "en")
    assert {"fais-le pleuvoir", "il pleut"} <= said("weather", "raining", "fr")
    assert {"stop the rain", "no more rain"} <= said("weather", "clear", "en", replace(scene, weather="raining"))
    assert {"as a drawing", "make it a cartoon"} <= said("style", "drawn", "en")
    assert {"en dessin animé", "dessine l'ours"} <= said("style", "drawn", "fr")
    assert {"cut to another angle"} <= said("camera", "cut", "en")
    assert {"change d'angle"} <= said("camera", "cut", "fr")
    assert {"film it with a drone"} <= said("camera", "drone", "en")
    assert any("let the bear ride a bicycle" in text for text in said("activity", "bicycle", "en"))
    assert {"mets l'ours sur un vélo"} <= said("activity", "bicycle", "fr")
    assert {"let the bear record a podcast"} <= said("activity", "podcast", "en")
    assert {"make it wave"} <= said("action", "wave", "en")
    assert {"fais-le saluer"} <= said("action", "wave", "fr")


# ---------------------------------------------------------------- data


def test_a_folder_of_the_wide_world_is_rendered_and_told_from_the_core(tmp_path):
    turns = list(rendered_turns(0, Choices(turns=(3, 3), shapes={(32, 32): 1}, frames={5: 1}, world=W)))
    assert {one.turn.scene.world for one in turns} == {W}
    with pytest.raises(ValueError, match=r"'moon'.*core, wide"):
        render_dataset(tmp_path / "none", 1, world="moon")
    render_dataset(tmp_path, 1, shapes={(32, 32): 1}, frames={5: 1})
    with pytest.raises(ValueError, match="another folder"):
        render_dataset(tmp_path, 1, shapes={(32, 32): 1}, frames={5: 1}, world=W)
