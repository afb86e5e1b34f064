"""A blind page on which votes are really cast, what it must not tell, and what the votes say."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from eval.preference import CHECK, write_page
from eval.votes import Vote, read_votes, strengths
from tests.fake_results import HOSTILE, fake_results
from tests.moving_shapes import video
from tokenizer.video import write_video

pytest_plugins = ["tests.chromium"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    base = tmp_path_factory.mktemp("systems")
    for system in (0, 1):
        folder = base / f"model-{'ab'[system]}" / "clips"
        folder.mkdir(parents=True)
        for number in range(4):
            words = {"prompt": HOSTILE if number == 0 else f"square {number}"}
            write_video(folder / f"{number}.mp4", video(10 * system + number), 8.0, metadata=words)
    return [base / f"model-{letter}" / "clips" for letter in "ab"]


def votes_of(winner: float, n: int = 60, voters: int = 6, seed: int = 0) -> list[Vote]:
    rng = np.random.default_rng(seed)
    return [Vote(f"v{i % voters}", f"p{i // voters}", "a", "b", float(rng.random() < winner), "left") for i in range(n)]


def test_the_page_does_not_tell_whose_a_video_is(folders, tmp_path):
    key = write_page(folders, tmp_path / "votes.html", pairs=4, checks=2, seed=1)
    text, record = (tmp_path / "votes.html").read_text("utf-8"), json.loads(key.read_text("utf-8"))
    assert record["systems"] == ["model-a", "model-b"] and len(record["pairs"]) == 6
    data = re.findall('(?s)<script type="application/json" id="data">(.*?)</script>', text)[0]
    assert "model-" not in text and CHECK not in data
    assert HOSTILE in {pair["prompt"] for pair in json.loads(data)["pairs"]} and HOSTILE not in text
    assert sum(known["a"] == CHECK for known in record["pairs"].values()) == 2
    assert all(
        (known["videos"][0] == known["videos"][1]) == (known["a"] == CHECK) for known in record["pairs"].values()
    )


def test_of_two_runs_the_prompts_are_shown_and_no_edits(tmp_path):
    for name in ("one", "two"):
        fake_results(tmp_path / name, prompts=3, talks=2).save(tmp_path / name)
    key = write_page([tmp_path / "one", tmp_path / "two"], tmp_path / "votes.html", checks=0)
    known = json.loads(key.read_text("utf-8"))["pairs"].values()
    assert sorted(pair["prompt"] for pair in known) == [f"prompt-000{n}-en" for n in range(3)]


def test_folders_that_cannot_be_compared_are_a_clear_error(folders, tmp_path):
    with pytest.raises(ValueError, match="two folders"):
        write_page(folders[:1], tmp_path / "votes.html")
    with pytest.raises(ValueError, match="two folders"):
        write_page([folders[0], folders[0]], tmp_path / "votes.html")
    (tmp_path / "other").mkdir()
    write_video(tmp_path / "other" / "unheard_of.mp4", video(1), 8.0)
    with pytest.raises(ValueError, match="share no file name"):
        write_page([folders[0], tmp_path / "other"], tmp_path / "votes.html")
    assert list(tmp_path.glob("*.html")) == []


def test_two_systems_have_the_closed_form():
    votes = [Vote("v", f"p{i}", "a", "b", score, "") for i, score in enumerate([1, 1, 1, 1, 1, 1, 0, 0, 0.5, 0.5])]
    found = {one.system: one for one in strengths(votes, resamples=20).strengths}
    expected = 400 * math.log10((7 + 0.5) / (3 + 0.5))  # wins of b and of a, and the prior
    assert found["b"].points.value - found["a"].points.value == pytest.approx(expected, abs=0.01)
    assert found["b"].share == pytest.approx(0.7) and found["a"].share == pytest.approx(0.3)


def test_three_systems_fulfil_the_equation_of_the_likelihood():
    rng = np.random.default_rng(0)
    truth = {"a": 0.0, "b": 1.0, "c": 2.0}
    votes = []
    for i in range(900):
        x, y = rng.permutation(list(truth))[:2]
        won = rng.random() < 1 / (1 + math.exp(truth[x] - truth[y]))
        votes.append(Vote(f"v{i % 9}", f"p{i % 50}", x, y, float(won), ""))
    found = strengths(votes, resamples=100).strengths
    assert [one.system for one in found] == ["c", "b", "a"]
    points = {one.system: one.points.value for one in found}
    assert sum(points.values()) == pytest.approx(0, abs=1e-6)
    assert points["c"] - points["a"] == pytest.approx(2 * 400 / math.log(10), rel=0.15)
    assert all(one.points.low <= one.points.value <= one.points.high for one in found)


def test_equal_systems_are_not_told_apart_and_unequal_ones_are():
    equal = strengths(votes_of(0.5), resamples=200).strengths
    assert equal[0].points.low < 0 < equal[0].points.high
    clear = strengths(votes_of(0.9), resamples=200).strengths
    assert clear[0].system == "b" and clear[0].points.low > 0
    assert "6 voters and 10 prompts" in clear[0].points.method


def test_a_system_that_wins_every_vote_has_a_finite_score():
    assert all(math.isfinite(x) for one in strengths(votes_of(1.0), resamples=50).strengths for x in one.points.bounds)


def test_voters_who_see_a_difference_in_copies_are_left_out():
    checks = [Vote("v0", "p0", CHECK, CHECK, 1.0, "right"), Vote("v1", "p0", CHECK, CHECK, 0.5, "both bad")]
    found = strengths([*votes_of(0.5), *checks], resamples=20)
    assert found.left_out == ("v0",) and found.votes == 50 and found.voters == 5
    with pytest.raises(ValueError, match="no vote is left"):
        strengths(checks)


def test_votes_of_another_page_and_wrong_votes_are_errors_and_torn_lines_are_counted(folders, tmp_path):
    key = write_page(folders, tmp_path / "votes.html", pairs=2, checks=0)
    record = json.loads(key.read_text("utf-8"))
    pair, known = next(iter(record["pairs"].items()))
    left, right = known["videos"]
    vote = {"page": record["page"], "voter": "x", "pair": pair, "left": right, "right": left, "choice": "left"}
    file = tmp_path / "v.jsonl"
    file.write_text(json.dumps(vote | {"choice": "tie"}) + "\n" + json.dumps(vote) + "\n" + '{"page": "to')
    votes, torn = read_votes([file], key)
    assert torn == 1 and len(votes) == 1 and votes[0].score == 1.0  # the last one counts, and b stood on the left
    for wrong in ({"page": "other"}, {"pair": "none"}, {"choice": "up"}, {"left": left}):
        file.write_text(json.dumps(vote | wrong))
        with pytest.raises(ValueError, match=r"v\.jsonl, line 1"):
            read_votes([file], key)
    with pytest.raises(ValueError, match="no key"):
        read_votes([file], file)


@pytest.mark.browser
def test_a_person_votes_and_the_votes_are_read_back(folders, chromium, tmp_path, monkeypatch):
    falling = iter(range(99_999_999, 0, -1))  # codes of digits alone, which a browser's objects would list by size
    monkeypatch.setattr("eval.preference.secrets.token_hex", lambda _: str(next(falling)))
    key = write_page(folders, tmp_path / "votes.html", pairs=4, checks=1, seed=3)
    record = json.loads(key.read_text("utf-8"))
    page = chromium.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.goto((tmp_path / "votes.html").as_uri() + "#voter=anna")
    page.wait_for_function("[...document.querySelectorAll('video')].every(v => v.videoWidth > 0)")
    assert page.get_by_text("Pair 1 of 5").is_visible() and page.title() == "Which video is better?"
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="No difference").click()
    page.keyboard.press("x")
    page.keyboard.press("Backspace")
    page.get_by_role("button", name="Right is better").click()  # changed my mind
    page.reload()
    assert page.get_by_text("Pair 4 of 5").is_visible()  # votes outlive a reload
    page.get_by_role("button", name="The left video is better").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.keyboard.press("ArrowDown")
    assert page.get_by_text("That was the last pair").is_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save my votes").click()
    download.value.save_as(tmp_path / "anna.jsonl")
    assert download.value.suggested_filename.endswith("-anna.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "anna.jsonl").read_text("utf-8").splitlines()]
    assert [line["choice"] for line in lines] == ["left", "tie", "right", "left", "tie"]
    votes, torn = read_votes([tmp_path / "anna.jsonl"], key)
    assert torn == 0 and {vote.voter for vote in votes} == {"anna"}
    for line, vote in zip(lines, votes, strict=True):
        known = record["pairs"][line["pair"]]
        chosen = {"left": line["left"], "right": line["right"]}.get(line["choice"])
        assert vote.score == (0.5 if chosen is None else float(known["videos"].index(chosen)))
    sides = {line["pair"]: line["left"] for line in lines}
    turned = page.evaluate("data.pairs.map(p => { memory.voter = 'ben'; return [p.id, order(p)[0]]; })")
    assert any(sides[pair] != left for pair, left in turned)  # another voter has other sides
    assert trouble == []
    page.close()
