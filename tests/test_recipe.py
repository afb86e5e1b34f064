"""The recipe at its smallest budget: on a folder of mixed clips, as a user would bring, and on the diorama."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.recipes import loaded

ROOT = Path(__file__).parents[1]
# (name, frames, fps, height, width): sizes, frame rates and containers as they come
CLIPS = [
    ("a.mp4", 20, 10, 144, 144),
    ("b.mp4", 50, 24, 120, 208),
    ("c.gif", 12, 8, 96, 96),
    ("d.mp4", 75, 30, 201, 111),
    ("e.mov", 18, 8, 160, 284),
    ("f.mp4", 3, 8, 128, 128),
    ("g.mp4", 90, 8, 128, 130),
    ("h.mp4", 16, 8, 96, 160),
]


def recipe(*args: object, script: str = "default.py --budget smoke") -> subprocess.CompletedProcess[str]:
    """Runs the recipe in a process of its own."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    offline = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": path}
    environment = {**os.environ, **offline}
    line = [sys.executable, *f"recipes/{script}".split(), *map(str, args)]
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)


def check_model(out: Path) -> None:
    """The result is a whole model that makes a video, with a sheet to look at."""
    from gpt_video.generate import GenerateRequest, VideoGenerator

    generator = VideoGenerator.from_pretrained(out / "bundle")
    video = generator.generate(GenerateRequest("a red ball", seconds=0.125))
    assert video.frames_THWC.shape[0] == 1
    assert (out / "contact_sheet.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads((out / "bundle" / "training_data.json").read_text("utf-8"))["budget"] == "smoke"


@pytest.fixture
def my_clips(tmp_path: Path) -> Path:
    """A folder of videos with captions, of every kind that is likely."""
    from tokenizer.video import write_video

    folder = tmp_path / "clips"
    folder.mkdir()
    lines = []
    for index, (name, n_frames, fps, height, width) in enumerate(CLIPS):
        frames_THWC = np.full((n_frames, height, width, 3), 30 * index, np.uint8)
        for i, frame_HWC in enumerate(frames_THWC):
            frame_HWC[height // 3 : height // 2, i % (width - 40) : i % (width - 40) + 40] = (220, 40, 40)
        written = folder / (Path(name).stem + ".mp4" if name.endswith(".mov") else name)
        write_video(written, frames_THWC, fps)
        written.rename(folder / name)
        lines.append(json.dumps({"file_name": name, "text": f"a red square slides over grey number {index}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_own_clips_become_a_model_and_a_second_run_changes_nothing(my_clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = recipe("--data", my_clips, "--out", out)
    assert result.returncode == 0, result.stderr[-3000:]
    check_model(out)
    sums = (out / "bundle" / "SHA256SUMS").read_bytes()
    again = recipe("--data", my_clips, "--out", out)
    assert again.returncode == 0 and again.stdout.count("done before") == 8
    assert (out / "bundle" / "SHA256SUMS").read_bytes() == sums


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_diorama_becomes_a_model(tmp_path: Path) -> None:
    needs_renderer()
    result = recipe("--out", tmp_path)
    assert result.returncode == 0, result.stderr[-3000:]
    check_model(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_recipe_of_one_gpu_becomes_a_model_without_any(tmp_path: Path) -> None:
    from gpt_video.bundle import DEFAULT_FOLDER, model_hash

    needs_renderer()
    few = ("--minutes", 1.2, "--workers", 1, "--packers", 1, "--held", 3, "--first", 2, "--latent-frames", 6)
    few = (*few, "--preset", "tiny", "--tokens-per-batch", 1024)
    done = recipe("--out", tmp_path / "run", *few, script="one_gpu.py")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "run" / "bundle" / "training_data.json").read_text("utf-8"))
    facts = manifest[f"trained on from {model_hash(DEFAULT_FOLDER)[:12]}"]
    assert manifest["world"] == "wide" and facts["tokenizer"]["steps"] > 0 and facts["gpt"]["steps"] > 0
    assert facts["shards"]["held"]["conversations"] == 3 and facts["shards"]["stills"]["conversations"] >= 2
    again = recipe("--out", tmp_path / "run", script="one_gpu.py")
    assert again.returncode != 0 and "holds a run already" in again.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_embedded_model_is_trained_on(tmp_path: Path) -> None:
    from transformers import Qwen3ForCausalLM

    from gpt_video.bundle import DEFAULT_FOLDER, load_bundle

    needs_renderer()
    few = ("--share", 0.0001, "--held", 1, "--minutes", 0.05, "--workers", 1, "--tokens-per-batch", 1024)
    done = recipe("--out", tmp_path, *few, script="train_on.py")
    assert done.returncode == 0, done.stderr
    made, kept = load_bundle(tmp_path / "bundle"), load_bundle(DEFAULT_FOLDER)
    assert made.tokenizer_hash == kept.tokenizer_hash and made.model_hash != kept.model_hash
    facts = json.loads((tmp_path / "bundle" / "training_data.json").read_text("utf-8"))
    run = facts[f"trained on from {kept.model_hash[:12]}"]
    assert run["data"]["long"]["conversations"] == 2 and facts["world"] == "wide"
    folders = (DEFAULT_FOLDER / "gpt", tmp_path / "gpt" / "gpt", tmp_path / "bundle" / "gpt")
    gpts = [Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32) for folder in folders]
    was, became, kept_of_both = (gpt.get_input_embeddings().weight for gpt in gpts)
    mean = 0.4 * was + 0.6 * became
    assert (became != was).any() and (kept_of_both - mean).abs().max() < 0.01 * mean.abs().max()
    again = recipe("--out", tmp_path, *few, script="train_on.py")
    assert again.returncode == 0 and load_bundle(tmp_path / "bundle").model_hash == made.model_hash


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_gpu_may_keep_the_embedded_tokenizer(tmp_path: Path) -> None:
    from gpt_video.bundle import DEFAULT_FOLDER, load_bundle
    from gpt_video.shards import write_shards
    from tokenizer import VideoTokenizer

    needs_renderer()
    video_tokenizer = VideoTokenizer.from_pretrained(DEFAULT_FOLDER / "tokenizer")
    shown = [({"text": "a red ball"}, np.zeros((1, 96, 96, 3), np.uint8))]
    write_shards(shown, tmp_path / "shards", video_tokenizer)
    few = ("--minutes", 0.6, "--workers", 1, "--packers", 1, "--held", 3, "--tokens-per-batch", 512)
    more = ("--shards", tmp_path / "shards", "--beside", 1, "--average", 0.5)
    done = recipe("--out", tmp_path / "run", "--tokenizer", "embedded", *few, *more, script="one_gpu.py")
    assert done.returncode == 0, done.stderr
    made, kept = load_bundle(tmp_path / "run" / "bundle"), load_bundle(DEFAULT_FOLDER)
    assert made.tokenizer_hash == kept.tokenizer_hash and made.model_hash != kept.model_hash
    facts = json.loads((tmp_path / "run" / "bundle" / "training_data.json").read_text("utf-8"))
    run = facts[f"trained on from {kept.model_hash[:12]}"]
    assert facts["world"] == "wide" and run["gpt"]["steps"] > 0 and run["shards"]["shards"]["conversations"] == 1
    assert run["a deeper GPT beside it"]["layers"] == run["gpt"]["layers"] + 1 and "tokenizer" not in run


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--shards", "x"], "give --tokenizer embedded too"),
        (["--beside", "7"], "--beside from 0 to 6"),
        (["--preset", "tiny", "--beside", "3"], "--beside from 0 to 2"),
        (["--preset", "huge"], "invalid choice"),
        (["--average", "2"], "from 0 to 1"),
    ],
)
def test_what_one_gpu_cannot_do_is_said_at_once(given: list[str], sentence: str, capsys) -> None:
    with loaded("one_gpu") as module, pytest.raises(SystemExit):
        module.parse(["--out", "x", *given])
    assert sentence in capsys.readouterr().err


def needs_renderer() -> None:
    """Skips where MuJoCo cannot draw."""
    from gpt_video.diorama.render import Renderer, RendererUnavailable

    try:
        Renderer(32, 32)
    except RendererUnavailable as error:
        pytest.skip(f"needs a GL back end: {error}")


@pytest.fixture(scope="module")
def default():
    """The recipe as a module, for what needs no process of its own."""
    with loaded("default") as module:
        yield module


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [(None, "no metadata.jsonl"), ('{"file_name": "a.mp4", "text": "x"}', "at least two"), ('{"text": 1}', "line 1")],
)
def test_a_wrong_folder_is_a_sentence(default, tmp_path: Path, metadata: str | None, sentence: str) -> None:
    if metadata is not None:
        (tmp_path / "metadata.jsonl").write_text(metadata)
    with pytest.raises(ValueError, match=sentence):
        default.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out" / "done").exists()


def test_another_run_in_the_same_folder_is_refused(default, tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"budget": "gpu", "data": null}')
    with pytest.raises(ValueError, match="another --out"):
        default.main(["--out", str(tmp_path)])


def test_own_clips_are_split_by_conversation(default, tmp_path: Path) -> None:
    lines = [
        {"file_name": f"{c}-{t}.mp4", "text": "x", "conversation": f"{c}", "turn": t, "mask": "m.npz"}
        for c in range(40)
        for t in (0, 1)
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert default.split_own_clips(tmp_path, tmp_path / "data") == {"train": 76, "held_out": 4}
    kept = [json.loads(line) for line in (tmp_path / "data/held_out/metadata.jsonl").read_text().splitlines()]
    assert [Path(line["file_name"]).name for line in kept] == ["10-0.mp4", "10-1.mp4", "30-0.mp4", "30-1.mp4"]
    assert all(Path(line[field]).parent == tmp_path for line in kept for field in ("file_name", "mask"))


def test_a_share_of_a_budget_is_less_of_everything_that_takes_time(default) -> None:
    whole, part = default.BUDGETS["cpu"], default.BUDGETS["cpu"].part(0.05)
    assert (part.clips, part.stills, part.conversations, part.held_out) == (300, 150, 125, 10)
    checkpoints = ("--evaluate-every 1000", "--evaluate-every 50")
    assert part.tokenizer == whole.tokenizer.replace("--minutes 80", "--minutes 4").replace(*checkpoints)
    assert part.sharpen == whole.sharpen.replace("--minutes 40", "--minutes 2").replace(*checkpoints)
    assert part.gpt == whole.gpt.replace("--minutes 300", "--minutes 15").replace(*checkpoints)
    assert default.BUDGETS["smoke"].part(1.0) == default.BUDGETS["smoke"]


def test_a_share_that_is_none_is_a_sentence(default, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        default.main(["--share", "5", "--out", str(tmp_path)])
    assert "at most 1" in capsys.readouterr().err
