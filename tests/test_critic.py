"""The critic: what a score means, that it depends on nothing else, its files, and that a video goes on with what it chose."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from torch import nn

from gpt_video import preference
from gpt_video.bundle import BundleError, load_bundle, save_bundle, write_sums
from gpt_video.critic import COUNT, LONGEST_TEXT, Critic, CriticConfig, Form, joined, padded
from gpt_video.files import save_video
from gpt_video.generate import VideoGenerator
from gpt_video.request import GenerateRequest
from tests.recipes import loaded
from tests.tiny_model import make_bundle

pytest_plugins = ["tests.bundle_fixture"]

FORM = Form(("ball", "cat"), {COUNT: ("0", "1", "2"), "colour": ("red", "blue")}, {"place": ("meadow", "snow")})
CONFIG = CriticConfig(FORM, codebook_size=125, text_size=300, width=16, heads=2, convolutions=1)
RED = GenerateRequest("a red ball", seconds=1, seed=3)


def random_critic(config: CriticConfig = CONFIG, seed: int = 0) -> Critic:
    """Readers whose answers depend on what they read."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        critic = Critic(config).eval()
        for name, weight in critic.named_parameters():
            if name.endswith(("asks", "place")) or ".heads.heads." in name:
                nn.init.normal_(weight, std=1.0)
    return critic


class Told(nn.Module):
    """A reader that fills in what it is told: rows of {attribute: index of the value}, for things one index a thing."""

    def __init__(self, *rows: dict[str, tuple[int, ...] | int], extra: int = 0):
        super().__init__()
        self.rows, self.extra = rows, extra

    def forward(self, read: torch.Tensor):
        logits = {
            name: 20 * nn.functional.one_hot(torch.tensor([row[name] for row in self.rows]), size + self.extra).float()
            for name, size in FORM.sizes.items()
        }
        return logits if self.extra else (logits, None)


def scores(said: dict, *pictures: dict, source: dict | None = None) -> list[float]:
    """Of pictures, for words that say this: the last value of an attribute is "not said"."""
    critic = Critic(CONFIG)
    critic.words = Told(said, extra=1)
    critic.picture = Told(*pictures, *([source] if source else []))
    codes_Nhw = torch.zeros(len(pictures), 2, 2, dtype=torch.long)
    return critic([[1, 2]], codes_Nhw, codes_Nhw[0] if source else None).tolist()


def picture(count=(1, 0), colour=(0, 0), place=0) -> dict:
    return {COUNT: count, "colour": colour, "place": place}


UNSAID = {COUNT: (3, 3), "colour": (2, 2), "place": 2}
A_RED_BALL = UNSAID | {COUNT: (1, 3), "colour": (0, 2)}


# ------------------------------------------------------------------------------------------------ what a score means


def test_a_score_is_the_share_of_what_was_said_that_is_seen():
    right, blue, two_blue = picture(), picture(colour=(1, 0)), picture(count=(2, 0), colour=(1, 0))
    assert scores(A_RED_BALL, right, blue, two_blue) == pytest.approx([1, 0.5, 0], abs=1e-3)


def test_what_was_not_said_is_free():
    elsewhere, with_a_cat = picture(place=1), picture(count=(1, 1), colour=(0, 1))
    assert scores(A_RED_BALL, picture(), elsewhere, with_a_cat) == pytest.approx([1, 1, 1], abs=1e-3)
    assert scores(UNSAID, picture(), elsewhere) == pytest.approx([0, 0], abs=1e-3)


def test_an_edit_keeps_what_nobody_spoke_of():
    in_snow = UNSAID | {"place": 1}
    source = picture(count=(1, 0), colour=(1, 0), place=0)  # a blue ball in the meadow
    kept, red, gone = (picture((1, 0), (c, 0), 1) for c in (1, 0, 1))
    gone = gone | {COUNT: (0, 0)}
    unchanged = source
    assert scores(in_snow, kept, red, gone, unchanged, source=source) == pytest.approx([2, 1.5, 1.5, 1], abs=1e-3)


def test_what_the_source_does_not_show_is_not_asked_of_an_edit():
    source = picture(count=(1, 0))
    of_no_cat = [picture(colour=(0, colour)) for colour in (0, 1)]  # the colour of a cat that is not there
    assert scores(UNSAID | {"place": 0}, *of_no_cat, source=source) == pytest.approx([2, 2], abs=1e-3)


# ------------------------------------------------------------------------------------------------ what it depends on


@pytest.fixture(scope="module")
def critic() -> Critic:
    return random_critic()


@pytest.mark.parametrize("grid", [(2, 2), (2, 3), (4, 1)])
def test_a_score_does_not_depend_on_the_other_candidates(critic, grid):
    codes_Nhw = torch.randint(0, 125, (5, *grid), generator=torch.Generator().manual_seed(1))
    texts, source_hw = [[5, 6, 7], [8]], codes_Nhw[4]
    together_N = critic(texts, codes_Nhw, source_hw)
    assert together_N.shape == (5,) and together_N.dtype == torch.float32
    assert (together_N > 0).all() and (together_N < 2).all() and len(together_N.unique()) == 5
    alone_N = torch.cat([critic(texts, codes_hw[None], source_hw) for codes_hw in codes_Nhw])
    torch.testing.assert_close(together_N, alone_N, rtol=0, atol=1e-5)


def test_words_decide(critic):
    codes_Nhw = torch.randint(0, 125, (3, 2, 2), generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(critic([[5, 6]], codes_Nhw), critic([[7, 8, 9]], codes_Nhw), atol=1e-3)
    assert not torch.allclose(critic([[5], [6]], codes_Nhw), critic([[6], [5]], codes_Nhw), atol=1e-3)


def test_padding_says_nothing(critic):
    alone, beside = critic.words(padded([[4, 5, 6]])), critic.words(padded([[4, 5, 6], list(range(20))]))
    for name, logits in alone.items():
        torch.testing.assert_close(logits[0], beside[name][0], rtol=1e-4, atol=1e-4)


def test_of_a_long_conversation_the_end_is_read(critic):
    texts = [[n] * 40 for n in range(10)]
    ids = joined(texts, 300)
    assert len(ids) == LONGEST_TEXT and ids[-41:] == [300, *texts[-1]]
    critic(texts, torch.zeros(2, 2, 2, dtype=torch.long))


# ------------------------------------------------------------------------------------------------ files


def test_a_saved_critic_gives_the_same_scores(critic, tmp_path):
    critic.save(tmp_path / "one")
    one = Critic.load(tmp_path / "one")
    assert one.config == CONFIG and not one.training
    one.save(tmp_path / "two")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    codes_Nhw = torch.randint(0, 125, (4, 2, 2), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(one([[5, 6]], codes_Nhw), critic([[5, 6]], codes_Nhw), rtol=0, atol=2e-2)


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors"])
def test_a_damaged_critic_is_a_sentence(critic, tmp_path, damage):
    critic.save(tmp_path)
    (tmp_path / damage).write_bytes(b"{}")
    with pytest.raises(ValueError, match="holds no critic that this version can read"):
        Critic.load(tmp_path)


# ------------------------------------------------------------------------------------------------ in a model


@pytest.fixture(scope="module")
def chooser(tiny_bundle, tmp_path_factory) -> VideoGenerator:
    """The tiny model with a critic, which makes five first frames."""
    folder = tmp_path_factory.mktemp("chooser") / "bundle"
    add_critic(tiny_bundle, folder, candidates=5)
    return VideoGenerator(load_bundle(folder, dtype=torch.float32, device="cpu"))


def add_critic(bundle_folder, folder, candidates: int, **changes) -> None:
    bundle = load_bundle(bundle_folder, dtype=torch.float32, device="cpu")
    sizes = {"codebook_size": bundle.vocabulary.codebook_size, "text_size": bundle.vocabulary.text_size} | changes
    settings = replace(bundle.settings, candidates=candidates)
    parts = (bundle.video_tokenizer, bundle.gpt, bundle.text_tokenizer)
    save_bundle(folder, *parts, settings, "# A card\n", {}, critic=random_critic(replace(CONFIG, **sizes)))


def first_frames(generator: VideoGenerator, request: GenerateRequest, n: int) -> torch.Tensor:
    """codes_Nhw of the n candidates of a request, the way the engine makes them."""
    offered: list[torch.Tensor] = []
    plan = generator.plan(request)

    def choose(codes_BNhw: torch.Tensor) -> torch.Tensor:
        offered.append(codes_BNhw[0])
        return torch.zeros(1, dtype=torch.long)

    window = generator.first_window(plan)
    seeds = [request.seed]
    list(generator.engine.generate([window.ids_L], window.grid, plan.sampling, seeds, candidates=n, choose=choose))
    return offered[0]


@pytest.mark.parametrize("action", ["new", "edit"])
def test_a_video_goes_on_with_the_first_frame_that_the_critic_likes_best(chooser, action):
    source = chooser.generate(RED)
    edit = replace(RED, prompt="make it blue", action="edit", context=source.turns, seed=4)
    request = edit if action == "edit" else RED
    codes_Nhw = first_frames(chooser, request, 5)
    encode = chooser.bundle.text_tokenizer.encode
    texts = [encode(turn.prompt) for turn in request.context] + [encode(request.prompt)]
    before = torch.from_numpy(source.codes_thw[0]) if action == "edit" else None
    scores_N = chooser.bundle.critic(texts, codes_Nhw, before)
    assert len(scores_N.unique()) > 1
    made = chooser.generate(request)
    np.testing.assert_array_equal(made.codes_thw[0], codes_Nhw[scores_N.argmax()].numpy())
    assert made.request.candidates == 5


def test_one_candidate_is_a_video_without_a_critic(chooser, tiny_generator):
    plain = tiny_generator.generate(RED)
    assert plain.request.candidates == 1
    np.testing.assert_array_equal(chooser.generate(replace(RED, candidates=1)).codes_thw, plain.codes_thw)


def test_a_choice_does_not_depend_on_the_batch(chooser):
    requests = [RED, replace(RED, prompt="at night it jumps"), replace(RED, candidates=2), replace(RED, seed=9)]
    for video, request in zip(chooser.generate_many(requests), requests, strict=True):
        np.testing.assert_array_equal(video.codes_thw, chooser.generate(request).codes_thw)


def test_there_is_nothing_to_choose_where_the_first_frame_is_given(chooser):
    red = chooser.generate(RED)
    onward = chooser.generate(GenerateRequest("then it jumps", seconds=1, action="continue", context=red.turns))
    pictured = chooser.generate(replace(RED, image=red.frames_THWC[0], candidates=3))
    assert (onward.request.candidates, pictured.request.candidates) == (1, 1)


def test_an_interrupted_video_keeps_the_choice(chooser):
    whole = chooser.generate(RED)
    *_, last = chooser.stream(RED, made_thw=whole.codes_thw[:1])
    np.testing.assert_array_equal(last.video.codes_thw, whole.codes_thw)
    first = next(iter(chooser.stream(RED)))
    np.testing.assert_array_equal(first.codes_thw, whole.codes_thw[:1])


def test_a_file_says_how_many_candidates_there_were(chooser, tmp_path):
    save_video(chooser.generate(RED), tmp_path / "a.mp4")
    assert json.loads((tmp_path / "a.mp4.json").read_text())["candidates"] == 5


def test_a_model_without_a_critic_makes_one(tiny_generator):
    with pytest.raises(ValueError, match="candidates is 4: this model has no critic"):
        tiny_generator.generate(replace(RED, candidates=4))
    for wrong in (0, 65, 1.5, True):
        with pytest.raises(ValueError, match="candidates is"):
            replace(RED, candidates=wrong)


def test_a_model_that_is_trained_on_keeps_its_critic(chooser, tmp_path):
    preference.save(tmp_path, chooser, {"pairs": 3})
    trained = load_bundle(tmp_path / "bundle", dtype=torch.float32, device="cpu")
    assert trained.settings.candidates == 5
    for mine, theirs in zip(trained.critic.parameters(), chooser.bundle.critic.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_critic_of_another_model_is_refused(tiny_bundle, tmp_path):
    add_critic(tiny_bundle, tmp_path / "bundle", candidates=4, text_size=77)
    with pytest.raises(BundleError, match="critic is that of another model"):
        load_bundle(tmp_path / "bundle")


def test_a_model_that_lost_its_critic_is_refused(tiny_bundle, tmp_path):
    add_critic(tiny_bundle, tmp_path / "bundle", candidates=4)
    for file in (tmp_path / "bundle" / "critic").iterdir():
        file.unlink()
    (tmp_path / "bundle" / "critic").rmdir()
    write_sums(tmp_path / "bundle")
    with pytest.raises(BundleError, match="makes 4 candidates and has no critic"):
        load_bundle(tmp_path / "bundle")


# ------------------------------------------------------------------------------------------------ the recipe


@pytest.fixture(scope="module")
def recipe():
    with loaded("critic") as module:
        yield module


@pytest.mark.parametrize("world", ["core", "wide"])
def test_what_a_conversation_says_is_true_of_its_last_scene(recipe, world):
    """Of every label that says something, the words were there: so no picture is blamed for what nobody asked for."""
    form, spoken = recipe.form_of(world), 0
    for number in range(20):
        drawn = recipe.talks(Random(number), world, form)
        assert 1 <= len(drawn) <= 2
        for texts, labels in drawn:
            assert texts and all(texts)
            for name, size in form.sizes.items():
                assert labels[name].shape == ((len(form.things),) if name in form.of_thing else ())
                assert ((labels[name] >= -1) & (labels[name] <= size)).all()
                spoken += int((labels[name] < size).sum())
    assert spoken > 40


def test_claims_fill_in_the_form_and_what_they_contradict_is_left_open(recipe):
    from eval.attributes import Claim
    from gpt_video.diorama.scene import Scene, Subject

    form = recipe.form_of("wide")
    scene = Scene((Subject("cat", "red"), Subject("ball", "blue")), place="snow", world="wide")
    cat, ball = form.things.index("cat"), form.things.index("ball")
    claims = [
        Claim("kind", "cat"),
        Claim("count", "1"),
        Claim("colour", "red"),
        Claim("absent", "dog"),
        Claim("place", "snow"),
    ]
    labels = recipe.words_labels(scene, claims, form)
    assert (labels[COUNT][cat], labels[COUNT][form.things.index("dog")]) == (1, 0)
    assert form.of_thing["colour"][labels["colour"][cat]] == "red"
    assert form.of_scene["place"][labels["place"]] == "snow"
    assert labels["colour"][ball] == len(form.of_thing["colour"]) and labels["time"] == len(form.of_scene["time"])
    twice = recipe.words_labels(replace(scene, subjects=(Subject("cat", "red"), Subject("cat", "blue"))),
                                [Claim("colour", "red"), Claim("colour", "blue", 1)], form)  # fmt: skip
    assert twice["colour"][cat] == -1


def test_the_recipe_gives_a_model_its_critic_and_goes_on_where_it_stopped(recipe, tmp_path, monkeypatch):
    for name, value in {"BLOCK": 6, "HELD_BLOCKS": 1, "HELD_TALKS": 6, "ROWS": 8}.items():
        monkeypatch.setattr(recipe, name, value)
    bundle, out = make_bundle(tmp_path / "bundle"), tmp_path / "out"
    words = ["--model", str(bundle), "--out", str(out), "--stills", "12", "--workers", "1", "--candidates", "3"]
    recipe.main([*words, "--steps", "2"])
    files = {path.name: path.stat().st_mtime_ns for path in (out / "stills").iterdir()}
    assert sorted(files) == ["held-00000.npz", "seen-00000.npz", "seen-00001.npz"]
    found = recipe.main([*words, "--steps", "4"])
    right = {name for part in ("picture", "words") for name in found[part]["right of held-out scenes"]}
    assert {path.name: path.stat().st_mtime_ns for path in (out / "stills").iterdir()} == files
    assert {"kind seen", "colour seen", "colour said", "place not said"} <= right
    made = load_bundle(out / "bundle", dtype=torch.float32, device="cpu")
    assert made.settings.candidates == 3 and made.critic is not None
    assert json.loads((out / "bundle" / "training_data.json").read_text())["critic"]["words"]["steps"] == 4
    video = VideoGenerator(made).generate(RED)
    assert video.request.candidates == 3
    # What an uninterrupted run of as many steps gives.
    recipe.main([*words, "--steps", "4", "--out", str(tmp_path / "whole")])
    whole = load_bundle(tmp_path / "whole" / "bundle", dtype=torch.float32, device="cpu")
    for mine, theirs in zip(made.critic.parameters(), whole.critic.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=2e-2)
