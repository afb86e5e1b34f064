"""The recipe that learns from ratings: what is drawn is what becomes likelier, and ratings decide which."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from eval import suite
from gpt_video import sequence
from gpt_video.bundle import load_bundle
from gpt_video.engine import Engine, Sampling
from gpt_video.shards import write_shards
from tests.recipes import loaded
from tests.tiny_model import make_bundle, moving_square

ROOT = Path(__file__).parents[1]
GRID = (3, 2, 2)


@pytest.fixture(scope="module")
def recipe():
    """The recipe as a module."""
    with loaded("rewarded") as module:
        yield module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny bundle."""
    return make_bundle(tmp_path_factory.mktemp("rewarded") / "bundle")


@pytest.fixture
def learner(recipe, folder):
    words = Namespace(model=folder, judge=ROOT / "eval" / "weights", learning_rate=1e-2)
    return recipe.Learner(words)


def prompts(learner, *texts):
    return [learner.prompt([text], [], GRID) for text in texts]


def test_what_is_made_is_what_the_engine_makes(recipe, learner):
    asked = prompts(learner, "a red ball", "make it blue")
    sampling = Sampling(temperature=1e-4, top_p=1.0, guidance_scale=3.0)  # so cold that noise decides nothing
    codes_PCthw = recipe.made(learner.gpt.eval(), learner.vocabulary, asked, 3, GRID, sampling)
    engine = Engine(load_bundle(learner.bundle.folder, dtype=torch.float32, device="cpu").gpt, learner.vocabulary)
    expected_Pthw = torch.stack(list(engine.generate(asked, GRID, sampling, [1, 2])), dim=1)
    assert codes_PCthw.shape == (2, 3, *GRID)
    assert all(torch.equal(codes_PCthw[:, c], expected_Pthw) for c in range(3))


def test_likelihoods_are_those_of_what_is_drawn(recipe, learner):
    asked = prompts(learner, "a red ball")
    sampling = Sampling(temperature=0.7, top_p=1.0, guidance_scale=3.0)
    codes_Bthw = recipe.made(learner.gpt.eval(), learner.vocabulary, asked, 2000, GRID, sampling)[0].flatten(1)
    first, counts = codes_Bthw[:, 0].unique(return_counts=True)
    likeliest = int(first[counts.argmax()])
    row = sequence.append_frames(asked[0], np.full(GRID, likeliest), learner.vocabulary)[:-1]
    rows = [torch.from_numpy(ids_L)[None] for ids_L in (row, sequence.without_words(row, learner.vocabulary))]
    nats_BN = recipe.log_likelihoods(learner.gpt, learner.vocabulary, *rows, int(np.prod(GRID)), sampling)
    assert nats_BN.shape == (1, 12)
    share = float(counts.max()) / 2000
    assert float(nats_BN[0, 0].detach().exp()) == pytest.approx(share, abs=4 * (share / 2000) ** 0.5)


def test_no_gradient_goes_through_what_is_read_without_words(recipe, learner):
    row = sequence.append_frames(prompts(learner, "at night")[0], np.zeros(GRID, int), learner.vocabulary)[:-1]
    ids_BL = torch.from_numpy(row)[None]
    free_BL = torch.from_numpy(sequence.without_words(row, learner.vocabulary))[None]
    guided, plain = (Sampling(temperature=1.0, top_p=1.0, guidance_scale=scale) for scale in (0.0, 1.0))
    for sampling, moves in ((guided, False), (plain, True)):
        nats_BN = recipe.log_likelihoods(learner.gpt, learner.vocabulary, ids_BL, free_BL, 12, sampling)
        learner.gpt.zero_grad()
        nats_BN.sum().backward()
        assert bool(learner.gpt.model.norm.weight.grad.any()) == moves


def test_a_rating_counts_against_those_of_its_own_question(recipe):
    found = recipe.advantages(np.array([[1.0, 0.0], [2.0, 1.0], [0.5, 0.5], [np.nan, np.nan]]))
    assert found[0].tolist() == found[1].tolist() == [-x for x in found[0][::-1]]
    assert not found[2:].any()
    assert found.std() == pytest.approx(1)
    assert not recipe.advantages(np.ones((3, 4))).any()


def test_what_is_rated_higher_becomes_likelier(recipe, learner):
    torch.manual_seed(0)
    asked, sampling = prompts(learner, "a red ball", "at night"), Sampling(1.0, 0, 1.0, 2.0)
    half = learner.vocabulary.codebook_size // 2

    def low(codes_PCthw):
        return (codes_PCthw < half).double().flatten(2).mean(dim=2).numpy()

    shares = []
    for step in range(12):
        codes_PCthw = recipe.made(learner.drawing(), learner.vocabulary, asked, 16, GRID, sampling)
        shares.append(low(codes_PCthw).mean())
        recipe.set_learning_rate(learner.optimizers, step, 0.0, recipe.WARM_UP)
        learner.step(asked, codes_PCthw, recipe.advantages(low(codes_PCthw)), sampling)
        learner.descend()
    assert shares[0] < 0.6 and np.mean(shares[-2:]) > 0.9


def test_conversations_that_are_made_together_are_alike(recipe, folder):
    encode = load_bundle(folder, dtype=torch.float32, device="cpu").text_tokenizer.encode
    talks = recipe.pool(range(120), "core", lambda text: encode(text)[:20])
    stream = recipe.parcels(talks, 4, seed=0)
    whole = sum(len(some) // 4 for some in talks.values())
    numbers: list[int] = []
    for _ in range(whole):
        alike, some = next(stream)
        assert len(some) == 4 and all(one.size == alike.size for one in some)
        assert all(1 + round(8 * one.seconds) == alike.frames for one in some)
        numbers += [one.number for one in some]
    assert len(set(numbers)) == len(numbers)  # a pass shows each once
    with pytest.raises(ValueError, match="more with --pool"):
        recipe.parcels(talks, 1000, seed=0)


def test_a_run_becomes_a_model(recipe, folder, tmp_path, monkeypatch):
    # The tiny model's words are short pieces, so captions must be short.
    monkeypatch.setattr(suite, "captions", lambda scene, *_: [f"a {scene.subjects[0].colour} {scene.subjects[0].kind}"])
    bundle = load_bundle(folder, dtype=torch.float32, device="cpu")
    write_shards([({"text": "a red ball"}, moving_square(9))], tmp_path / "shards", bundle.video_tokenizer)
    out = tmp_path / "out"
    words = ["--model", folder, "--judge", ROOT / "eval" / "weights", "--shards", tmp_path / "shards", "--out", out]
    few = ["--talks", 2, "--candidates", 2, "--pool", 60, "--tokens-per-batch", 64, "--minutes", 0.001]
    recipe.main([str(word) for word in [*words, *few]])
    made = load_bundle(out / "bundle", dtype=torch.float32, device="cpu")
    assert made.tokenizer_hash == bundle.tokenizer_hash and made.model_hash != bundle.model_hash
    facts = json.loads((out / "bundle" / "training_data.json").read_text("utf-8"))
    told = facts[f"trained on from {bundle.model_hash[:12]}"]
    assert (told["steps"], told["videos"], told["recipe"]) == (2, 8, "recipes/rewarded.py")
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["turn"] for line in lines] == [0, 1] and 0 < lines[0]["rating"] < 1 < 2 * lines[1]["best"]
    with pytest.raises(SystemExit, match="holds a run already"):
        recipe.main([str(word) for word in [*words, *few]])
    other = make_bundle(tmp_path / "other", seed=1)
    elsewhere = ["--model", other, "--out", tmp_path / "elsewhere"]
    for _ in range(2):  # what failed may be tried again in the same folder
        with pytest.raises(ValueError, match="made by another tokenizer"):
            recipe.main([str(word) for word in [*words, *elsewhere, *few]])
    with pytest.raises(SystemExit):
        recipe.main([str(word) for word in [*words, *few, "--candidates", 1]])
    wide = ["--judge", ROOT / "eval" / "weights" / "wide", "--out", tmp_path / "wide"]
    with pytest.raises(ValueError, match="the judge knows the world wide, the model core"):
        recipe.main([str(word) for word in [*words, *wide, *few]])
