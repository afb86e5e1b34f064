"""The recipe that rates the model's own videos: what a rating is, which pairs it keeps, and that it goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from eval import suite
from eval.attributes import NAMES
from eval.judge import Judgement
from eval.rating import rating, talk
from gpt_video.bundle import load_bundle
from gpt_video.generate import VideoGenerator
from gpt_video.preference import read_pairs
from tests.painted_scenes import truth
from tests.recipes import loaded
from tests.tiny_model import make_bundle

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def recipe():
    """The recipe as a module."""
    with loaded("self_rated") as module:
        yield module


@pytest.mark.parametrize("world", ["core", "wide"])
def test_what_shows_all_that_was_said_and_keeps_the_rest_has_the_highest_rating(world) -> None:
    lower = 0
    for number in range(12):
        first, edit = talk(number, 2, world).steps
        before, after = (Judgement(truth(step.scene)) for step in (first, edit))
        assert rating(NAMES, first, None, before) == pytest.approx(1)
        ideal = rating(NAMES, edit, (before, first.scene), after)
        unchanged = rating(NAMES, edit, (before, first.scene), before)
        assert ideal == pytest.approx(2, abs=0.15)  # an edit may hide what was seen before
        assert unchanged <= ideal
        lower += unchanged < ideal - 0.15
    assert lower > 9


def test_conversations_are_of_what_training_may_show_and_a_function_of_their_number() -> None:
    from gpt_video.diorama.sample import has_held_out

    talks = [talk(number, 3, "wide") for number in range(30)]
    assert not any(has_held_out(step.scene) for one in talks for step in one.steps)
    assert talks == [talk(number, 3, "wide") for number in range(30)]
    assert len({one.steps[0].text for one in talks}) == 30


def test_pairs_are_written_once_and_are_what_preference_training_reads(recipe, tmp_path: Path, monkeypatch) -> None:
    # The tiny model's words are short pieces, so captions must be short.
    monkeypatch.setattr(suite, "captions", lambda scene, *_: [f"a {scene.subjects[0].colour} {scene.subjects[0].kind}"])
    bundle, out = make_bundle(tmp_path / "bundle"), tmp_path / "rated"
    words = ["--model", bundle, "--judge", ROOT / "eval" / "weights", "--out", out, "--conversations", 9]
    few = ["--turns", 2, "--candidates", 2, "--margin", 0]
    recipe.main([str(word) for word in [*words, *few]])
    files = sorted(out.glob("*.jsonl"))
    assert [file.name for file in files] == ["pairs-0000000.jsonl", "pairs-0000008.jsonl"]
    texts = [file.read_text("utf-8") for file in files]
    pairs, left_out = read_pairs(files, VideoGenerator(load_bundle(bundle, dtype=torch.float32, device="cpu")))
    assert 14 <= len(pairs) <= 18
    assert not left_out
    files[1].unlink()
    written = files[0].stat().st_mtime_ns
    recipe.main([str(word) for word in [*words, *few]])
    assert files[0].stat().st_mtime_ns == written
    assert [file.read_text("utf-8") for file in files] == texts
    with pytest.raises(ValueError, match="the judge knows the world wide, the model core"):
        recipe.main([str(word) for word in [*words, "--judge", ROOT / "eval" / "weights" / "wide", "--first", 80]])
