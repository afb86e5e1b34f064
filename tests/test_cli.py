"""`gpt-video` as a person uses it: files, exit codes, what is printed where."""

import json
import subprocess
import sys
from types import ModuleType
from typing import Any

import av
import pytest
import typer
from PIL import Image

from gpt_video import cli
from gpt_video.files import read_turns, sidecar_of
from tests.tiny_model import command, moving_square, run
from tokenizer.video import read_metadata, read_video, write_video

pytest_plugins = ["tests.bundle_fixture"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sentence_becomes_a_video(tiny_bundle, folder):
    line = ("a red ball rolls across the snow", "-o", "out.mp4", "--seconds", 1, "--seed", 7, "--model", tiny_bundle)
    result = command("generate", *line, cwd=folder)
    assert (result.returncode, result.stdout) == (0, "out.mp4\n"), result.stderr
    assert "first frames after" in result.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["out.mp4", "out.mp4.json"]
    with av.open("out.mp4") as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt, stream.frames) == ("h264", "yuv420p", 9)
    content = (folder / "out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # faststart: plays before all of it is loaded
    assert read_metadata("out.mp4")["prompt"] == "a red ball rolls across the snow"
    assert json.loads(sidecar_of("out.mp4").read_text())["seed"] == 7


def test_variations_are_numbered(tiny_bundle, folder):
    result = run("generate", "a ball", "-o", "out.gif", "--n", 3, "--seconds", 1, "--seed", 5, "--model", tiny_bundle)
    assert (result.code, result.out) == (0, "out-1.gif\nout-2.gif\nout-3.gif\n")
    assert [read_metadata(f"out-{i}.gif")["seed"] for i in (1, 2, 3)] == ["5", "6", "7"]


def test_every_option_reaches_the_request(tiny_bundle, folder):
    options = {"--size": "wide", "--guidance": 1.5, "--temperature": 0.5, "--top-k": 9, "--top-p": 0.8}
    line = [str(part) for option in options.items() for part in option]
    assert run("generate", "a ball", "-o", "out.mp4", "--seconds", 1, *line, "--model", tiny_bundle).code == 0
    record = json.loads(sidecar_of("out.mp4").read_text())
    names = ("size", "guidance_scale", "temperature", "top_k", "top_p")
    assert [record[name] for name in names] == ["48x32", 1.5, 0.5, 9, 0.8]


def test_an_image_starts_a_video(tiny_bundle, folder):
    Image.fromarray(moving_square(1, 60, 90)[0]).save("start.png")
    result = run(
        "generate", "it moves", "--image", "start.png", "-o", "out.mp4", "--seconds", 1, "--model", tiny_bundle
    )
    assert result.code == 0
    assert read_video("out.mp4")[0].shape == (9, 32, 48, 3)


def test_a_video_is_continued_or_edited(tiny_bundle, tiny_generator, folder):
    write_video("mine.mp4", moving_square(17), fps=8)
    for options, frames in (([], 17 + 16), (["--continue", "--seconds", 1], 17 + 8), (["--edit"], 17)):
        result = run(
            "generate", "make it blue", "--video", "mine.mp4", *options, "-o", "out.mp4", "--model", tiny_bundle
        )
        assert result.code == 0, result.err
        assert len(read_video("out.mp4")[0]) == frames
    assert [turn.action for turn in read_turns(tiny_generator, "out.mp4", "edit")] == ["new", "edit"]


def test_info_says_what_the_model_can_do(tiny_bundle):
    text = run("info", "--model", tiny_bundle).out
    for fact in ("['32x32', '48x32', '32x48']", "[0.125, 1.0, 2.0]", "float32", "guidance_scale"):
        assert fact in text


def test_bench_reports_every_promised_number(tiny_bundle, monkeypatch):
    monkeypatch.setattr("gpt_video.bench.memory_bandwidth", lambda device: 1e10)
    numbers = json.loads(run("bench", "--model", tiny_bundle, "--seconds", 1, "--json").out)
    assert numbers["tokens"] == 12
    for name in (
        "tokens_per_second",
        "video_seconds_per_second",
        "first_frames_seconds",
        "peak_memory_mib",
        "share_of_bandwidth",
        "ratio_to_transformers",
    ):
        assert numbers[name] > 0, name
    assert "share of bandwidth" in run("bench", "--model", tiny_bundle, "--seconds", 1).out


def test_the_bandwidth_is_that_of_a_copy():
    import torch

    from gpt_video.bench import memory_bandwidth

    assert memory_bandwidth(torch.device("cpu"), mib=4, repeats=2) > 1e8


def test_push_goes_to_the_hub(tiny_bundle, monkeypatch):
    monkeypatch.setattr("gpt_video.bundle.push", lambda folder, hub_id, private: f"{hub_id} {private}")
    assert run("push", tiny_bundle, "owner/name", "--private").out == "owner/name True\n"


def fake_world(monkeypatch):
    calls = []
    make: Any = ModuleType("gpt_video.diorama.make")
    make.render_dataset = lambda out, **options: calls.append((out, options))
    make.contact_sheet = lambda *args: calls.append(args)
    monkeypatch.setitem(sys.modules, "gpt_video.diorama.make", make)
    return calls


def test_data_render_hands_its_options_to_the_world(folder, monkeypatch):
    calls = fake_world(monkeypatch)
    line = "--clips 4 --conversations 2 --stills 1 --long 3 --turns 2-3 --out d --workers 2 --seed 9 --held-out --world wide"
    assert run("data", "render", *line.split()).out == "d\n"
    ((out, options),) = calls
    del options["on_progress"]
    expected = {
        "clips": 4,
        "conversations": 2,
        "stills": 1,
        "long": 3,
        "turns": (2, 3),
        "workers": 2,
        "seed": 9,
        "held_out": True,
        "world": "wide",
    }
    assert (str(out), options) == ("d", expected)
    assert run("data", "sheet", "d").out == "d/sheet.png\n"
    assert [str(part) for part in calls[1]] == ["d", "d/sheet.png", "24"]


@pytest.mark.parametrize("turns", ["0-2", "3-1", "many", "", "1-2-3"])
def test_turns_that_make_no_sense(folder, monkeypatch, turns):
    fake_world(monkeypatch)
    result = run("data", "render", "--clips", 1, "--turns", turns, "--out", "d")
    assert (result.code, "expected fewest-most, such as 1-5" in result.err) == (2, True)


def test_data_render_of_nothing_is_an_error(folder, monkeypatch):
    fake_world(monkeypatch)
    assert run("data", "render", "--out", "d").code == 2


def test_data_tokenize_makes_shards(tiny_bundle, folder):
    pytest.importorskip("pyarrow", reason="token shards need pyarrow (extra `train`)")
    (folder / "clips").mkdir()
    write_video("clips/a.mp4", moving_square(33, 128, 128), fps=8)
    (folder / "clips" / "metadata.jsonl").write_text('{"file_name": "a.mp4", "text": "a square"}\n')
    for where in (["--model", tiny_bundle], ["--tokenizer", tiny_bundle / "tokenizer"]):
        assert run("data", "tokenize", "clips", "--out", "shards", *where).out == "shards\n"
    assert len(list((folder / "shards").glob("*.parquet"))) == 1


# ------------------------------------------------------------------------------------------------ the program itself


def test_help_is_quick_because_nothing_heavy_is_imported():
    heavy = "('torch', 'transformers', 'av', 'numpy', 'gradio', 'mujoco', 'rich')"
    code = f"import gpt_video.cli, sys; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize(
    "line", [["--help"], ["generate", "--help"], ["batch", "--help"], ["data", "render", "--help"]]
)
def test_every_help_page_can_be_shown(line):
    result = run(*line)
    assert (result.code, "Usage" in result.out) == (0, True)


@pytest.mark.parametrize(
    "line", [["make", "x"], ["generate"], ["generate", "x"], ["generate", "x", "-o", "y.mp4", "--seconds", "z"]]
)
def test_a_command_line_that_cannot_be_read_exits_with_2(line):
    result = run(*line)
    assert (result.code, result.out) == (2, "")
    assert "Error" in result.err


def test_an_unexpected_error_is_no_wrong_input(monkeypatch, tiny_bundle):
    def broken(*args, **kwargs):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("gpt_video.bundle.load_bundle", broken)
    monkeypatch.setattr("gpt_video.generate.load_bundle", broken)
    with pytest.raises(RuntimeError):  # python shows where, and exits with 1
        run("info", "--model", tiny_bundle)


class Entry:
    def __init__(self, name, load):
        self.name, self.load = name, load


def test_plugins_add_commands_and_a_broken_one_only_itself(monkeypatch, capsys):
    app, other = typer.Typer(), typer.Typer()
    other.command("inner")(lambda: print("inner ran"))
    other.callback()(lambda: None)
    entries = [
        Entry("broken", lambda: 1 / 0),
        Entry("function", lambda: lambda app: app.command("hello")(lambda: print("hello ran"))),
        Entry("outer", lambda: other),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries if group == cli.PLUGINS else [])
    cli.load_plugins(app)
    assert "commands of 'broken' are left out: division by zero" in capsys.readouterr().err
    for line in (["hello"], ["outer", "inner"]):
        app(line, standalone_mode=False)
        assert f"{line[-1]} ran" in capsys.readouterr().out
