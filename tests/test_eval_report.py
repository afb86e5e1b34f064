"""Results on disk, two of them side by side, and the pages as a person sees them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from eval.intervals import Difference
from eval.plots import Line, bar, domain_of, lines, number, strip, symmetric
from eval.protocol import Protocol, Score
from eval.report import write_comparison, write_report
from eval.results import Results, pair, paired_difference, rows_behind, to_csv
from tests.fake_results import HOSTILE, fake_results

pytest_plugins = ["tests.chromium"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Results, Path]:
    out = tmp_path_factory.mktemp("a") / "run"
    results = fake_results(out)
    results.save(out)
    return results, out


@pytest.fixture(scope="module")
def better(tmp_path_factory) -> tuple[Results, Path]:
    out = tmp_path_factory.mktemp("b") / "run"
    results = fake_results(out, seed=1, skill=0.95)
    results.save(out)
    return results, out


# ---------------------------------------------------------------------------------------------------- on disk


def test_results_survive_the_disk(run):
    results, out = run
    again = Results.load(out)
    assert [score.to_dict() for score in again.scores] == [score.to_dict() for score in results.scores]
    assert again.parts == results.parts and again.skipped == results.skipped and again.curves == results.curves
    assert to_csv(again.rows) == to_csv(results.rows)
    assert not list(out.glob(".*"))


def test_every_prompt_and_turn_has_a_row(run):
    results, _ = run
    assert len(rows_behind("attributes right", results.rows)) == 16
    assert len(rows_behind("edit done", results.rows)) == 20
    assert len(rows_behind("edit done, edit 2", results.rows)) == 4
    assert rows_behind("edit done, of renders", results.rows) == []
    for name in ("attributes right", "edit done", "attributes kept, edit 3"):
        column = name.partition(", ")[0]
        values = [row[column] for row in rows_behind(name, results.rows)]
        assert sum(values) / len(values) == pytest.approx(results.score(name).value)


@pytest.mark.parametrize("damage", ["", "{}", '{"format": 99}', "[1]"])
def test_what_is_no_result_is_a_clear_error(tmp_path, damage):
    (tmp_path / "results.json").write_text(damage)
    with pytest.raises(ValueError, match="holds no results"):
        Results.load(tmp_path)


def test_a_score_that_was_changed_by_hand_is_noticed(run, tmp_path):
    record = json.loads((run[1] / "results.json").read_text())
    record["scores"][0]["protocol"]["fps"] = 30
    (tmp_path / "results.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="changed by hand"):
        Results.load(tmp_path)


# ------------------------------------------------------------------------------------------------ two of them


def test_a_run_against_itself_shows_no_difference(run):
    results, _ = run
    assert {one.verdict for one in pair(results, results)} == {"neither"}
    assert paired_difference("attributes right", results.rows, results.rows).value == 0


def test_the_better_run_is_ahead_prompt_by_prompt(run, better):
    found = {one.comparison.a.name: one for one in pair(run[0], better[0])}
    assert found["attributes right"].verdict == "b" and found["attributes right"].difference.n == 16
    assert found["drift of colour"].difference is None  # no prompt has a value of its own
    few = found["attributes kept, edit 2"]
    assert (few.difference.n, few.verdict) == (4, "neither")  # too few scenes to name a winner, whatever their interval
    swapped = {one.comparison.a.name: one for one in pair(better[0], run[0])}
    assert swapped["attributes right"].verdict == "a"
    assert swapped["attributes right"].difference.value == pytest.approx(-found["attributes right"].difference.value)


def test_where_lower_is_better_the_lower_one_is_ahead(run):
    one = pair(run[0], run[0])[0]
    lower = replace(one.comparison, a=replace(one.comparison.a, higher_is_better=False))
    assert replace(one, comparison=lower, difference=Difference(1.0, 9, "", (0.5, 1.5))).verdict == "a"
    assert replace(one, comparison=lower, difference=Difference(-1.0, 9, "", (-1.5, -0.5))).verdict == "b"


def test_other_protocols_and_other_scores_are_refused(run, better):
    changed = tuple(replace(s, protocol=replace(s.protocol, fps=30.0)) for s in better[0].scores)
    with pytest.raises(ValueError, match="fps is None against 30"):
        pair(run[0], replace(better[0], scores=changed))
    with pytest.raises(ValueError, match="no score in common"):
        pair(run[0], replace(better[0], scores=()))


# ------------------------------------------------------------------------------------------------------ plots


def score(value: float, low: float, high: float, **more) -> Score:
    return Score("x", value, 5, Protocol("diorama-bench short", n=5), True, (low, high), "a way", **more)


def test_marks_stand_where_the_numbers_are():
    picture = strip(score(0.5, 0.25, 0.75, ceiling=0.9, floor=0.1), (0.0, 1.0))
    assert 'cx="50.00%"' in picture and 'x1="25.00%" x2="75.00%"' in picture
    assert 'class="ceiling" x1="90.00%"' in picture and 'class="floor" x1="10.00%"' in picture
    assert 'class="fill pale"' in bar(score(0.5, 0.2, 0.7), counts=False)


@pytest.mark.parametrize("values", [(-0.2, -0.3, 0.1), (0.0, 0.0, 0.0), (1200.0, 900.0, 1500.0)])
def test_a_domain_holds_every_number(values):
    low, high = domain_of([Score("y", values[0], 5, Protocol("p", n=5), True, values[1:], "a way")])
    assert low <= min(values) and max(values) <= high and low < high
    assert symmetric([]) == (-1.0, 1.0)


def test_numbers_are_short():
    assert [number(0.713, True), number(12345.6), number(0.01234)] == ["71.3\u00a0%", "12346", "0.01234"]


def test_a_constant_curve_can_be_drawn():
    assert "<path" in lines([Line("zero", [0.0, 0.0])], ["a", "b"], (0.0, 1.0))


# ------------------------------------------------------------------------------------------------------ pages


def test_the_page_stands_alone_and_is_small(run):
    results, out = run
    text = write_report(results, out).read_text("utf-8")
    assert len(text) < 3e6 and text.count("data:video/mp4") > 12
    assert not re.search(r"""(?:src|href)=["'](?!data:)|url\(|@import|https?://""", text)
    assert HOSTILE not in text and "&lt;script&gt;document.title" in text and "secret" not in text


def test_a_missing_video_is_said_and_no_error(run, tmp_path):
    assert "cannot be read" in write_report(run[0], tmp_path).read_text("utf-8")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_person_reads_the_report(run, better, chromium, tmp_path, width, scheme):
    page = chromium.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on(
        "request",
        lambda request: trouble.append(request.url) if not request.url.startswith(("file:", "data:")) else None,
    )
    page.goto(write_report(*run).as_uri())
    assert page.title() == "Evaluation of model 0"
    page.wait_for_function("[...document.querySelectorAll('video')].every(v => v.readyState >= 2 && v.videoWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth") == width  # nothing sticks out sideways
    for words in (
        "Attribute by attribute",
        "Edit after edit",
        "noise floor",
        "not in any mean",
        "copies: the copy check",
    ):
        assert page.get_by_text(words).first.is_visible(), words
    assert page.locator("svg[role=img]").first.get_attribute("aria-label").startswith("attributes right")
    write_comparison(run[0], better[0], run[1], better[1], tmp_path / "both.html")
    page.goto((tmp_path / "both.html").as_uri())
    assert page.get_by_text("b is better").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert trouble == []
    page.close()
