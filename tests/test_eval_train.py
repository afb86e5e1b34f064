"""Training of the small networks: each learns something in a few steps, resumes exactly, and leaves files that load."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from eval import diorama_nets as nets
from eval import train
from eval.clip_score import clip_score
from eval.clips import RenderedClips
from eval.judge import Judge
from eval.objectives import TASKS, tampered
from eval.store import WEIGHTS
from tests.painted_scenes import data_set

pytest.importorskip("tokenizers", reason="training the tiny CLIP needs the `tokenizers` library (extra `train`)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return data_set(tmp_path_factory.mktemp("train") / "set", 9, size=(64, 64))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(train, "FRAMES", dict.fromkeys(TASKS, 6))


def run(what: str, folder, out, steps: int) -> dict:
    arguments = ["--data", folder, "--validation", folder, "--out", out, "--steps", steps, "--coded-share", 0]
    return train.main([what, *map(str, arguments)])


def weights(out, what: str) -> dict[str, torch.Tensor]:
    names = {"judge": "judge", "clip": "model", "features": "diorama-features"}
    return load_file(out / "model" / f"{names[what]}.safetensors")


@pytest.mark.parametrize("what", list(TASKS))
def test_a_run_that_was_cut_off_ends_with_the_same_weights(folder, tmp_path, monkeypatch, what: str):
    run(what, folder, tmp_path / "whole", 3)

    # The rate follows the share of the run that is done, so a cut run is one that was stopped, not one that was shorter.
    def cut(out, accelerator, step, save=train.save_checkpoint):
        save(out, accelerator, step)
        raise KeyboardInterrupt

    parser = ["--data", folder, "--out", tmp_path / "cut", "--steps", 3, "--coded-share", 0, "--evaluate-every", 2]
    monkeypatch.setattr(train, "save_checkpoint", cut)
    with pytest.raises(KeyboardInterrupt):
        train.main([what, *map(str, parser)])
    monkeypatch.undo()
    monkeypatch.setattr(train, "FRAMES", dict.fromkeys(TASKS, 6))
    run(what, folder, tmp_path / "cut", 3)
    whole, resumed = weights(tmp_path / "whole", what), weights(tmp_path / "cut", what)
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_judge_carries_its_accuracy(folder, tmp_path):
    result = run("judge", folder, tmp_path, 2)
    judge = Judge.load(tmp_path / "model")
    assert judge.ceiling == result["accuracy"] and judge.record["training"]["steps"] == 2
    assert {"kind", "colour", "place", "time"} <= judge.ceiling.keys()
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["validation"] == result


@pytest.mark.parametrize("what", list(TASKS))
def test_networks_are_of_the_world_of_their_clips(tmp_path, what: str):
    result = run(what, data_set(tmp_path / "set", 6, size=(64, 64), world="wide"), tmp_path / "out", 1)
    assert result
    if what == "judge":
        assert (
            Judge.load(tmp_path / "out" / "model").world == "wide" and {"style", "weather"} <= result["accuracy"].keys()
        )
        return
    name = {"clip": nets.CLIP_RECORD, "features": "diorama-features.json"}[what]
    assert json.loads((tmp_path / "out" / "model" / name).read_text())["world"] == "wide"
    if what == "features":
        assert "trained on the wide diorama" in nets.diorama_extractor(tmp_path / "out" / "model").settings


def test_the_tiny_clip_is_scored_by_the_code_of_any_clip_under_its_own_name(folder, tmp_path):
    run("clip", folder, tmp_path, 2)
    network = nets.diorama_clip(tmp_path / "model")
    frames = np.zeros((3, 96, 160, 3), np.uint8)
    score, _ = clip_score([frames, frames + 90], ["a red ball", "un chien bleu"], network)
    assert score.name.startswith("diorama-clip") and score.protocol.extractor_sha256 == network.sha256
    (tmp_path / "model" / nets.CLIP_RECORD).write_text('{"sha256": "0"}')
    with pytest.raises(ValueError, match="damaged"):
        nets.diorama_clip(tmp_path / "model")


def test_the_features_are_an_extractor_like_any_other(folder, tmp_path):
    run("features", folder, tmp_path, 2)
    extractor = nets.diorama_extractor(tmp_path / "model")
    clips = [np.random.default_rng(n).integers(0, 256, (9, 96, 160, 3), dtype=np.uint8) for n in range(3)]
    features_ND = extractor(clips)
    assert features_ND.shape == (3, nets.FEATURES) and np.array_equal(extractor(clips[1:2])[0], features_ND[1])
    with pytest.raises(ValueError, match="no readable diorama-features"):
        nets.diorama_extractor(tmp_path)


def test_the_measure_of_change_sees_frozen_and_shuffled_frames_through_noise():
    generator = torch.Generator().manual_seed(0)
    ramp_T = torch.linspace(-0.5, 0.5, 9)
    moving = ramp_T.view(1, 1, 9, 1, 1).expand(1, 3, 9, 32, 32) + 0.05 * torch.randn(
        1, 3, 9, 32, 32, generator=generator
    )
    frozen = moving[:, :, :1].expand_as(moving)
    shuffled = moving[:, :, [4, 0, 7, 2, 8, 1, 6, 3, 5]]
    step, over_two, bend = nets.change(moving).view(3, 3).mean(dim=1)
    assert nets.change(frozen).max() < step - 2
    assert bend < step < over_two and nets.change(shuffled).view(3, 3).mean(dim=1)[2] > bend + 1
    assert torch.equal(nets.change(moving[:, :, :1]), nets.change(frozen[:, :, :1]))  # a still: no step at all
    assert nets.FeatureNet()(moving[:, :, :1]).isfinite().all()


def test_losses_fall(folder):
    """Painted blocks are easy: a few steps on the same batch must lower every network's loss."""
    clips = RenderedClips([folder])
    for what, task_of in TASKS.items():
        torch.manual_seed(0)
        task = task_of(clips, 0, 6)
        optimizers, batch, seen = task.optimizers(1e-3), task.batch(0), []
        for _ in range(5):
            loss = sum(task.losses(task.model, batch).values())
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            seen.append(float(loss.detach()))
        assert seen[-1] < 0.97 * seen[0], what


def test_what_was_done_to_a_clip_is_what_its_labels_say():
    clip = torch.linspace(-1, 1, 9)[:, None, None, None].expand(9, 3, 128, 128).clone()
    seen = set()
    for seed in range(60):
        out, what = tampered(clip, np.random.default_rng(seed))
        steps = out.mean(dim=(1, 2, 3)).diff()
        name = nets.TAMPERING[int(what["tampering"])]
        seen.add(name)
        assert out.shape == clip.shape and (what["quality"] >= 0).all()
        if name == "frozen":
            assert steps.abs().max() < 0.02
        if name == "as it is":
            assert (steps > 0.1).all()
        if name == "reversed":
            assert (steps < -0.1).all()
    assert seen == set(nets.TAMPERING)


def test_a_missing_folder_is_an_error_and_not_a_traceback(tmp_path):
    with pytest.raises(ValueError, match=r"metadata\.jsonl"):
        train.main(["judge", "--data", str(tmp_path), "--out", str(tmp_path / "out")])


def test_a_judge_of_a_wider_world_starts_from_what_the_embedded_one_knows(folder):
    clips = RenderedClips([folder])
    clips.world = "wide"
    task = TASKS["judge"](clips, 0, 6)
    before = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    task.start_from(WEIGHTS)
    known, after = Judge.load().net.state_dict(), task.model.state_dict()
    assert all(torch.equal(after[name][: len(tensor)], tensor) for name, tensor in known.items())
    kinds = len(known["slots.kind"])
    assert torch.equal(after["finds.1.weight"][1 + kinds :], before["finds.1.weight"][1 + kinds :])  # new kinds


def test_the_average_lies_halfway_between_the_start_and_what_became_of_it(folder):
    clips = RenderedClips([folder])
    clips.world = "core"
    task = TASKS["judge"](clips, 0, 6)
    trained = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    task.average_with(WEIGHTS)
    start = Judge.load().net.state_dict()
    for name, tensor in task.model.state_dict().items():
        assert torch.allclose(tensor, (start[name] + trained[name]) / 2, atol=1e-6)


def test_the_average_of_one_is_none(folder, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main(["judge", "--data", str(folder), "--out", str(tmp_path / "out"), "--average"])
    assert "--init" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_judge_of_a_narrower_world_cannot(folder, tmp_path):
    clips = RenderedClips([folder])
    clips.world = "wide"
    TASKS["judge"](clips, 0, 6).save(tmp_path, {"accuracy": {}, "n": {}, "mean": 0.0}, {})
    clips.world = "core"
    with pytest.raises(ValueError, match="is of a world that core does not widen"):
        TASKS["judge"](clips, 0, 6).start_from(tmp_path)
    with pytest.raises(ValueError, match="--init is for the judge"):
        TASKS["clip"](clips, 0, 6).start_from(tmp_path)
