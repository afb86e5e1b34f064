"""`gpt-video eval` as a person uses it: a model, folders, wrong input in one sentence, a run that was cut off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer

from eval import run as eval_run
from eval.clip_score import ClipNetwork, clip_law
from eval.command import register
from eval.feature_set import Sampling
from eval.features import random_extractor
from eval.folder import LONGEST, videos_in
from eval.fvd import preset_of
from eval.generators import trained_world
from eval.instruments import Instruments, LeftOut
from eval.model_parts import (
    PARTS,
    KeepsCodes,
    ModelTask,
    Part,
    _other_scenes,
    run_apart,
    run_bench,
    with_kept_ceiling,
)
from eval.results import APART, Results, rows_behind
from eval.run import Run, measure_model, measure_pair, measure_videos
from eval.sentences import article_suite
from eval.store import weights_of
from eval.suite import Form, build_suite
from gpt_video import cli
from tests.fake_results import fake_results
from tests.moving_shapes import blurred, video
from tests.painted_scenes import ReadingJudge, SpellingGenerator
from tests.tiny_clip import random_clip, tokenizer
from tests.tiny_model import environment
from tests.tiny_model import run as cli_run
from tokenizer.video import write_video


@pytest.fixture(scope="module", autouse=True)
def _registered():
    """The entry point's work, without an installation that knows it."""
    if not any(group.name == "eval" for group in cli.app.registered_groups):
        register(cli.app)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return filled(tmp_path_factory.mktemp("videos") / "made", 0, 4)


def filled(folder: Path, first: int, count: int, change=lambda frames: frames) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        words = {"prompt": f"square {number}"}
        write_video(folder / f"{number:03d}.mp4", change(video(first + number)), 8.0, metadata=words)
    return folder


def random_clip_network() -> ClipNetwork:
    model = random_clip()
    return ClipNetwork(model, tokenizer(), "0" * 64, clip_law(model), "tiny-clip")


# ------------------------------------------------------------------------------------------------------- folders


def test_a_folder_of_videos_gets_numbers_a_table_and_a_page(folder, tmp_path):
    result = cli_run("eval", "--videos", folder, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "motion" in result.out and "N=4" in result.out and result.out.splitlines()[-1].endswith("index.html")
    results = Results.load(tmp_path / "out")
    assert [row["prompt"] for row in results.rows] == [f"square {n}" for n in range(4)]
    value = np.mean([row["motion"] for row in results.rows])
    assert results.score("motion").value == pytest.approx(value)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "results.json",
        "per_prompt.csv",
        "index.html",
        "parts",
    }


def test_a_finished_part_is_not_measured_again(folder, tmp_path, monkeypatch):
    measure_videos(folder, tmp_path)
    monkeypatch.setattr(eval_run, "readable", lambda *args: pytest.fail("measured again"))
    assert measure_videos(folder, tmp_path).score("motion").n == 4
    other = filled(tmp_path / "others", 50, 3)
    with pytest.raises(ValueError, match="results of something else"):
        measure_videos(other, tmp_path)


def test_words_are_scored_video_by_video(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(eval_run, "_clip", lambda source: random_clip_network())
    results = measure_videos(folder, tmp_path, clip="tiny")
    name = "tiny-clip score (100 cos)"
    assert {score.name for score in results.scores} >= {name, "motion", "tiny-clip frame consistency"}
    values = [row[name] for row in results.rows]
    assert len(values) == 4 and results.score(name).value in (pytest.approx(np.mean(values)), 0.0)
    assert not (tmp_path / "cache" / "clip").exists()


def test_two_folders_under_a_protocol(tmp_path, monkeypatch):
    real, near = filled(tmp_path / "real", 0, 40), filled(tmp_path / "near", 200, 20)
    far = filled(tmp_path / "far", 200, 20, blurred)
    (near / "torn.mp4").write_bytes(b"no video at all")
    extractor = random_extractor()
    preset = preset_of(extractor, n=64, sampling=Sampling(frames=9))
    monkeypatch.setattr(eval_run, "_protocol", lambda name, weights, size: (preset, extractor))
    found = measure_pair(near, real, tmp_path / "a")
    name = "FD-random-conv3d"
    assert found.score(name).n == 20 and found.score(name).floor is not None
    assert len(found.skipped) == 1 and "torn.mp4" in found.skipped[0]
    assert found.score(name).value < measure_pair(far, real, tmp_path / "b").score(name).value
    result = cli_run("eval", "compare", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "both.html")
    assert result.code == 0 and f"{name}: b - a = +" in result.out and "p = 0.0" in result.out, result.err
    assert "a is better" in result.out  # the blurred ones are further away
    with np.load(tmp_path / "a" / "features.npz") as kept:
        assert kept["made"].shape == (20, 48) and len(kept["names"]) == 20


def test_prompts_come_from_the_listing_the_file_or_its_name(tmp_path):
    write_video(tmp_path / "a_red_ball-2.mp4", video(0), 8.0)
    write_video(tmp_path / "x.mp4", video(1), 8.0, metadata={"prompt": "from the file"})
    write_video(tmp_path / "y.mp4", video(2), 8.0, metadata={"prompt": "from the file"})
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "y.mp4", "text": "from the listing"}\n')
    assert [found.prompt for found in videos_in(tmp_path)] == ["a red ball", "from the file", "from the listing"]
    assert LONGEST >= 33  # a clip of the benchmark is looked at whole


# --------------------------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--videos", "{empty}"], "holds no video"),
        (["--videos", "{nowhere}"], "no folder"),
        (["--videos", "{one}"], "give at least 2"),
        (["--videos", "{torn}"], "can be read"),
        (["--videos", "{made}", "--clip", "{empty}"], "no weights"),
        (["--videos", "{made}", "--protocol", "fvd-original"], "--reference"),
        (["--videos", "{made}", "--reference", "{made}", "--protocol", "best"], "fvd-original"),
        (["--videos", "{made}", "--reference", "{made}", "--protocol", "fvd-original"], "--weights"),
        (["--videos", "{made}", "--reference", "{made}", "--size", "12"], "WxH"),
        (["--videos", "{made}", "--long"], "without --videos"),
        (["--videos", "{made}", "--world", "wide"], "without --videos"),
        (["--world", "flat"], "core, wide"),
        (["--reference", "{made}"], "--videos DIR"),
        (["--skip", "bench"], "cannot be skipped"),
        (["compare", "{made}", "{made}"], "holds no results"),
        (["ab", "{made}"], "two folders"),
        (["votes", "{made}/000.mp4", "--key", "{made}/000.mp4"], "no key"),
        (["vbench"], "--prompts FILE"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(folder, tmp_path, options, words):
    places = {name: tmp_path / name for name in ("empty", "nowhere", "one", "torn")} | {"made": folder}
    places["empty"].mkdir()
    filled(places["one"], 0, 1)
    places["torn"].mkdir()
    (places["torn"] / "x.mp4").write_bytes(b"x")
    out = [] if options[0] in ("compare", "votes") else ["--out", tmp_path / "out"]
    first = [options[0]] if not options[0].startswith("--") else []
    rest = [str(option).format(**places) for option in options[len(first) :]]
    result = cli_run("eval", *first, *out, *rest)
    assert result.code == 2 and words in result.err, result.err
    assert result.err.count("gpt-video:") == 1 and "Traceback" not in result.err and result.out == ""
    assert not list(tmp_path.glob("out/*.json")) and not list(tmp_path.glob("out/*.html"))


def test_unequal_sizes_name_the_option(folder, tmp_path, monkeypatch):
    mixed = filled(tmp_path / "mixed", 0, 2)
    write_video(mixed / "wide.mp4", np.zeros((16, 32, 64, 3), np.uint8), 8.0)
    extractor = random_extractor()
    preset = preset_of(extractor, n=64, sampling=Sampling(frames=9))
    monkeypatch.setattr(eval_run, "_protocol", lambda name, weights, size: (preset, extractor))
    result = cli_run("eval", "--videos", mixed, "--reference", folder, "--out", tmp_path / "out")
    assert result.code == 2 and "give --size WxH" in result.err


def test_an_unreadable_file_among_many_is_counted(tmp_path):
    folder = filled(tmp_path / "many", 0, 3)
    (folder / "torn.mp4").write_bytes(b"x")
    write_video(folder / "still.mp4", video(0)[:1], 8.0)
    result = cli_run("eval", "--videos", folder, "--out", tmp_path / "out")
    assert result.code == 0 and "skipped torn.mp4" in result.err and "skipped still.mp4" in result.err
    assert Results.load(tmp_path / "out").score("motion").n == 3


# ------------------------------------------------------------------------------------------------------- a model


@pytest.fixture(scope="module")
def world() -> SimpleNamespace:
    suite = build_suite(Form(3, 2, 3, 0), frames=9)
    scenes = [prompt.scene for prompt in suite.prompts]
    for talk in suite.conversations:
        scenes += [talk.scene, *(step.edit.scene_after for step in talk.steps)]
    return SimpleNamespace(suite=suite, judge=ReadingJudge(scenes), maker=SpellingGenerator(scenes))


def test_a_model_is_measured_and_its_rows_are_the_means_of_its_scores(world, tmp_path):
    run = Run(tmp_path, "model", {"name": "speller"})
    run.part("bench", lambda report: run_bench(world.maker, tmp_path, world.suite, world.judge, report))
    results = run.finish()
    assert {row["what"] for row in results.rows} == {"prompt", "first", "turn"}
    assert len(results.rows) == 6 + 2 * 3 and all((tmp_path / row["video"]).is_file() for row in results.rows)
    for name in ("attributes right", "edit done", "attributes kept"):
        assert results.score(name).value == pytest.approx(1.0), name
    assert "DioramaBench" in (tmp_path / "index.html").read_text("utf-8")
    asked = world.maker.asked
    again = Run(tmp_path, "model", {"name": "speller"})
    again.part("bench", lambda report: pytest.fail("measured again"))
    assert [s.to_dict() for s in again.finish().scores] == [s.to_dict() for s in results.scores]
    assert world.maker.asked == asked


def test_what_the_renderer_keeps_is_the_ceiling_of_what_is_kept(world, tmp_path):
    part = run_bench(world.maker, tmp_path / "a", world.suite, world.judge, lambda *progress: None)
    before = {score.name: score.ceiling for score in part.scores}
    found = with_kept_ceiling(part, world.maker, tmp_path / "b", world.suite, world.judge)
    after = {score.name: score.ceiling for score in found.scores}
    kept = {name for name in after if name.startswith("attributes kept")}
    assert kept and {name for name in after if after[name] != before[name]} == kept
    assert all(before[name] is None and after[name] == 1 for name in kept)


def test_a_part_that_cannot_be_measured_is_named_and_the_others_count(tmp_path, folder):
    run = Run(tmp_path, "model", {"name": "x"})

    def cannot(report) -> Part:
        raise LeftOut("no renderer here")

    run.part("anchors", cannot)
    with pytest.raises(ValueError, match="anchors: no renderer here"):
        run.finish()
    eval_run._video_parts(run, videos_in(folder), None, "100 cos")
    results = run.finish()
    assert [part.left_out for part in results.parts] == ["no renderer here", ""]
    assert "no renderer here" in (tmp_path / "index.html").read_text("utf-8")


def test_the_parts_of_a_model_are_checked_and_scenes_are_told_once():
    assert tuple(PARTS) == ModelTask().parts
    with pytest.raises(ValueError, match="the parts are"):
        ModelTask(parts=("bench", "beauty"))
    with pytest.raises(ValueError, match="the parts are"):
        ModelTask(parts=("words",))
    task = ModelTask(build_suite(Form(4, 0, 1, 0), frames=9))
    scenes, others = task.scenes, _other_scenes(task)
    assert [prompt.scene_number for prompt in scenes] == [0, 1, 2, 3]
    assert {prompt.language for prompt in scenes} == {"en", "fr"}
    assert len(others) == 4 and not {prompt.scene for prompt in scenes} & {prompt.scene for prompt in others}
    assert {prompt.scene.frames for prompt in others} == {9}


def test_the_words_of_a_models_videos_join_its_rows(world, tmp_path):
    run = Run(tmp_path, "model", {"name": "speller"})
    run.part("bench", lambda report: run_bench(world.maker, tmp_path, world.suite, world.judge, report))
    instruments = Instruments(world.judge, random_clip_network(), random_extractor())
    run.part("words", lambda report: PARTS["words"](None, tmp_path, ModelTask(world.suite), instruments, report))
    rows = {row["key"]: row for row in run.finish().rows}
    assert all("tiny-clip score (100 cos)" in rows[prompt.key] for prompt in world.suite.prompts)
    assert rows["prompt-0000-en"]["attributes right"] == 1.0


def test_the_scenes_of_the_article_are_measured_apart_with_their_videos(tmp_path):
    suite = article_suite()
    scenes = [prompt.scene for prompt in suite.prompts]
    judge, maker = ReadingJudge(scenes), SpellingGenerator(scenes)
    run = Run(tmp_path, "model", {"name": "speller"})
    run.part("article", lambda report: run_apart(maker, tmp_path, suite, "article", judge, report))
    results = run.finish()
    assert {row["what"] for row in results.rows} == {APART["article"][0]}
    assert len(results.rows) == 10 and all((tmp_path / row["video"]).is_file() for row in results.rows)
    assert results.score("attributes right, article").value == 1
    assert len(rows_behind("attributes right, French, article", results.rows)) == 5
    assert rows_behind("attributes right", results.rows) == []
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.count("<figure>") == 10 and "The scenes of the article" in page


def test_the_article_is_part_of_a_wide_run_alone_and_a_missing_network_leaves_parts_out():
    core, wide = (ModelTask(build_suite(Form(1, 0, 1, 0), world=name)) for name in ("core", "wide"))
    assert core.possible == tuple(part for part in PARTS if part != "article") and wide.possible == tuple(PARTS)
    assert ModelTask("short", world="wide").suite.form == "wide short"
    judge = SimpleNamespace(world="wide")
    for part in ("words", "anchors"):
        task = ModelTask(build_suite(Form(32, 0, 1, 0), frames=9, world="wide"))
        with pytest.raises(LeftOut, match="of the world wide"):
            PARTS[part](None, Path("nowhere"), task, Instruments(judge, None, None), None)


def test_a_world_without_a_judge_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("eval.store.WEIGHTS", tmp_path)
    assert weights_of("core") == tmp_path and weights_of("wide") == tmp_path / "wide"
    with pytest.raises(ValueError, match=r"no readable judge in .*wide: train one"):
        measure_model(None, tmp_path / "out", ModelTask("short", world="wide"))


def test_a_model_says_which_world_it_was_trained_on(tmp_path):
    model = SimpleNamespace(bundle=SimpleNamespace(folder=tmp_path))
    assert trained_world(model) == "core"
    (tmp_path / "training_data.json").write_text('{"source": "diorama"}')
    assert trained_world(model) == "core"
    (tmp_path / "training_data.json").write_text('{"source": "diorama", "world": "wide"}')
    assert trained_world(model) == "wide"
    (tmp_path / "training_data.json").write_text(
        '{"source": "my_clips", "world": null}'
    )  # as the recipe says of own clips
    assert trained_world(model) == "core"


def test_codes_are_kept_beside_the_videos(tmp_path):
    made = SimpleNamespace(turn=SimpleNamespace(codes_thw=np.arange(4).reshape(1, 2, 2)))
    maker = SimpleNamespace(name="m", sha256="0", make=lambda asks: [made])
    KeepsCodes(maker, tmp_path).make([SimpleNamespace(key="prompt-0000-en")])
    assert np.load(tmp_path / "prompt-0000-en.npy").shape == (1, 2, 2)


# ------------------------------------------------------------------------------------------------ two runs, and Ctrl-C


def test_two_runs_are_compared_and_other_protocols_refused(tmp_path):
    for seed, skill in ((0, 0.6), (1, 0.95)):
        fake_results(tmp_path / f"run{seed}", seed=seed, skill=skill).save(tmp_path / f"run{seed}")
    page = tmp_path / "both.html"
    result = cli_run("eval", "compare", tmp_path / "run0/results.json", tmp_path / "run1", "--out", page)
    assert result.code == 0, result.err
    assert "attributes right: b - a = +" in result.out and "b is better" in result.out and page.is_file()
    record = json.loads((tmp_path / "run1/results.json").read_text())
    (tmp_path / "run1/results.json").write_text(json.dumps(record | {"scores": []}))
    page.unlink()
    result = cli_run("eval", "compare", tmp_path / "run0", tmp_path / "run1", "--out", page)
    assert result.code == 2 and "no score in common" in result.err and not page.exists()


def test_the_numbers_of_a_run_go_into_a_card(tmp_path):
    fake_results(tmp_path / "run").save(tmp_path / "run")
    card = tmp_path / "CARD.md"
    card.write_text("<!-- scores -->\n<!-- end of scores -->\n")
    result = cli_run("eval", "card", tmp_path / "run", card)
    assert result.code == 0 and result.out.strip() == str(card), result.err
    assert "| attributes right |" in card.read_text()
    result = cli_run("eval", "card", tmp_path / "run", tmp_path / "nowhere.md")
    assert result.code == 2 and "there is no card" in result.err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_leaves_nothing_half_written(folder, tmp_path):
    code = (
        "import sys, time; from unittest import mock; from gpt_video import cli; from eval import command, run\n"
        "command.register(cli.app); cli.load_plugins = lambda app: None\n"
        "def slow(*args):\n  print('begun', flush=True); time.sleep(60)\n"
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "run.readable = slow; sys.argv = ['gpt-video', 'eval', '--videos', sys.argv[1], '--out', sys.argv[2]]; cli.main()"
    )
    line = [sys.executable, "-c", code, str(folder), str(tmp_path / "out")]
    process = subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["parts"]
    assert [path.name for path in (tmp_path / "out/parts").iterdir()] == ["subject.json"]


def test_the_command_is_light_until_it_is_used():
    line = "import sys, eval.command; print(*({'torch', 'transformers', 'scipy', 'av'} & sys.modules.keys()))"
    result = subprocess.run(
        [sys.executable, "-c", line], env=environment(), capture_output=True, text=True, timeout=120
    )
    assert (result.returncode, result.stdout.strip()) == (0, ""), result.stderr
    assert isinstance(cli.app, typer.Typer)
