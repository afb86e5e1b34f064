"""The data set that the diorama writes: the same for a seed whatever the number of workers, resumable, whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpt_video.diorama.make import LONG_FRAMES, Choices, contact_sheet, render_dataset, rendered_turns
from gpt_video.diorama.render import Renderer, RendererUnavailable
from gpt_video.diorama.scene import from_json
from tokenizer.video import read_video

CHOICES = {"shapes": {(32, 48): 1, (32, 32): 1}, "frames": {5: 1}, "seed": 3}


@pytest.fixture(autouse=True)
def gl():
    try:
        Renderer(32, 32)
    except RendererUnavailable as error:
        pytest.skip(f"no GL back end for MuJoCo: {error}")


def contents(folder: Path) -> dict[str, object]:
    masks = {str(p.name): np.load(p)["masks"].tobytes() for p in folder.glob("masks/*.npz")}
    return masks | {"metadata": (folder / "metadata.jsonl").read_bytes()}


def test_the_folder_is_the_same_for_one_worker_and_for_two(tmp_path):
    for workers in (1, 2):
        render_dataset(tmp_path / str(workers), 2, 2, 1, turns=(2, 3), workers=workers, **CHOICES)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    rows = [json.loads(line) for line in (tmp_path / "1" / "metadata.jsonl").read_text("utf-8").splitlines()]
    assert [row["conversation"] for row in rows[:3]] == ["clip-000000", "clip-000001", "still-000000"]
    assert len(rows) >= 7
    for row in rows:
        scene = from_json(row["scene"])
        assert (tmp_path / "1" / row["file_name"]).stat().st_size > 0
        with np.load(tmp_path / "1" / row["mask"]) as masks:
            assert masks["masks"].shape[0] == scene.frames
        assert row["text"] == row["texts"][0] and len(row["texts"]) == len(row["languages"]) == 6
        assert (row["parent"] is None) == (row["action"] == "new") == (row["turn"] == 0)
    assert not list((tmp_path / "1").rglob("*.partial"))


def test_an_interrupted_run_is_completed_and_only_what_is_missing_is_rendered(tmp_path):
    render_dataset(tmp_path, 2, **CHOICES)
    wanted, kept = contents(tmp_path), tmp_path / "videos" / "clip-000000-0.mp4"
    stamp = kept.stat().st_mtime_ns
    (tmp_path / "videos" / "clip-000001-0.mp4").unlink()
    (tmp_path / "metadata.jsonl").unlink()
    seen = []
    render_dataset(tmp_path, 2, **CHOICES, on_progress=lambda done, total: seen.append((done, total)))
    assert contents(tmp_path) == wanted and kept.stat().st_mtime_ns == stamp
    assert seen == [(2, 2)]


def test_another_seed_is_refused_in_the_same_folder(tmp_path):
    render_dataset(tmp_path, **CHOICES)
    with pytest.raises(ValueError, match="another folder"):
        render_dataset(tmp_path, **CHOICES | {"seed": 4})


def test_long_clips_are_single_ones_of_several_windows(tmp_path):
    render_dataset(tmp_path, long=3, **CHOICES)
    rows = [json.loads(line) for line in (tmp_path / "metadata.jsonl").read_text("utf-8").splitlines()]
    assert [row["conversation"] for row in rows] == [f"long-{index:06d}" for index in range(3)]
    assert all(row["action"] == "new" and from_json(row["scene"]).frames in LONG_FRAMES for row in rows)
    assert len(read_video(tmp_path / rows[0]["file_name"])[0]) == from_json(rows[0]["scene"]).frames


def test_turns_are_handed_over_without_files():
    turns = list(rendered_turns(0, Choices(turns=(3, 3), shapes={(32, 32): 1}, frames={5: 1})))
    assert [one.number for one in turns] == [0, 1, 2]
    assert all(len(one.clip.frames_THWC) == one.turn.scene.frames for one in turns)


def test_a_sheet_shows_a_folder_and_says_when_there_is_none(tmp_path):
    render_dataset(tmp_path / "set", 2, **CHOICES)
    contact_sheet(tmp_path / "set", tmp_path / "sheet.png", 8)
    assert (tmp_path / "sheet.png").stat().st_size > 500
    with pytest.raises(ValueError, match=r"metadata\.jsonl"):
        contact_sheet(tmp_path, tmp_path / "none.png", 8)


WITHOUT_PYAV = """
from gpt_video.diorama.make import contact_sheet, render_dataset
from gpt_video.shards import tokenize_folder
from tokenizer import VideoTokenizer
from tokenizer.train import main

render_dataset("set", 2, 1, 1, turns=(2, 2), workers=2, shapes={(32, 32): 1}, frames={5: 1})
sizes = "--steps 1 --preset tiny --shapes 32x32 --frames 5 --latent-frames 2 --validation-clips 1"
main(["--data", "set", "--validation", "set", "--out", "run", *sizes.split()])
tokenize_folder("set", "tokens", VideoTokenizer.from_pretrained("run/model").eval(), shapes=((32, 32),))
contact_sheet("set", "sheet.png", 2)
"""


def test_without_pyav_the_world_is_rendered_trained_on_and_tokenized(tmp_path):
    pytest.importorskip("pyarrow", reason="token shards need pyarrow (extra `train`)")
    from gpt_video.shards import read_shards

    (tmp_path / "av.py").write_text("raise ModuleNotFoundError('No module named av')")  # for the workers too
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    line = [sys.executable, "-c", WITHOUT_PYAV]
    result = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("PyAV is not installed") == 1
    assert {path.suffix for path in (tmp_path / "set" / "videos").iterdir()} == {".npz"}
    conversations = read_shards(tmp_path / "tokens").conversations
    assert sorted(len(clip.codes_thw) for turns in conversations for clip in turns) == [1, 2, 2, 2, 2]
    assert (tmp_path / "sheet.png").stat().st_size > 500
