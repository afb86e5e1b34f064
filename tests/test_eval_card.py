"""The table of a model card, and what the judge recognises of reconstructions."""

from __future__ import annotations

import numpy as np
import pytest

from eval.card import BEGIN, END, write_cards
from eval.protocol import Protocol
from eval.reconstructions import Pair, reconstruction_scores
from eval.suite import Form, build_suite
from gpt_video.bundle import check_sums, write_sums
from tests.fake_results import fake_results
from tests.painted_scenes import ReadingJudge, SpellingGenerator


def test_the_table_replaces_the_old_one_and_nothing_else(tmp_path, monkeypatch):
    results = fake_results(tmp_path / "run")
    card = tmp_path / "model" / "MODEL_CARD.md"
    card.parent.mkdir()
    card.write_text(f"above\n{BEGIN}\nold numbers \\1\n{END}\nbelow\n")
    monkeypatch.setattr("gpt_video.bundle.REQUIRED", ())
    write_sums(card.parent)
    write_cards(results, [card], "gpt-video eval")
    text = card.read_text()
    assert text.startswith(f"above\n{BEGIN}\n") and text.endswith(f"{END}\nbelow\n") and "old numbers" not in text
    assert text.count("\n| ") == 1 + len(results.scores)
    for score in results.scores:
        assert f"| {score.name}" in text
    check_sums(card.parent)  # the model's folder still knows its files
    write_cards(results, [card], "gpt-video eval")
    assert card.read_text() == text


def test_a_card_without_a_place_changes_no_card(tmp_path):
    results = fake_results(tmp_path / "run")
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text(f"{BEGIN}\n{END}\n")
    bad.write_text("no marks")
    with pytest.raises(ValueError, match="no place for scores"):
        write_cards(results, [good, bad], "gpt-video eval")
    with pytest.raises(ValueError, match="there is no card"):
        write_cards(results, [good, tmp_path / "nowhere.md"], "gpt-video eval")
    assert good.read_text() == f"{BEGIN}\n{END}\n"


def test_reconstructions_are_scored_beside_their_renders():
    scenes = [prompt.scene for prompt in build_suite(Form(6, 0, 1, 0), frames=9).prompts[::2]]
    judge, maker = ReadingJudge(scenes), SpellingGenerator(scenes)
    drawn = [maker.spell(scene) for scene in scenes]
    perfect = reconstruction_scores(map(Pair, scenes, drawn, drawn), judge, Protocol("judge on reconstructions"))
    assert {score.name for score in perfect} == {f"{n} on reconstructions" for n in ("kind", "colour", "attributes")}
    assert all(score.value == score.ceiling == 1.0 and score.n == 6 for score in perfect)
    grey = [np.full_like(frames, 128) for frames in drawn]
    lost = reconstruction_scores(map(Pair, scenes, drawn, grey), judge, Protocol("judge on reconstructions"))
    assert {s.name: s.value for s in lost}["kind on reconstructions"] == 0.0 and all(s.ceiling == 1.0 for s in lost)
    with pytest.raises(ValueError, match="no scene"):
        reconstruction_scores([], judge, Protocol("judge on reconstructions"))
