"""DioramaBench: the same questions for everybody; damage of every known kind costs what it should; a cut run loses nothing.

The judge here reads what the generator wrote into the pixels (painted_scenes.py), so that a test knows which number must see what.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("scipy", reason="scipy is in the extra `eval`")

from eval.attributes import claims
from eval.diorama_bench import DioramaBench
from eval.generators import WAYS, Ask, Made, ModelGenerator, RenderGenerator, Worse
from eval.judge import Judge
from eval.judge_net import JudgeConfig, JudgeNet
from eval.protocol import compare
from eval.suite import Form, Suite, build_suite
from eval.unaffected import UnaffectedRegion
from gpt_video.diorama.render import Renderer, RendererUnavailable
from tests.painted_scenes import ReadingJudge, SpellingGenerator

pytest_plugins = ["tests.bundle_fixture"]
SUITE = build_suite(Form(scenes=14, conversations=6, turns=3, renders=0))
MOTION = ("action", "direction", "speed")


def scenes_of(suite: Suite) -> list:
    scenes = [prompt.scene for prompt in suite.prompts]
    for talk in suite.conversations:
        scenes += [talk.scene, *(step.edit.scene_after for step in talk.steps)]
    return list(dict.fromkeys(scenes))


SCENES = scenes_of(SUITE)


def scores(generator, tmp_path, suite: Suite = SUITE) -> dict[str, float]:
    found = DioramaBench(suite, ReadingJudge(SCENES), generator, tmp_path).run()
    return {score.name: score.value for score in found}


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> dict[str, float]:
    return scores(SpellingGenerator(SCENES), tmp_path_factory.mktemp("good"))


def test_the_same_suite_for_everybody_and_another_hash_for_another():
    assert build_suite("short").hash == build_suite("short").hash
    assert len({build_suite("short").hash, build_suite("short", seed=1).hash, SUITE.hash}) == 3
    with pytest.raises(ValueError, match="short, long"):
        build_suite("tiny")


def test_the_short_form_is_a_hundred_prompts_in_pairs_and_twenty_conversations():
    suite = build_suite("short")
    assert len(suite.prompts) == 100 and sum(not talk.rendered for talk in suite.conversations) == 20
    assert all(len(talk.steps) == 2 for talk in suite.conversations if not talk.rendered)
    for english, french in zip(suite.prompts[::2], suite.prompts[1::2], strict=True):
        assert (english.language, french.language) == ("en", "fr")
        assert english.scene == french.scene and english.claims == french.claims and english.text != french.text
        assert set(english.claims) <= set(claims(english.scene)) and english.claims


def test_a_suite_of_the_wide_world_asks_for_what_it_adds_and_a_perfect_generator_gets_it_right(tmp_path):
    suite = build_suite(Form(20, 8, 3, 0), world="wide")
    assert suite.world == "wide" and suite.hash != build_suite(Form(20, 8, 3, 0)).hash
    claimed = {claim.attribute for prompt in suite.prompts for claim in prompt.claims}
    assert claimed >= {"weather", "style", "activity", "camera"}
    assert all(set(prompt.claims) <= set(claims(prompt.scene)) and prompt.claims for prompt in suite.prompts)
    scenes = scenes_of(suite)
    found = DioramaBench(suite, ReadingJudge(scenes), SpellingGenerator(scenes), tmp_path).run()
    shares = {score.name: score.value for score in found if "minus" not in score.name}
    assert {"weather", "style", "activity", "edit done", "attributes kept"} <= shares.keys()
    assert all(value == 1 for value in shares.values()), shares


def test_a_judge_of_another_world_is_refused(tmp_path):
    suite = build_suite(Form(1, 0, 1, 0), world="wide")
    with pytest.raises(ValueError, match="world wide, and the judge knows core"):
        DioramaBench(suite, ReadingJudge(SCENES), SpellingGenerator(SCENES), tmp_path)
    with pytest.raises(ValueError, match="core, wide"):
        build_suite("short", world="flat")


def test_a_perfect_generator_gets_everything_right(good):
    shares = {name: value for name, value in good.items() if "minus" not in name}
    assert {"attributes right", "edit done, edit 1", "edit done, edit 2", "attributes kept", "colour"} <= shares.keys()
    assert all(value == 1 for value in shares.values()), shares
    assert good["French minus English"] == 0


@pytest.mark.parametrize("way", [*WAYS, "wrong words"])
def test_a_worse_generator_is_ranked_below_and_only_where_its_damage_shows(good, tmp_path, way: str):
    worse = scores(Worse(SpellingGenerator(SCENES), way), tmp_path)
    assert worse["attributes right"] < good["attributes right"]
    seen = {name for name in (*MOTION, "colour", "place", "kind") if worse.get(name, 1) < 1}
    if way in ("shuffled", "frozen"):  # a frame still shows what is there
        assert "action" in seen and seen <= set(MOTION)
    else:
        assert {"kind", "colour", "place"} <= seen
    # What an edit leaves alone stays as it was judged, also when everything is wrong: kept says nothing without done.
    assert worse["edit done"] < 1


def test_the_judges_accuracy_travels_with_every_number_and_a_weak_attribute_is_shown_but_not_averaged(tmp_path):
    judge = ReadingJudge(SCENES)
    judge.ceiling = judge.ceiling | {"speed": 0.6, "colour": 0.9}
    found = {score.name: score for score in DioramaBench(SUITE, judge, SpellingGenerator(SCENES), tmp_path).run()}
    assert found["speed"].ceiling == 0.6 and "not in any mean" in found["speed"].note
    assert found["colour"].ceiling == 0.9 and not found["colour"].note
    assert 0.9 < found["attributes right"].ceiling < 1
    assert all(score.protocol.reference_sha256 == SUITE.hash for score in found.values())
    assert all(score.interval is not None or "one scene" in score.note for score in found.values())


class Stops(SpellingGenerator):
    """Fails after some videos, as a run that is cut off does."""

    def __init__(self, scenes, after: int):
        super().__init__(scenes)
        self.after = after

    def make(self, asks: Sequence[Ask]) -> list[Made]:
        if self.asked + len(asks) > self.after:
            raise KeyboardInterrupt
        return super().make(list(asks))


def test_a_cut_run_goes_on_and_asks_for_nothing_twice(good, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        scores(Stops(SCENES, after=30), tmp_path)
    before = len((tmp_path / "records.jsonl").read_text().splitlines()) - 1
    rest = SpellingGenerator(SCENES)
    progress = []
    bench = DioramaBench(SUITE, ReadingJudge(SCENES), rest, tmp_path)
    again = bench.run(lambda done, total: progress.append((done, total)))
    assert {score.name: score.value for score in again} == good
    assert before > 0 and rest.asked == 28 + 18 - before
    assert progress[0][0] == before and progress[-1] == (28 + 18, 28 + 18)


def test_records_of_another_run_are_not_mixed_in(tmp_path):
    scores(SpellingGenerator(SCENES), tmp_path)
    other = SpellingGenerator(SCENES)
    other.sha256 = "another model"
    with pytest.raises(ValueError, match="another folder"):
        DioramaBench(SUITE, ReadingJudge(SCENES), other, tmp_path)


def test_numbers_of_two_suites_are_not_compared(tmp_path):
    small = build_suite(Form(3, 0, 1, 0))
    a = DioramaBench(SUITE, ReadingJudge(SCENES), SpellingGenerator(SCENES), tmp_path / "a").run()
    b = DioramaBench(small, ReadingJudge(SCENES), SpellingGenerator(SCENES), tmp_path / "b").run()
    colour = [next(score for score in found if score.name == "colour") for found in (a, b)]
    with pytest.raises(ValueError, match="reference_sha256"):
        compare(*colour)


def test_every_prompt_and_turn_has_its_record(tmp_path):
    scores(SpellingGenerator(SCENES), tmp_path)
    header, *records = map(json.loads, (tmp_path / "records.jsonl").read_text("utf-8").splitlines())
    assert header["suite"] == SUITE.hash
    assert len({record["key"] for record in records}) == len(records) == 28 + 18
    assert all({"text", "language", "scene"} <= record.keys() for record in records)


def test_a_model_is_asked_for_its_own_earlier_videos(tiny_generator, tmp_path):
    """The real generator, with random weights: every path is taken, the numbers are what they are."""
    suite = build_suite(Form(1, 1, 2, 0), frames=9)
    sized = [talk.__class__(**{**vars(talk), "size": (32, 32)}) for talk in suite.conversations]
    prompts = [prompt.__class__(**{**vars(prompt), "size": (32, 32)}) for prompt in suite.prompts]
    judge = Judge(JudgeNet(JudgeConfig(8, 8, 8, 8, 8)), {"accuracy": dict.fromkeys(ReadingJudge.ceiling, 1.0)})
    bench = DioramaBench(
        Suite("own", tuple(prompts), tuple(sized)), judge, ModelGenerator(tiny_generator), tmp_path, keep_clips=True
    )
    found = bench.run()
    assert found and len(list((tmp_path / "clips").glob("*.mp4"))) == 4
    given = ModelGenerator(tiny_generator).given(np.zeros((9, 32, 32, 3), np.uint8), "a dog")
    assert given.frames_THWC.shape == (9, 32, 32, 3) and given.turn.codes_thw.shape == (3, 2, 2)


def test_an_unknown_way_to_be_worse_is_an_error():
    with pytest.raises(ValueError, match="wrong words"):
        Worse(SpellingGenerator(SCENES), "louder")


@pytest.fixture
def gl():
    try:
        Renderer(32, 32)
    except RendererUnavailable as error:
        pytest.skip(f"no GL back end for MuJoCo: {error}")


@pytest.fixture
def one_render() -> Suite:
    suite = build_suite(Form(0, 0, 1, 3), frames=5)
    talks = [talk.__class__(**{**vars(talk), "size": (64, 64)}) for talk in suite.conversations]
    return Suite("own", (), tuple(talks))


def test_the_renderer_keeps_every_pixel_that_an_edit_leaves_alone(gl, one_render, tmp_path):
    judge = Judge(JudgeNet(JudgeConfig(8, 8, 8, 8, 8)), {"accuracy": dict.fromkeys(ReadingJudge.ceiling, 1.0)})
    perfect = DioramaBench(one_render, judge, RenderGenerator(), tmp_path / "a").run()
    noisy = DioramaBench(one_render, judge, Worse(RenderGenerator(), "noise"), tmp_path / "b").run()
    kept = [next(score for score in found if score.name == "pixels kept (dB)") for found in (perfect, noisy)]
    assert kept[0].value > 45 and kept[1].value < 15 and kept[0].ceiling == kept[0].value


def test_what_changes_is_not_in_the_region_that_must_stay(gl, one_render):
    talk = one_render.conversations[0]
    region = UnaffectedRegion.of(talk.steps[0].edit, talk.size)
    after = Renderer(*talk.size).render(talk.steps[0].edit.scene_after)
    index = talk.steps[0].edit.index + (talk.steps[0].edit.attribute != "remove")
    assert 0.1 < region.share < 1
    if talk.steps[0].edit.attribute != "remove":
        assert not (region.kept_THW & (after.masks_THW == index)).any()
    assert region.psnr(after.frames_THWC, after.frames_THWC) == 50
    assert region.psnr(after.frames_THWC, after.frames_THWC[:, :32]) is None
