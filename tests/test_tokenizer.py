"""The tokenizer's laws: grid and round trips, causality, streaming, codebook, losses, and its training loop."""

import argparse
import json

import numpy as np
import pytest
import torch

from tokenizer import VideoTokenizer, VideoTokenizerConfig
from tokenizer import train as tokenizer_train
from tokenizer.data import UNNAMED, ClipFolder
from tokenizer.losses import attention, class_surprise, edges, psnr, reconstruction
from tokenizer.model import PRESETS
from tokenizer.quantizer import Quantizer, usage
from tokenizer.report import evaluate, reconstruct


def shaken(config: VideoTokenizerConfig) -> VideoTokenizer:
    """A tokenizer in evaluation mode whose zero-initialised convolutions do something, so that laws are not met idly."""
    torch.manual_seed(0)
    model = VideoTokenizer(config)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    model.train()(torch.rand(2, 3, 1 + config.temporal_stride, 64, 64) * 2 - 1)
    return model.eval()


@pytest.fixture(scope="module")
def model() -> VideoTokenizer:
    return shaken(VideoTokenizerConfig.preset("tiny"))


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_encodes_and_decodes_to_the_shape_it_promises(name):
    model = VideoTokenizer(VideoTokenizerConfig.preset(name)).eval()
    frames = 1 + model.config.temporal_stride
    clip = torch.rand(1, 3, frames, 32, 64) * 2 - 1
    codes = model.encode(clip)
    assert codes.shape[1:] == model.grid(frames, 32, 64)
    assert model.clip_shape(*codes.shape[1:]) == (frames, 32, 64)
    assert codes.min() >= 0 and codes.max() < model.codebook_size
    assert model.decode(codes).shape == clip.shape


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 128, 128), (33, 96, 160), (9, 160, 96)])
def test_grid_and_clip_shape_are_inverses(model, frames, height, width):
    assert model.clip_shape(*model.grid(frames, height, width)) == (frames, height, width)


@pytest.mark.parametrize(("frames", "height", "width"), [(2, 128, 128), (0, 128, 128), (5, 120, 128), (5, 128, 8)])
def test_a_clip_that_does_not_fit_the_strides_is_an_error_that_names_it(model, frames, height, width):
    with pytest.raises(ValueError, match=rf"{frames} frames|{width}x{height}"):
        model.grid(frames, height, width)


def test_codes_do_not_see_the_future(model):
    clip = torch.rand(1, 3, 13, 32, 32) * 2 - 1
    changed = clip.clone()
    changed[:, :, 9:] = 0.3
    before, after = model.encode(clip), model.encode(changed)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.equal(before[:, 3:], after[:, 3:])
    assert torch.equal(before[:, :1], model.encode(clip[:, :, :1]))  # the first frame alone is an image


def test_frames_do_not_see_the_future_of_the_codes(model):
    codes = torch.randint(model.codebook_size, (1, 4, 2, 2))
    changed = codes.clone()
    changed[:, 2:] = 0
    assert torch.allclose(model.decode(codes)[:, :, :5], model.decode(changed)[:, :, :5], atol=1e-5)


def test_streamed_decoding_equals_decoding_at_once(model):
    codes = torch.randint(model.codebook_size, (2, 5, 3, 2))
    pieces = list(model.stream_decode(codes.unbind(1)))
    assert [piece.shape[2] for piece in pieces] == [1, 4, 4, 4, 4]
    assert torch.allclose(torch.cat(pieces, 2), model.decode(codes), atol=1e-4)


def test_the_sample_does_not_depend_on_its_batch(model):
    clips = torch.rand(3, 3, 5, 32, 32) * 2 - 1
    assert torch.equal(model.encode(clips)[1:2], model.encode(clips[1:2]))


@pytest.mark.parametrize("kind", ["fsq", "vq"])
def test_the_codes_look_up_what_the_forward_pass_gave(kind):
    torch.manual_seed(0)
    quantizer = Quantizer(kind, 16, 16, (5, 5, 5)).train()
    quantizer(torch.randn(8, 16, 4, 4))
    quantizer.eval()
    quantized = quantizer(torch.randn(2, 16, 3, 4))
    assert torch.allclose(quantizer.features(quantized.codes), quantized.features, atol=1e-5)


def test_gradients_reach_the_encoder_through_the_codebook():
    model = VideoTokenizer(VideoTokenizerConfig.preset("tiny"))
    rebuilt, _ = model(torch.rand(2, 3, 5, 32, 32))
    rebuilt.square().mean().backward()
    assert model.encoder.stem.weight.grad.abs().sum() > 0


def test_levels_under_five_are_refused():
    with pytest.raises(ValueError, match="at least 5"):
        Quantizer("fsq", 8, 8, (8, 4))


def test_usage_and_perplexity_of_known_distributions():
    assert usage(torch.arange(10), 20) == pytest.approx((0.5, 10.0))
    assert usage(torch.zeros(5, dtype=torch.long), 20) == pytest.approx((0.05, 1.0))


def test_a_saved_tokenizer_gives_the_same_codes(model, tmp_path):
    model.save_pretrained(tmp_path)
    again = VideoTokenizer.from_pretrained(tmp_path)
    clip = torch.rand(1, 3, 5, 32, 32) * 2 - 1
    assert again.config == model.config
    assert torch.equal(again.encode(clip), model.encode(clip))


@pytest.mark.parametrize("damage", ["absent", "config.json", "model.safetensors", "another"])
def test_a_folder_without_a_tokenizer_is_one_clear_error(model, tmp_path, damage):
    model.save_pretrained(tmp_path)
    if damage == "another":
        (tmp_path / "config.json").write_text(json.dumps({"no": "such field"}))
    elif damage != "absent":
        (tmp_path / damage).unlink()
    with pytest.raises(ValueError, match="holds no tokenizer"):
        VideoTokenizer.from_pretrained(tmp_path / "nothing" if damage == "absent" else tmp_path)


def test_pixels_of_a_subject_weigh_more_than_the_floor():
    clip = torch.zeros(1, 3, 1, 64, 64)
    masks = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    masks[..., 20:40, 20:40] = 1
    weights = attention(clip, masks)
    assert weights.mean() == pytest.approx(1, abs=1e-4)
    assert weights[0, 0, 0, 30, 30] > 3 * weights[0, 0, 0, 0, 0]
    clip[..., 20:40, 20:40] = 1.0  # without masks contrast stands in for them
    contrast = attention(clip, None)
    assert contrast[0, 0, 0, 20, 20] > 2 * contrast[0, 0, 0, 0, 0]


def test_losses_are_zero_for_equal_clips_and_positive_otherwise():
    clip = torch.rand(1, 3, 2, 32, 32)
    weights = attention(clip, None)
    assert all(float(x) == 0 for x in reconstruction(clip, clip, weights).values())
    assert all(float(x) > 0 for x in reconstruction(clip, 1 - clip, weights).values())


def test_the_surprise_of_classes_by_its_closed_form():
    masks = torch.zeros(1, 5, 32, 32, dtype=torch.uint8)
    masks[:, 1:, :16, :16] = 2
    unsure = torch.zeros(2, 4, 2, 2)
    assert float(class_surprise(unsure, masks, 4)) == pytest.approx(np.log(4))
    sure = torch.full((2, 4, 2, 2), -50.0)
    sure[:, 0] = 50.0
    sure[1, :, 0, 0] = torch.tensor([-50.0, -50.0, 50.0, -50.0])
    assert float(class_surprise(sure, masks, 4)) == pytest.approx(0, abs=1e-4)
    assert float(class_surprise(sure.flip(1), masks, 4)) > 10
    assert float(class_surprise(unsure, torch.full_like(masks, UNNAMED), 4)) == 0


def test_psnr_by_its_closed_form():
    a, b = torch.zeros(2, 1, 4, 4, 3), torch.full((2, 1, 4, 4, 3), 16.0)
    assert psnr(a, b).tolist() == pytest.approx([20 * np.log10(255 / 16)] * 2)
    masks = torch.zeros(2, 1, 4, 4)
    masks[:, :, :2] = 1
    b[:, :, 2:] = 99
    assert psnr(a, b, masks).tolist() == pytest.approx([20 * np.log10(255 / 16)] * 2)


def test_edges_are_the_steps_between_neighbours():
    frames = torch.zeros(1, 2, 4, 4, 3, dtype=torch.uint8)
    frames[:, :, :, 2:] = 200
    soft = frames.clone()
    soft[:, :, :, 1:3] = 50
    assert edges(frames, frames) == 1 and edges(frames // 2, frames) == 0.5
    assert edges(soft, frames) == 1  # one step of 200, or 50 + 150: it is contrast that counts
    assert edges(frames, torch.zeros_like(frames)) > 1000


SHAPES = VideoTokenizerConfig().shapes


def test_batches_are_a_function_of_seed_and_step(square_clips):
    clips = ClipFolder(square_clips, shapes=((64, 64), (64, 96)))
    a, b, c = (clips.batch(0, step, clips=2, frames=5) for step in (3, 3, 4))
    assert torch.equal(a.clip_BCTHW, b.clip_BCTHW) and torch.equal(a.masks_BTHW, b.masks_BTHW)
    assert a.clip_BCTHW.shape != c.clip_BCTHW.shape or not torch.equal(a.clip_BCTHW, c.clip_BCTHW)
    assert a.clip_BCTHW.min() >= -1 and a.clip_BCTHW.max() <= 1


def test_masks_hold_the_classes_of_their_subjects_at_any_size(square_clips):
    for shape in ((64, 64), (48, 48)):
        clips = ClipFolder(square_clips, shapes=(shape,))
        assert clips.classes == ("blue", "green", "red")
        assert [set(np.unique(clips.clip(i)[1])) for i in range(4)] == [{0, UNNAMED}, {0, 2}, {0, 1}, {0, 3}]


def test_an_unreadable_clip_among_many_is_counted_not_fatal(square_clips, tmp_path):
    (tmp_path / "good.mp4").write_bytes((square_clips / "0.mp4").read_bytes())
    (tmp_path / "bad.mp4").write_text("not a video")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "good.mp4"}\n{"file_name": "bad.mp4"}\n')
    clips = ClipFolder(tmp_path, SHAPES)
    assert len(clips) == 1 and len(clips.skipped) == 1 and "bad.mp4" in clips.skipped[0]


@pytest.mark.parametrize("line", ['{"file_name": "good.mp4"', '{"text": "a ball"}', '{"file_name": 3}', '["good.mp4"]'])
def test_a_line_of_metadata_that_names_no_file_is_named(tmp_path, line):
    (tmp_path / "metadata.jsonl").write_text(f'{{"file_name": "absent.mp4"}}\n\n{line}\n')
    with pytest.raises(ValueError, match=r"metadata\.jsonl, line 3 (is not JSON|has no text in the field .file_name)"):
        ClipFolder(tmp_path, SHAPES)


@pytest.mark.parametrize("wrong", ["missing", "unlisted", "empty"])
def test_a_folder_without_clips_is_one_clear_error(tmp_path, wrong):
    if wrong == "empty":
        (tmp_path / "metadata.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"metadata\.jsonl"):
        ClipFolder(tmp_path / "nowhere" if wrong == "missing" else tmp_path, SHAPES)


def arguments(square_clips, out, steps, *more):
    flags = [
        "--preset",
        "tiny",
        "--latent-frames",
        "4",
        "--frames",
        "5",
        "--evaluate-every",
        "3",
        "--steps",
        str(steps),
    ]
    return ["--data", str(square_clips), "--out", str(out), *flags, *more]


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(square_clips, tmp_path, cut_at):
    tokenizer_train.main(arguments(square_clips, tmp_path / "straight", 6))
    # The schedule spans six steps in both: the cut comes from outside, as a crash would.
    with cut_at(tokenizer_train, "check_health", 5):
        tokenizer_train.main(arguments(square_clips, tmp_path / "cut", 6))
    tokenizer_train.main(arguments(square_clips, tmp_path / "cut", 6))
    a, b = (VideoTokenizer.from_pretrained(tmp_path / name / "model") for name in ("straight", "cut"))
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y), name
    assert [path.name for path in (tmp_path / "cut").glob("checkpoint*")] == ["checkpoint-00000006"]


def test_training_writes_its_numbers_and_sheets(square_clips, tmp_path):
    result = tokenizer_train.main(
        arguments(square_clips, tmp_path, 3, "--validation", str(square_clips), "--validation-clips", "2")
    )
    assert set(result) == {"clips", "psnr", "psnr_subjects", "ssim", "edges", "usage", "perplexity"}
    assert (tmp_path / "sheet-last.png").stat().st_size > 1000
    assert "validation" in (tmp_path / "log.jsonl").read_text()
    assert VideoTokenizer.from_pretrained(tmp_path / "model").config.shapes == SHAPES
    names = set(VideoTokenizer.from_pretrained(tmp_path / "model").state_dict())
    assert names == set(
        VideoTokenizer(VideoTokenizerConfig.preset("tiny")).state_dict()
    )  # the head of classes is not kept


def test_a_batch_holds_as_many_latent_frames_at_any_temporal_stride():
    args = argparse.Namespace(stills=0.2, latent_frames=18, frames=17)
    assert tokenizer_train.plan(0.1, args, 4) == (18, 1)
    assert tokenizer_train.plan(0.3, args, 4) == (3, 17)  # 5 latent frames each
    assert tokenizer_train.plan(0.3, args, 8) == (6, 17)  # 3 each


@pytest.mark.parametrize(
    ("numbers", "message"),
    [({"loss": float("nan"), "perplexity": 50.0}, "not finite"), ({"loss": 0.5, "perplexity": 1.2}, "collapsed")],
)
def test_a_lost_run_stops_and_says_why(numbers, message):
    with pytest.raises(SystemExit, match=message):
        tokenizer_train.check_health(numbers, step=500, codebook_size=1000)


def test_one_clip_can_be_learned_by_heart(square_clips, tmp_path):
    learned = tokenizer_train.main(arguments(square_clips, tmp_path, 60, "--overfit", "--learning-rate", "5e-3"))
    assert learned["psnr"] > 20


def test_evaluation_of_a_perfect_tokenizer_is_high(square_clips):
    class Perfect:
        config = VideoTokenizerConfig.preset("tiny")
        codebook_size, training = 125, False
        encode = decode = staticmethod(lambda clip: clip)
        eval = train = staticmethod(lambda *_: None)
        state_dict = staticmethod(lambda: {"weight": torch.zeros(1)})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tokenizer.report.usage", lambda *_: (1.0, 125.0))
        result = evaluate(Perfect(), ClipFolder(square_clips, shapes=((64, 64),)), 2)
    assert result["psnr"] > 45 and result["psnr_subjects"] > 45 and result["ssim"] == pytest.approx(1, abs=1e-3)
    assert result["edges"] == pytest.approx(1, abs=1e-2)


def test_a_clip_is_reconstructed_where_the_tokenizer_lies():
    class Elsewhere:
        config = VideoTokenizerConfig.preset("tiny")
        state_dict = staticmethod(lambda: {"weight": torch.zeros(1, device="meta")})
        decode = staticmethod(lambda codes: torch.zeros(1, 3, 5, 32, 32))

        @staticmethod
        def encode(clip):
            assert clip.device.type == "meta"
            return torch.zeros(1, 2, 2, 2, dtype=torch.long)

    frames, codes = reconstruct(Elsewhere(), np.zeros((6, 32, 32, 3), np.uint8))
    assert frames.shape == (5, 32, 32, 3) and codes.shape == (2, 2, 2)
