"""Wrong input, one test each: one clear sentence, the right exit code, no file left behind."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from gpt_video.bundle import write_sums
from tests.tiny_model import command, environment, make_bundle, moving_square, run
from tokenizer.video import read_video, write_video

pytest_plugins = ["tests.bundle_fixture"]


@pytest.fixture
def generate(tiny_bundle, tmp_path, monkeypatch):
    """Runs `gpt-video generate` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(prompt="make it blue", *options, out="out.mp4", model=tiny_bundle):
        return run("generate", prompt, "-o", out, "--model", model, *options)

    return call


def refused(result, *words):
    """Exit code 2, and on stderr one sentence that holds all `words`; the folder stays as it was."""
    sentence = [line for line in result.err.splitlines() if line.startswith("gpt-video: ")]
    assert result.code == 2, result.err
    assert len(sentence) == 1, result.err
    assert "Traceback" not in result.err
    for word in words:
        assert word in sentence[0]
    assert result.out == ""
    assert not [name for name in os.listdir() if name.startswith(("out", ".", "tmp"))]


# ------------------------------------------------------------------------------------------------ words and numbers


def test_empty_prompt(generate):
    refused(generate("  "), "the prompt is empty")


def test_over_long_prompt(generate):
    refused(generate("a red ball rolls across the snow " * 60), "tokens and at most 94 fit")


def test_size_that_was_not_trained(generate):
    refused(
        generate("x", "--size", "640x480"), "'640x480' was not trained", "32x32 (square), 48x32 (wide), 32x48 (tall)"
    )


def test_length_that_was_not_trained(generate):
    refused(
        generate("x", "--seconds", 1.3), "seconds is 1.3", "choose 0.125 (a still), 1, 2,", "multiple of 0.5 up to 60"
    )


def test_zero_seconds(generate):
    refused(generate("x", "--seconds", 0), "seconds is 0", "more than 0 and at most 60")


def test_a_thousand_seconds(generate):
    refused(generate("x", "--seconds", 1000), "seconds is 1000", "at most 60")


def test_settings_out_of_range(generate):
    for option, value in (
        ("--guidance", "nan"),
        ("--temperature", "-1"),
        ("--top-p", "2"),
        ("--top-k", "-3"),
        ("--seed", "-1"),
    ):
        refused(generate("x", option, value), "expected")
    refused(generate("x", "--n", 0), "0 variations")
    refused(generate("x", "--edit"), "--video FILE")


# ------------------------------------------------------------------------------------------------ videos


def mine(frames_THWC=None, **options):
    """Writes mine.mp4 with PyAV directly: our own writer would never make the odd ones."""
    frames_THWC = moving_square(17) if frames_THWC is None else frames_THWC
    write_video("mine.mp4", frames_THWC, fps=8, **options)


def test_text_file_named_mp4(generate):
    Path("mine.mp4").write_text("this is not a video\n" * 100)
    refused(generate("x", "--video", "mine.mp4"), "mine.mp4")


def test_truncated_video(generate):
    mine()
    os.truncate("mine.mp4", os.path.getsize("mine.mp4") // 8)
    refused(generate("x", "--video", "mine.mp4"), "mine.mp4")


def test_video_without_frames(generate):
    with av.open("mine.mp4", "w") as container:
        stream = container.add_stream("h264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        container.start_encoding()
    refused(generate("x", "--video", "mine.mp4"), "mine.mp4")
    Path("mine.mp4").write_bytes(b"")
    refused(generate("x", "--video", "mine.mp4"), "mine.mp4")


def test_video_or_image_that_is_not_there(generate):
    refused(generate("x", "--video", "nowhere.mp4"), "nowhere.mp4")
    refused(generate("x", "--image", "nowhere.png"), "nowhere.png")
    Path("mine.png").write_text("no picture")
    refused(generate("x", "--image", "mine.png"), "mine.png")


def continued(result, shape=(32, 32)):
    """The video was taken: the result is a film that goes on from it."""
    assert result.code == 0, result.err
    frames_THWC, fps = read_video("out.mp4")
    assert fps == 8
    assert frames_THWC.shape[1:3] == shape
    return frames_THWC


def encode(name, frames_THWC, *, codec="libx264", pixels="yuv420p", times=None, edit=lambda container, stream: None):
    """A video file with an unusual property; `times` in seconds."""
    with av.open(name, "w") as container:
        stream = container.add_stream(codec, rate=24)
        stream.height, stream.width = frames_THWC.shape[1:3]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        edit(container, stream)
        for index, frame_HWC in enumerate(frames_THWC):
            frame = av.VideoFrame.from_ndarray(frame_HWC, format="rgba" if frame_HWC.shape[2] == 4 else "rgb24")
            frame.pts = round(1000 * (times[index] if times is not None else index / 24))
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_video_of_odd_size(generate):
    encode("mine.mkv", moving_square(24, 51, 77), pixels="yuv444p")
    continued(generate("x", "--video", "mine.mkv", "--seconds", 1), shape=(32, 48))


def test_rotated_video(generate):
    mine(moving_square(17, 32, 48))
    turned = "turned.mp4"
    with av.open("mine.mp4") as source, av.open(turned, "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    content = bytearray(Path(turned).read_bytes())
    upright = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
    quarter = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 32 << 16, 0, 1 << 30], ">i4").tobytes()
    at = content.index(upright, content.index(b"tkhd"))  # the display matrix of the track
    content[at : at + len(quarter)] = quarter
    Path(turned).write_bytes(content)
    continued(generate("x", "--video", turned, "--seconds", 1), shape=(48, 32))  # a tall video, as a player shows it


def test_variable_frame_rate(generate):
    times = np.concatenate(
        [np.arange(24) / 48, 0.5 + np.arange(6) / 4]
    )  # two seconds, at 48 and then at 4 frames a second
    encode("mine.mkv", moving_square(30), times=times)
    assert len(continued(generate("x", "--video", "mine.mkv", "--seconds", 1))) in (9 + 8, 17 + 8)


def test_alpha(generate):
    frames_THWC = np.concatenate([moving_square(24), np.full((24, 32, 32, 1), 128, np.uint8)], axis=3)
    encode("mine.mov", frames_THWC, codec="png", pixels="rgba")
    continued(generate("x", "--video", "mine.mov", "--seconds", 1))


def test_audio(generate):
    with av.open("mine.mp4", "w") as container:
        video, sound = container.add_stream("libx264", rate=8), container.add_stream("aac", rate=48000)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        for frame_HWC in moving_square(17):
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")))
        for index in range(90):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 48000, index * 1024
            container.mux(sound.encode(silence))
        for stream in (video, sound):
            container.mux(stream.encode())
    continued(generate("x", "--video", "mine.mp4", "--seconds", 1))


# ------------------------------------------------------------------------------------------------ models


def test_missing_weights(generate, tmp_path):
    refused(generate("x", model=tmp_path / "nowhere"), "no model at", "nowhere")


def test_damaged_weights(generate, tiny_bundle, tmp_path):
    broken = shutil.copytree(tiny_bundle, tmp_path / "broken")
    with (broken / "gpt" / "model.safetensors").open("r+b") as file:
        file.truncate(1000)
    refused(generate("x", model=broken), "gpt/model.safetensors is damaged", "export it again")


def test_weights_of_another_tokenizer(generate, tiny_bundle, tmp_path):
    mixed, other = shutil.copytree(tiny_bundle, tmp_path / "mixed"), make_bundle(tmp_path / "other", seed=1)
    shutil.copytree(other / "tokenizer", mixed / "tokenizer", dirs_exist_ok=True)
    write_sums(mixed)
    refused(generate("x", model=mixed), "not the tokenizer that this GPT was trained with")


# ------------------------------------------------------------------------------------------------ places


def test_unwritable_output(generate, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.mp4").mkdir()
    for out in ("nowhere/x.mp4", "file/x.mp4", "/proc/x.mp4", "folder.mp4", "out.avi", "out"):
        refused(generate("x", out=out), "cannot write", out.partition("/")[0])


def test_unwritable_folder_of_a_batch(tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.txt").write_text("a ball\n")
    for out in ("p.txt", "/proc/out"):
        refused(run("batch", "p.txt", "--out", out, "--model", tiny_bundle), "cannot write", out)


def test_no_mujoco(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mujoco", None)  # as if it were not installed
    for name in [name for name in sys.modules if name.startswith("gpt_video.diorama")]:
        monkeypatch.delitem(sys.modules, name)
    result = run("data", "render", "--clips", 1, "--out", "d")
    refused(result, "needs MuJoCo", "world")
    assert not list(tmp_path.rglob("*.mp4*"))


def test_broken_line_in_a_batch_file(tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.jsonl").write_text('{"prompt": "a ball", "seconds": 1}\n{"prompt": \n')
    result = run("batch", "p.jsonl", "--out", "d", "--model", tiny_bundle)
    assert result.code == 1  # the other line is made
    assert "p.jsonl:2: not JSON" in result.err
    assert sorted(os.listdir("d")) == ["000001.mp4", "000001.mp4.json", "manifest.jsonl"]


SLOW = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit it ignored
import sys, time
from gpt_video import cli
from gpt_video.engine import Engine
generate = Engine.generate
def slowly(self, *args, **kwargs):
    for codes in generate(self, *args, **kwargs):
        print("frame", flush=True)
        time.sleep(0.2)
        yield codes
Engine.generate = slowly
cli.main()
"""


@pytest.mark.slow
def test_ctrl_c(tiny_bundle, tmp_path):
    options = {"env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    line = [
        sys.executable,
        "-c",
        SLOW,
        "generate",
        "x",
        "-o",
        "out.mp4",
        "--seconds",
        "30",
        "--model",
        str(tiny_bundle),
    ]
    expected = {signal.SIGINT: 130, signal.SIGTERM: 143}
    with ExitStack() as stack:  # side by side, because starting is what takes the time
        processes = {}
        for number in expected:
            (tmp_path / number.name).mkdir()
            process: Any = subprocess.Popen(line, cwd=tmp_path / number.name, **options)  # type: ignore[call-overload]
            processes[number] = stack.enter_context(process)
        for number, process in processes.items():
            assert process.stdout.readline() == "frame\n"
            process.send_signal(number)
            errors = process.communicate(timeout=120)[1]
            assert process.returncode == expected[number], errors
            assert "Traceback" not in errors
            assert os.listdir(tmp_path / number.name) == []


def test_the_exit_code_of_the_program_itself(tmp_path):
    result = command("data", "render", "--clips", 1, "--turns", "many", "--out", "d", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "gpt-video: turns is 'many': expected fewest-most, such as 1-5\n"
