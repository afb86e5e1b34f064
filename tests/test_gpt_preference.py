"""Preference training: what people liked becomes likelier, exactly resumed, and what cannot be learnt from is counted."""

from __future__ import annotations

import argparse
import json
import math

import numpy as np
import pytest
import torch

from chat_app.preferences import export_preferences
from gpt_video import preference
from gpt_video.bundle import load_bundle
from gpt_video.files import turn_record
from gpt_video.generate import VideoGenerator
from gpt_video.learning import VideoLoss
from gpt_video.preference import likelihoods, main, read_pairs
from gpt_video.request import GenerateRequest, PastTurn
from tests.chat_versions import Library
from tests.conftest import log_of
from tests.tiny_model import make_bundle
from tokenizer.loop import begin

LIKED, DISLIKED = range(0, 60), range(60, 125)  # codes of the better and of the worse videos


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("model") / "bundle")


@pytest.fixture(scope="module")
def generator(bundle):
    return VideoGenerator(load_bundle(bundle, dtype=torch.float32, device="cpu"))


def video(generator, seed, codes, t=3, prompt="make it blue", action="edit"):
    codes_thw = np.random.default_rng(seed).choice(list(codes), (t, 2, 2))
    turn = turn_record(PastTurn(prompt, action, codes_thw))
    return {"tokenizer": generator.bundle.tokenizer_hash, "turns": [turn]}


def question(number, **more):
    first = PastTurn(f"a red ball {number}", "new", np.full((3, 2, 2), number % 125))
    return {"prompt": "make it blue", "action": "edit", "kept": None, "context": [turn_record(first)], **more}


def pair(generator, number, **more):
    chosen, rejected = video(generator, number, LIKED), video(generator, number + 1000, DISLIKED)
    return {"kind": "pair", **question(number), "chosen": chosen, "rejected": rejected, "same_question": True, **more}


def written(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def run(bundle, generator, tmp_path):
    pairs = written(tmp_path / "pairs.jsonl", [pair(generator, number) for number in range(40)])

    def run(out, *more):
        sizes = ["--steps", 30, "--learning-rate", 2e-3, "--evaluate-every", 10]
        words = ["--pairs", pairs, "--model", bundle, "--out", tmp_path / out, *sizes, *more]
        return main([str(word) for word in words])

    return run


def test_what_was_liked_becomes_likelier_for_questions_it_never_saw_too(run, bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(preference, "LOG_EVERY", 1)
    result = run("out")
    assert result["won"] == 1.0
    assert 1 <= result["of"] < 20
    assert "held-out pairs: the better answer gained more in 100% of" in capsys.readouterr().out
    losses = log_of(tmp_path / "out", "loss")
    assert losses[0] == pytest.approx(math.log(2), abs=1e-3)  # nothing has changed yet
    assert losses[-1] < 0.2
    better, start = load_bundle(tmp_path / "out" / "bundle"), load_bundle(bundle)
    assert better.model_hash != start.model_hash
    assert (better.tokenizer_hash, better.settings) == (start.tokenizer_hash, start.settings)
    [told] = json.loads((better.folder / "training_data.json").read_text())["preferences"]
    assert (told["from"], told["pairs"], told["steps"]) == (start.model_hash, 40, 30)
    made = VideoGenerator(better).generate(GenerateRequest("a red ball", seconds=1, temperature=0.01))
    assert np.isin(made.codes_thw, list(LIKED)).all()


@pytest.mark.parametrize("codes", ["!", "AAAA", "//////////////////////////////8="])
def test_damaged_codes_are_a_sentence(codes, generator, tmp_path):
    record = pair(generator, 1)
    record["chosen"]["turns"][0]["codes"] = codes
    with pytest.raises(ValueError, match=r"p\.jsonl, line 1 is no record of the chat's export .*: export the ratings"):
        read_pairs([written(tmp_path / "p.jsonl", [record])], generator)


def test_few_pairs_are_all_learnt_from_and_the_reader_is_told(generator, bundle, tmp_path, capsys):
    numbers = (n for n in range(100) if int(preference._key(question(n)), 16) % preference.HELD_OUT == 0)
    few = written(tmp_path / "few.jsonl", [pair(generator, next(numbers))])
    result = main(["--pairs", str(few), "--model", str(bundle), "--out", str(tmp_path / "few"), "--steps", "2"])
    assert result["of"] == 1
    assert "no question was held out, so nobody knows what this model learnt" in capsys.readouterr().out


def test_a_run_cut_in_the_middle_ends_where_an_uninterrupted_one_does(run, cut_at):
    straight = run("straight")
    with cut_at(preference, "descend", 15):
        run("cut")
    assert run("cut") == pytest.approx(straight, abs=1e-5)


def test_answers_of_other_lengths_beside_it_do_not_change_a_likelihood(generator, tmp_path):
    records = [pair(generator, 1), pair(generator, 2), pair(generator, 3)]
    records[1]["chosen"] = video(generator, 5, LIKED, t=5)
    records[2]["rejected"] = video(generator, 6, DISLIKED, t=1)
    pairs, left_out = read_pairs([written(tmp_path / "p.jsonl", records)], generator)
    assert len(pairs) == 3
    assert not left_out
    loss_of = VideoLoss(generator.bundle.gpt, generator.bundle.vocabulary)
    _, accelerator = begin(argparse.Namespace(out=tmp_path, seed=0))  # a process has one precision: that of the loops
    with torch.inference_mode():
        together = likelihoods(loss_of, pairs, accelerator)
        alone = torch.cat([likelihoods(loss_of, [one], accelerator) for one in pairs])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-3)
    codes = torch.tensor([[12, 12], [20, 12], [12, 4]])
    assert [[(a.labels_L >= 0).sum() for a in (one.better, one.worse)] for one in pairs] == codes.tolist()


def test_thumbs_up_and_down_on_one_question_are_a_pair_and_the_rest_is_counted(generator, tmp_path):
    def thumb(number, rating, seed):
        return {"kind": "rating", **question(number), "answer": video(generator, seed, LIKED), "rating": rating}

    other = video(generator, 3, LIKED) | {"tokenizer": "of something else"}
    several = video(generator, 3, LIKED)
    several["turns"] *= 2
    odd = video(generator, 3, LIKED, t=4)
    records = [
        *(thumb(1, 1, 1), thumb(1, 1, 2), thumb(1, -1, 3), thumb(2, 1, 4), thumb(3, -1, 5)),
        pair(generator, 4, same_question=False),
        *(pair(generator, 5, chosen=answer) for answer in (other, several, odd)),
    ]
    pairs, left_out = read_pairs([written(tmp_path / "p.jsonl", records)], generator)
    assert len(pairs) == 2
    assert left_out == {
        "answers to different questions": 1,
        "of another tokenizer": 1,
        "of several turns or none": 1,
        "not what this model can make": 1,
    }


def test_what_the_chat_exports_can_be_learnt_from(generator, bundle, tmp_path):
    library = Library.at(tmp_path / "chat")
    conversation = library.store.new_conversation("me").id
    a, b = (library.ask("me", conversation, seed=seed) for seed in (1, 2))
    for _ in range(2):
        library.make_next()
    library.store.prefer("me", a, b, consent=True)
    library.store.rate("me", a, 1, consent=True)
    library.store.rate("me", b, -1, consent=True)
    export_preferences(library.database, tmp_path / "liked.jsonl")
    library.database.close()
    text = (tmp_path / "liked.jsonl").read_text()
    (tmp_path / "liked.jsonl").write_text(text.replace("t" * 16, generator.bundle.tokenizer_hash))
    pairs, left_out = read_pairs([tmp_path / "liked.jsonl"], generator)
    assert len(pairs) == 2
    assert not left_out
    np.testing.assert_array_equal(pairs[0].better.ids_L, pairs[1].better.ids_L)


def test_it_says_when_nothing_was_learnt_that_holds_elsewhere():
    learnt, by_heart = {"won": 0.8, "loss": 0.5, "of": 10}, {"won": 0.6, "loss": 0.77, "of": 87}
    assert preference.verdict(learnt, True) == "held-out pairs: the better answer gained more in 80% of 10"
    assert "60% of 87, but on the whole they are no likelier told apart: give more" in preference.verdict(
        by_heart, True
    )
    assert "no question was held out" in preference.verdict(learnt, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"no pair to learn from; rate two answers to the same question first"),
        ("not JSON", r"line 1 is not JSON: give what the chat exported"),
        ("5", r"line 1 is no record of the chat's export: export"),
        (
            '{"kind": "pair", "same_question": true}',
            r"line 1 is no record of the chat's export.*export the ratings again",
        ),
        ('{"kind": "pair", "same_question": true, "chosen": {}, "rejected": {}}', r"line 1 is no record"),
        ('{"kind": "rating", "rating": 1}\n{"kind": "rating", "rating": -1}', r"line 1 is no record"),
    ],
)
def test_a_file_that_is_no_export_is_a_sentence(text, says, bundle, tmp_path):
    (tmp_path / "p.jsonl").write_text(text + "\n")
    with pytest.raises(ValueError, match=says):
        main(["--pairs", str(tmp_path / "p.jsonl"), "--model", str(bundle), "--out", str(tmp_path / "out")])
