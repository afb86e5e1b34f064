"""Sharpening: the decoder learns to please a critic, and the codes stay as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from gpt_video.generate import VideoGenerator
from gpt_video.request import GenerateRequest
from tests.recipes import loaded
from tokenizer import VideoTokenizer, VideoTokenizerConfig, sharpen, sharpening
from tokenizer import train as tokenizer_train
from tokenizer.critic import Critic, seen, shown, surprise
from tokenizer.data import UNNAMED, ClipFolder
from tokenizer.report import evaluate
from tokenizer.video import write_video

pytest_plugins = ["tests.bundle_fixture"]


def test_the_critic_names_every_cell_of_any_frame():
    critic = Critic(classes=3, widths=(8, 8, 8)).eval()
    for height, width in ((64, 64), (72, 120), (20, 12)):  # 18 x 30 and 5 x 3 cells: odd sides on the way down
        logits, features = critic(torch.randn(2, 6, height, width))
        assert logits.shape == (2, 5, height // 4, width // 4) and len(features) == 5
    assert critic.drawn == 4


def test_what_is_seen_is_a_frame_and_its_change():
    clip = torch.randn(2, 3, 5, 8, 8)
    looks = seen(clip, torch.tensor([[0, 3], [4, 1]]))
    assert torch.equal(looks[0, :3], clip[0, :, 0]) and not looks[0, 3:].any()
    assert torch.equal(looks[1], torch.cat([clip[0, :, 3], clip[0, :, 3] - clip[0, :, 2]]))
    assert torch.equal(looks[3], torch.cat([clip[1, :, 1], clip[1, :, 1] - clip[1, :, 0]]))


def test_what_is_shown_is_the_class_in_the_middle_of_a_cell():
    masks = torch.zeros(1, 2, 8, 8, dtype=torch.uint8)
    masks[0, 1, :4, :4] = 3
    masks[0, 1, 4:, 4:6] = 2  # does not reach the middle
    assert shown(masks, torch.tensor([[1, 0]]), 8, 8).tolist() == [[[3, 0], [0, 0]], [[0, 0], [0, 0]]]
    assert not shown(None, torch.tensor([[1, 0]]), 8, 12).any() and shown(None, torch.tensor([[0]]), 8, 12).shape == (
        1,
        2,
        3,
    )


def test_the_surprise_by_its_closed_form():
    logits = torch.zeros(1, 3, 1, 3)
    logits[0, 1, 0, 1] = 100.0  # sure of class 1 in the second cell
    cells = torch.tensor([[[0, 1, UNNAMED]]])
    assert float(surprise(logits, cells, cells)) == pytest.approx(np.log(3) / 6)  # weights 1, 5 and 0
    assert float(surprise(logits, torch.full_like(cells, 2), cells)) == pytest.approx(
        (np.log(3) + 5 * 100) / 6, rel=1e-4
    )
    nothing = torch.full_like(cells, UNNAMED)
    assert float(surprise(logits, nothing, nothing)) == 0


def test_error_and_wish_pull_equally_hard():
    pixels = torch.tensor([3.0, 4.0], requires_grad=True)
    gradient = sharpening.balanced((pixels * torch.tensor([6.0, 0.0])).sum(), 0.001 * pixels[1], pixels)
    assert gradient.tolist() == pytest.approx([6.0, 6.0])


def test_the_mean_forgets_where_it_began():
    model = VideoTokenizer(VideoTokenizerConfig.preset("tiny"))
    average = sharpening.Average(model)
    torch.nn.init.constant_(model.decoder.head.bias, 1.0)
    for _ in range(200):
        average.add(model)
    assert average.model.decoder.head.bias.min() > 0.99
    assert torch.equal(average.model.encoder.stem.weight, model.encoder.stem.weight)


# Runs


@pytest.fixture
def small_critic(monkeypatch):
    """For what does not depend on how much the critic sees: a step of the real one takes a second on a slow processor."""
    monkeypatch.setattr(sharpening, "Critic", partial(Critic, widths=(16, 16, 16)))


@pytest.fixture(scope="module")
def trained(square_clips, tmp_path_factory):
    """The folder of a tokenizer that has seen the squares for a few steps."""
    out = tmp_path_factory.mktemp("trained")
    line = "--preset tiny --latent-frames 4 --frames 5 --stills 0.5 --steps 30 --learning-rate 5e-3"
    tokenizer_train.main(["--data", str(square_clips), "--out", str(out), *line.split()])
    return out / "model"


def line(init, data, out, steps, *more):
    flags = ["--latent-frames", "4", "--frames", "5", "--evaluate-every", "10"]
    return ["--init", str(init), "--data", str(data), "--out", str(out), "--steps", str(steps), *flags, *more]


def test_the_codes_stay_and_the_decoder_changes(trained, square_clips, tmp_path, small_critic):
    result = sharpen.main(line(trained, square_clips, tmp_path, 10, "--validation", str(square_clips)))
    assert result["edges"] > 0 and (tmp_path / "sheet-last.png").stat().st_size > 1000
    before, after = VideoTokenizer.from_pretrained(trained), VideoTokenizer.from_pretrained(tmp_path / "model")
    clip = ClipFolder(square_clips, before.config.shapes).batch(0, 0, clips=2, frames=5).clip_BCTHW
    with torch.inference_mode():
        codes = before.encode(clip)
        assert torch.equal(codes, after.encode(clip))
        assert not torch.equal(before.decode(codes), after.decode(codes))
    changed = {
        name.split(".")[0]
        for name, value in before.state_dict().items()
        if not torch.equal(value, after.state_dict()[name])
    }
    assert changed <= {"decoder", "quantizer"}


def test_a_cut_run_ends_where_an_uninterrupted_one_does(trained, square_clips, tmp_path, cut_at, small_critic):
    sharpen.main(line(trained, square_clips, tmp_path / "straight", 24))
    with cut_at(sharpen, "check_finite", 17):
        sharpen.main(line(trained, square_clips, tmp_path / "cut", 24))
    assert [path.name for path in (tmp_path / "cut").glob("checkpoint*")] == ["checkpoint-00000010"]
    sharpen.main(line(trained, square_clips, tmp_path / "cut", 24))
    a, b = (VideoTokenizer.from_pretrained(tmp_path / name / "model") for name in ("straight", "cut"))
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y), name


def test_it_runs_without_masks_and_without_classes(trained, square_clips, tmp_path, small_critic):
    rows = [{"file_name": str(path)} for path in sorted(square_clips.glob("*.mp4"))]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    numbers = sharpen.main(line(trained, tmp_path, tmp_path / "out", 4))
    assert 0 <= numbers["named"] <= 1 and numbers["matching"] > 0


@pytest.mark.parametrize("wrong", ["init", "data", "minutes"])
def test_wrong_input_is_one_sentence(trained, square_clips, tmp_path, wrong):
    given = {"init": str(trained), "data": str(square_clips), "out": str(tmp_path / "out"), "minutes": "1"}
    given[wrong] = "0" if wrong == "minutes" else str(tmp_path / "nowhere")
    with pytest.raises(
        ValueError, match={"init": "holds no tokenizer", "data": "is not a folder", "minutes": "above 0"}[wrong]
    ):
        sharpen.main([part for name, value in given.items() for part in (f"--{name}", value)])


def test_a_lost_run_stops_and_says_why():
    with pytest.raises(SystemExit, match="not finite"):
        sharpen.check_finite({"l1": float("nan")}, 7)


@pytest.mark.parametrize("changed", ["decoder", "encoder"])
def test_a_model_gets_the_sharper_decoder_and_no_other_codes(tiny_bundle, square_clips, tmp_path, capsys, changed):
    video_tokenizer = VideoTokenizer.from_pretrained(tiny_bundle / "tokenizer")
    with torch.no_grad():
        (video_tokenizer.decoder.head if changed == "decoder" else video_tokenizer.encoder.stem).bias += 0.125
    video_tokenizer.save_pretrained(tmp_path / "run" / "model", dtype=torch.float16)
    (tmp_path / "run" / "log.jsonl").write_text('{"step": 9, "minutes": 1.5, "validation": {"edges": 0.9}}\n')
    given = ["--model", str(tiny_bundle), "--tokenizer", str(tmp_path / "run"), "--out", str(tmp_path / "new")]
    given += ["--data", str(square_clips)]
    with loaded("sharper_bundle") as recipe:
        if changed == "encoder":
            with pytest.raises(ValueError, match="makes other codes"):
                recipe.main(given)
            return
        recipe.main(given)
    generators = [VideoGenerator.from_pretrained(path, dtype=torch.float32) for path in (tiny_bundle, tmp_path / "new")]
    old, new = (generator.generate(GenerateRequest("a red ball", seconds=1, seed=3)) for generator in generators)
    assert np.array_equal(old.codes_thw, new.codes_thw) and not np.array_equal(old.frames_THWC, new.frames_THWC)
    facts = json.loads((tmp_path / "new" / "training_data.json").read_text("utf-8"))
    expected = {"from": old.model_hash, "steps": 9, "minutes": 1.5, "validation": {"edges": 0.9}}
    assert facts["sharpened"] == [expected | {"clips": 6, "licences": {"not stated": 6}}]
    assert capsys.readouterr().out.split() == [new.model_hash]


def stripes(phase: int) -> np.ndarray:
    """frames_THWC of a field of stripes that begin anywhere."""
    x = (np.arange(64) + phase) // 2 % 2
    return np.broadcast_to((60 + 130 * x)[None, None, :, None], (5, 64, 64, 3)).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.timeout(900)  # a critic's step takes seconds on a busy processor without AVX-512
def test_stripes_that_the_codes_do_not_place_are_drawn_and_not_averaged(tmp_path, monkeypatch):
    for phase in range(8):
        write_video(tmp_path / f"{phase}.mp4", stripes(phase), 8.0)
    rows = [{"file_name": f"{phase}.mp4"} for phase in range(8)]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    blurred = VideoTokenizer(replace(VideoTokenizerConfig.preset("tiny"), shapes=((64, 64),)))
    torch.nn.init.zeros_(blurred.quantizer.into.weight)  # every code is the same
    blurred.save_pretrained(tmp_path / "init")
    clips = ClipFolder(tmp_path, blurred.config.shapes)

    def edges_after(name):
        sharpen.main(line(tmp_path / "init", tmp_path, tmp_path / name, 80, "--learning-rate", "2e-3"))
        return evaluate(VideoTokenizer.from_pretrained(tmp_path / name / "model"), clips, 8)["edges"]

    pulled_both_ways = edges_after("both")
    monkeypatch.setattr(sharpening, "balanced", lambda error, wish, pixels: torch.autograd.grad(error, pixels)[0])
    small = partial(Critic, widths=(16, 16, 16))  # nobody asks it
    monkeypatch.setattr(sharpening, "Critic", small)
    assert pulled_both_ways > 2 * edges_after("error")  # 0.63 and 0.12 when this was written
