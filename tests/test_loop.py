"""What the training loops share: the learning rate, checkpoints that a cut cannot lose, and errors as a person sees them."""

import argparse
import os
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch

from tokenizer import optimizer, precision
from tokenizer.loop import WARM_UP_STEPS, Clock, newest_checkpoint, save_checkpoint, set_learning_rate

ROOT = Path(__file__).parents[1]


class FakeAccelerator:
    """One process, whose state is a file; `device` and `reduce` as accelerate has them."""

    is_main_process, device = True, torch.device("cpu")

    def wait_for_everyone(self) -> None:
        pass

    def reduce(self, value: torch.Tensor, reduction: str) -> torch.Tensor:
        return {"mean": value * 3}[reduction]  # as if the other processes were slower

    def save_state(self, folder: str) -> None:
        Path(folder).mkdir()
        (Path(folder) / "state").write_text("whole")


def test_the_rate_warms_up_holds_and_falls():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=2.0)

    def rate(step, progress):
        set_learning_rate([optimizer], step, progress)
        return optimizer.param_groups[0]["lr"]

    assert rate(0, 0) == pytest.approx(2 / WARM_UP_STEPS)
    assert rate(1000, 0.3) == rate(1000, 0.5) == 2
    assert rate(1000, 0.75) == pytest.approx(1)
    assert rate(1000, 0.999) == pytest.approx(0.04)


def test_the_clock_counts_steps_and_the_mean_time_of_all_processes():
    clock = Clock()
    assert clock.tick(20.0, FakeAccelerator()) == 60
    assert (clock.step, clock.minutes) == (1, 1)
    assert clock.progress(argparse.Namespace(steps=0, minutes=4)) == 0.25
    assert clock.progress(argparse.Namespace(steps=10, minutes=4), step=5) == 0.5
    for steps, minutes in ((0, 0), (0, -1), (-1, 4), (0, float("nan"))):
        with pytest.raises(ValueError, match=r"--steps .* and --minutes .*: give one of them a number above 0"):
            clock.progress(argparse.Namespace(steps=steps, minutes=minutes))
    again = Clock()
    again.load_state_dict(clock.state_dict())
    assert again == clock


@pytest.mark.parametrize("cut", ["save_state", "rename", "rmtree"])
def test_a_cut_while_saving_leaves_a_whole_checkpoint(tmp_path, monkeypatch, cut):
    save_checkpoint(tmp_path, FakeAccelerator(), 999)

    def power_cut(*args, **options):
        raise KeyboardInterrupt

    owner = {"save_state": FakeAccelerator, "rename": Path, "rmtree": shutil}[cut]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if cut == "rmtree":  # the one of the older state: the clearing of half-written ones comes before
            real = shutil.rmtree
            patch.setattr(shutil, cut, lambda path, **options: real(path, **options) if options else power_cut())
        else:
            patch.setattr(owner, cut, power_cut)
        save_checkpoint(tmp_path, FakeAccelerator(), 1000)
    newest = newest_checkpoint(tmp_path)
    assert newest.name == ("checkpoint-00001000" if cut == "rmtree" else "checkpoint-00000999")
    assert (newest / "state").read_text() == "whole"
    save_checkpoint(tmp_path, FakeAccelerator(), 1001)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00001001"]


def test_the_newest_checkpoint_is_that_of_the_latest_step_and_half_a_one_is_none(tmp_path):
    (tmp_path / "checkpoint.part").mkdir()
    assert newest_checkpoint(tmp_path) is None
    for step in (8, 12_345_678, 9_999):
        (tmp_path / f"checkpoint-{step:08d}").mkdir()
    assert newest_checkpoint(tmp_path).name == "checkpoint-12345678"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("tokenizer.train --data nowhere --out out", "nowhere is not a folder"),
        ("tokenizer.report --data nowhere --model nowhere", "nowhere holds no tokenizer"),
        ("gpt_video.train --shards nowhere --text nowhere --out out", "nowhere"),
        ("recipes/default.py --data nowhere --out out", "nowhere has no metadata.jsonl"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning:runpy")
def test_a_wrong_folder_is_one_sentence_and_exit_code_2(tmp_path, monkeypatch, capsys, command, sentence):
    program, *options = command.split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [program, *options])
    with pytest.raises(SystemExit) as end:
        if os.sep in program:
            runpy.run_path(str(ROOT / program), run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__")
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert error.startswith("error: ") and sentence in error and error.count("\n") == 1


def test_the_recipe_says_what_is_missing_where_nothing_can_be_rendered(tmp_path, monkeypatch, capsys):
    from gpt_video.diorama import make
    from gpt_video.diorama.render import RendererUnavailable

    def unavailable(*args, **options):
        raise RendererUnavailable("MuJoCo cannot draw here: install libegl1")

    monkeypatch.setattr(make, "render_dataset", unavailable)
    monkeypatch.setattr(sys, "argv", ["default.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "recipes" / "default.py"), run_name="__main__")
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: MuJoCo cannot draw here: install libegl1\n"


@pytest.mark.parametrize(
    ("wanted", "gain", "answer"),
    [("", 5.0, "bf16"), ("", 0.05, "no"), ("", 1.0, "no"), ("float32", 5.0, "no"), ("bfloat16", 0.05, "bf16")],
)
def test_a_processor_trains_in_bf16_where_that_is_faster(monkeypatch, wanted: str, gain: float, answer: str) -> None:
    monkeypatch.setattr(precision, "probe_gain", lambda: gain)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setenv("GPT_VIDEO_DTYPE", wanted)
    # Not the remembered answer, which other tests of this process go on with: a second probe might find another.
    assert precision.mixed_precision.__wrapped__() == answer


def test_the_probe_is_a_ratio_and_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    with torch.no_grad():  # as in an optimizer's step
        assert 0.001 < precision.probe_gain(channels=8, side=16, repeats=1) < 1000
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("rule", [None, "match_rms_adamw"])
def test_muon_in_float32_is_torchs_but_for_rounding(monkeypatch, rule: str | None) -> None:
    generator = torch.Generator().manual_seed(0)
    starts = [torch.randn(shape, generator=generator) for shape in ((24, 8), (8, 24), (16, 16))]
    steps = [[torch.randn(start.shape, generator=generator) for start in starts] for _ in range(4)]

    def moved(kind: type[torch.optim.Muon]) -> list[torch.Tensor]:
        weights = [torch.nn.Parameter(start.clone()) for start in starts]
        muon = kind(weights, lr=0.1, weight_decay=0.1, adjust_lr_fn=rule)
        for gradients in steps:
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient.clone()
            muon.step()
        return [weight.detach() - start for weight, start in zip(weights, starts, strict=True)]

    expected = moved(torch.optim.Muon)
    monkeypatch.setattr(optimizer, "mixed_precision", lambda: "no")
    for ours, theirs in zip(moved(optimizer.Muon), expected, strict=True):
        assert not torch.equal(ours, theirs) and (ours - theirs).norm() < 0.02 * theirs.norm()
    monkeypatch.setattr(optimizer, "mixed_precision", lambda: "bf16")
    assert all(map(torch.equal, moved(optimizer.Muon), expected))
