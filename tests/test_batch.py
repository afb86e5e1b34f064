"""Many videos from a file: what is read, what is made, what is left alone, and what happens when some of it goes wrong."""

import errno
import json
import subprocess
import sys
from itertools import chain
from typing import Any

import pytest

from gpt_video import files
from gpt_video.batch import MANIFEST, read_lines, read_manifest, shard_of
from gpt_video.files import read_turns
from tests.tiny_model import environment, run
from tokenizer.video import read_video, write_video

pytest_plugins = ["tests.bundle_fixture"]

THREE = ["a red ball", "make it blue", "then it jumps"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, *rows):
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def statuses(out):
    return {name: entry["status"] for name, entry in read_manifest(out).items()}


# ------------------------------------------------------------------------------------------------ reading


def test_txt_is_a_prompt_a_line(folder):
    lines, broken = read_lines(write(folder / "p.txt", "a red ball", "", "  at night, a dog  "))
    assert broken == []
    assert [(line.id, line.values) for line in lines] == [
        ("000001", {"prompt": "a red ball"}),
        ("000003", {"prompt": "at night, a dog"}),
    ]


def test_csv_cells_may_span_lines_and_be_empty(folder):
    rows = "id,prompt,seconds,seed", 'one,"a ball, red",2,', '"two","it\njumps",,7', "three,short"
    lines, broken = read_lines(write(folder / "p.csv", *rows))
    assert [line.values for line in lines] == [
        {"prompt": "a ball, red", "seconds": 2.0},
        {"prompt": "it\njumps", "seed": 7},
    ]
    assert [line.where.rpartition(":")[2] for line in lines] == ["2", "3"]
    assert [(b.where, b.error) for b in broken] == [(f"{folder}/p.csv:5", "2 columns, the header has 4")]


def test_jsonl_takes_every_setting_of_a_request(folder):
    record = {
        "prompt": "x",
        "seconds": 2,
        "size": "wide",
        "seed": 1,
        "top_k": 5,
        "guidance_scale": 3,
        "temperature": None,
    }
    (line,), broken = read_lines(write(folder / "p.jsonl", {"id": 7, **record}))
    assert broken == []
    assert line.id == "7"
    assert line.values == {"prompt": "x", "seconds": 2.0, "size": "wide", "seed": 1, "top_k": 5, "guidance_scale": 3.0}


def test_each_broken_line_is_named_and_the_others_are_read(folder):
    rows = [
        '{"prompt": "a ball"',
        '["a ball"]',
        {"prompt": ""},
        {"prompt": "a", "lenght": 2},
        {"prompt": "a", "seconds": "long"},
        {"prompt": "a", "temperature": -1},
        {"prompt": "a", "id": "../x"},
        {"prompt": "a", "id": "same"},
        {"prompt": "b", "id": "same"},
        {"prompt": "a", "image": "nowhere.png"},
        {"prompt": 5},
        {"seed": 1},
        {"prompt": "a", "action": "edit"},
    ]
    lines, broken = read_lines(write(folder / "p.jsonl", *rows))
    assert [line.id for line in lines] == ["same"]
    assert [b.where.rpartition(":")[2] for b in broken] == [
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "9",
        "10",
        "11",
        "12",
        "13",
    ]
    expected = ["not JSON", "expected a JSON object", "prompt is empty", "unknown key 'lenght'", "expected a number"]
    expected += [
        "temperature is -1",
        "cannot name a file",
        f"taken by {folder}/p.jsonl:8",
        "nowhere.png does not exist",
    ]
    expected += ["prompt is 5", "no prompt", "nothing to edit"]
    for error, text in zip([b.error for b in broken], expected, strict=True):
        assert text in error


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.docx", b"x", r"expected a name that ends in \.txt, \.csv, \.jsonl"),
        ("p.txt", b"\xff\xfe\x00", "cannot read"),
        ("p.txt", b"\n \n", "holds no prompts"),
        ("p.csv", b"text\nball\n", "no column named prompt"),
        ("p.csv", b"", "no column named prompt"),
        ("gone.txt", None, "cannot read .*gone.txt"),
    ],
)
def test_a_file_that_cannot_be_read_at_all(folder, name, content, message):
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_lines(folder / name)


def test_shards_cover_everything_once():
    items = list(range(7))
    assert sorted(chain(*(shard_of(items, i, 3) for i in (1, 2, 3)))) == items
    for index, count in ((0, 3), (4, 3), (1, 0)):
        with pytest.raises(ValueError, match=f"shard {index}/{count}"):
            shard_of(items, index, count)


# ------------------------------------------------------------------------------------------------ running


def test_a_batch_makes_every_line_and_a_second_run_nothing(tiny_bundle, folder):
    rows = [{"id": str(i), "prompt": prompt, "seconds": 1 + i % 2} for i, prompt in enumerate(THREE)]
    write(folder / "p.jsonl", *rows)
    first = run("batch", "p.jsonl", "--out", "out", "--model", tiny_bundle)
    assert (first.code, first.err.count("3 to make, 0 done before, 0 that cannot be made")) == (0, 1)
    assert sorted(p.name for p in (folder / "out").iterdir()) == sorted(
        [MANIFEST, *(f"{i}.mp4" for i in range(3)), *(f"{i}.mp4.json" for i in range(3))]
    )
    assert len(read_video("out/1.mp4")[0]) == 17
    entry = read_manifest(folder / "out")["1"]
    assert (entry["prompt"], entry["file"], entry["seed"]) == ("make it blue", "1.mp4", 0)
    made = (folder / "out" / "1.mp4").stat().st_mtime_ns
    assert "0 to make, 3 done before" in run("batch", "p.jsonl", "--out", "out", "--model", tiny_bundle).err
    assert (folder / "out" / "1.mp4").stat().st_mtime_ns == made


def test_only_what_changed_or_went_missing_is_made_again(tiny_bundle, folder):
    rows = [{"id": str(i), "prompt": prompt, "seconds": 1} for i, prompt in enumerate(THREE)]
    write(folder / "p.jsonl", *rows)
    run("batch", "p.jsonl", "--out", "out", "--model", tiny_bundle)
    rows[0]["seed"] = 5
    (folder / "out" / "2.mp4").unlink()
    write(folder / "p.jsonl", *rows)
    with (folder / "out" / MANIFEST).open("a") as manifest:
        manifest.write('{"id": "1", "sta')  # a crash while it was written
    assert "2 to make, 1 done before" in run("batch", "p.jsonl", "--out", "out", "--model", tiny_bundle).err
    assert read_manifest(folder / "out")["0"]["seed"] == 5
    assert "0 to make, 3 done before" in run("batch", "p.jsonl", "--out", "out", "--model", tiny_bundle).err


def test_the_same_video_whatever_the_batch_size(tiny_bundle, tiny_generator, folder):
    write(folder / "p.txt", *THREE)
    for size in (1, 8):
        run("batch", "p.txt", "--out", f"out{size}", "--model", tiny_bundle, "--batch-size", size)
    turns = [read_turns(tiny_generator, f"out{size}/000002.mp4", "edit")[0] for size in (1, 8)]
    assert (turns[0].codes_thw == turns[1].codes_thw).all()


def test_one_failure_does_not_stop_the_rest(tiny_bundle, folder, monkeypatch):
    from gpt_video.generate import VideoGenerator

    make = VideoGenerator.make

    def unlucky(self, plans, *args):
        if any(plan.request.prompt == "make it blue" for plan in plans):
            raise RuntimeError("out of memory")
        return make(self, plans, *args)

    monkeypatch.setattr(VideoGenerator, "make", unlucky)
    rows = [{"prompt": prompt, "seconds": 1} for prompt in THREE]
    write(folder / "p.jsonl", *rows, '{"prompt": ', {"prompt": "far too long " * 100}, {"prompt": "a", "size": "64x64"})
    result = run("batch", "p.jsonl", "--out", "out", "--model", tiny_bundle)
    assert result.code == 1
    assert "p.jsonl:4: not JSON" in result.err
    assert "p.jsonl:5: the text has" in result.err
    assert "p.jsonl:6: size '64x64' was not trained" in result.err
    entries = read_manifest(folder / "out")
    assert statuses(folder / "out") == {f"{i:06d}": "ok" if i in (1, 3) else "error" for i in range(1, 7)}
    assert entries["000002"]["error"] == "out of memory"
    assert "p.jsonl:2: out of memory" in result.err
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    write(folder / "p.jsonl", *rows)
    assert "1 to make, 2 done before" in run("batch", "p.jsonl", "--out", "out", "--model", tiny_bundle).err


def test_a_full_disk_ends_the_run_with_one_sentence_and_the_next_run_goes_on(tiny_bundle, folder, monkeypatch):
    write_text = files.write_text

    def full(path, text):
        if "000002" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        write_text(path, text)

    write(folder / "p.txt", *THREE)
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_text", full)
        result = run("batch", "p.txt", "--out", "out", "--model", tiny_bundle, "--batch-size", 1)
    assert result.code == 2
    assert "no space left for out/000002.mp4: free some space and give the same command again" in result.err
    assert statuses(folder / "out") == {"000001": "ok"}
    again = run("batch", "p.txt", "--out", "out", "--model", tiny_bundle)
    assert (again.code, "2 to make, 1 done before" in again.err) == (0, True)


def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(tiny_bundle, folder, monkeypatch):
    from gpt_video.generate import VideoGenerator

    make, calls = VideoGenerator.make, []

    def interrupted(self, plans, *args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return make(self, plans, *args)

    write(folder / "p.txt", *THREE)
    with monkeypatch.context() as patch:
        patch.setattr(VideoGenerator, "make", interrupted)
        assert run("batch", "p.txt", "--out", "out", "--model", tiny_bundle, "--batch-size", 1).code == 130
    assert statuses(folder / "out") == {"000001": "ok"}
    again = run("batch", "p.txt", "--out", "out", "--model", tiny_bundle)
    assert (again.code, "2 to make, 1 done before" in again.err) == (0, True)


def test_a_line_is_checked_once(tiny_bundle, folder, monkeypatch):
    from gpt_video.generate import VideoGenerator

    plan, calls = VideoGenerator.plan, []
    monkeypatch.setattr(VideoGenerator, "plan", lambda self, request: calls.append(request) or plan(self, request))
    write(folder / "p.txt", *THREE)
    assert run("batch", "p.txt", "--out", "out", "--model", tiny_bundle).code == 0
    assert len(calls) == 3


def test_a_dry_run_checks_everything_and_writes_nothing(tiny_bundle, folder):
    write(folder / "p.jsonl", {"id": "one", "prompt": "a ball", "seconds": 1}, {"prompt": "a", "seconds": 1.3}, "{")
    result = run("batch", "p.jsonl", "--out", "out", "--model", tiny_bundle, "--dry-run")
    assert result.code == 1
    assert result.out == "one\tnew\t1 s\t32x32\ta ball\n"
    assert "p.jsonl:2: seconds is 1.3" in result.err
    assert "p.jsonl:3: not JSON" in result.err
    assert not (folder / "out").exists()


def test_shards_share_a_folder(tiny_bundle, folder):
    write(folder / "p.txt", *THREE)
    for shard in ("1/2", "2/2"):
        assert run("batch", "p.txt", "--out", "out", "--model", tiny_bundle, "--shard", shard).code == 0
    assert statuses(folder / "out") == {"000001": "ok", "000002": "ok", "000003": "ok"}
    for shard in ("3/2", "0/2", "half"):
        wrong = run("batch", "p.txt", "--out", "out", "--model", tiny_bundle, "--shard", shard)
        assert (wrong.code, "shard" in wrong.err) == (2, True)


def test_lines_may_bring_an_image_or_a_video(tiny_bundle, tiny_generator, folder):
    from PIL import Image

    from tests.tiny_model import moving_square

    Image.fromarray(moving_square(1)[0]).save(folder / "start.png")
    write_video(folder / "before.mp4", moving_square(17), fps=8)
    rows: list[dict[str, Any]] = [
        {"id": "image", "prompt": "it moves", "seconds": 1, "image": "start.png"},
        {"id": "more", "prompt": "then it jumps", "seconds": 1, "video": "before.mp4"},
        {"id": "edit", "prompt": "make it blue", "video": "before.mp4", "action": "edit"},
    ]
    write(folder / "p.jsonl", *rows)
    assert run("batch", "p.jsonl", "--out", "out", "--model", tiny_bundle).code == 0
    assert [len(read_video(f"out/{row['id']}.mp4")[0]) for row in rows] == [9, 17 + 8, 17]
    write_video(folder / "before.mp4", moving_square(9), fps=8)  # other contents, so other settings
    assert "2 to make, 1 done before" in run("batch", "p.jsonl", "--out", "out", "--model", tiny_bundle).err


@pytest.mark.slow
def test_two_processes_of_accelerate_share_the_lines(tiny_bundle, folder):
    write(folder / "p.jsonl", *({"prompt": prompt, "seconds": 1} for prompt in THREE), "{")
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.accelerate_cli",
        "launch",
        "--num_processes=2",
        "--num_machines=1",
    ]
    launch += ["--multi_gpu", "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0"]
    line = [*launch, "-m", "gpt_video.cli", "batch", "p.jsonl", "--out", "out", "--model", str(tiny_bundle)]
    result = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=240)
    assert result.returncode == 1  # one line is broken, and yet all the others are made
    assert statuses(folder / "out") == {f"{i:06d}": "ok" if i < 4 else "error" for i in range(1, 5)}
    assert "2 to make" in result.stderr
    assert "1 to make" in result.stderr
