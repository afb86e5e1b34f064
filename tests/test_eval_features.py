"""Every feature network behind the same face: its input law, its hash, and one number a clip whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from eval.features import (
    I3D_CROP,
    I3D_ORIGINAL,
    I3D_STRETCH,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Extractor,
    InputLaw,
    i3d_extractor,
    model_folder,
    module_sha256,
    random_extractor,
    self_supervised_extractor,
    token_extractor,
)
from eval.i3d import I3D
from tests.moving_shapes import videos


@pytest.fixture(scope="module")
def videomae():
    from transformers import VideoMAEConfig, VideoMAEModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return VideoMAEModel(VideoMAEConfig(image_size=32, num_frames=8, tubelet_size=2, **sizes)).eval()


@pytest.fixture(scope="module")
def vjepa2():
    from transformers import VJEPA2Config, VJEPA2Model

    torch.manual_seed(0)
    predictor = {"pred_hidden_size": 24, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1}
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 2}
    return VJEPA2Model(VJEPA2Config(crop_size=32, frames_per_clip=8, tubelet_size=2, **sizes, **predictor)).eval()


@pytest.mark.parametrize("kind", ["random", "videomae", "vjepa2"])
def test_features_do_not_depend_on_the_batch(kind: str, request) -> None:
    """Exactly: not one bit, whatever the number of clips, their order, or who stands beside them."""
    extractor = random_extractor() if kind == "random" else token_extractor(request.getfixturevalue(kind), "0" * 64)
    clips = [clip[:8] for clip in videos(5)]
    together = extractor(clips)
    assert together.shape == (5, extractor.dim) and together.dtype == np.float64
    for size in (1, 2, 3):
        parts = [extractor(clips[start : start + size]) for start in range(0, 5, size)]
        assert np.array_equal(np.concatenate(parts), together)
    assert np.array_equal(extractor(clips[::-1])[::-1], together)
    assert len(np.unique(together.round(6), axis=0)) == 5
    assert extractor([]).shape == (0, extractor.dim)


def test_clips_of_other_sizes_share_a_batch() -> None:
    small, large = videos(1)[0], np.repeat(np.repeat(videos(1)[0], 4, axis=1), 4, axis=2)
    features = random_extractor()([small, large])
    np.testing.assert_allclose(features[0], features[1], atol=0.3)


def test_the_random_network_is_the_same_everywhere_and_differs_by_seed() -> None:
    assert random_extractor().sha256 == random_extractor().sha256 != random_extractor(1).sha256
    assert np.array_equal(random_extractor()(videos(1)), random_extractor()(videos(1)))
    assert random_extractor().description == "random-conv3d (seed 0)"


def test_i3d_loads_by_path_and_says_what_decided_its_numbers(tmp_path) -> None:
    torch.manual_seed(0)
    model = I3D().eval()
    torch.save(model.state_dict(), tmp_path / "i3d.pt")
    extractor = i3d_extractor(tmp_path / "i3d.pt", law=I3D_STRETCH, batch_norm_eps=1e-5)
    assert (extractor.name, extractor.dim, len(extractor.sha256)) == ("i3d", 400, 64)
    assert extractor.description == "i3d (400 logits, batch norm eps 1e-05)"
    assert "224x224, bilinear, no antialiasing" in str(extractor.law)
    clip = videos(1)[0]
    with torch.inference_mode():
        loaded = I3D(batch_norm_eps=1e-5).eval()
        loaded.load_state_dict(model.state_dict())
        expected = loaded(I3D_STRETCH(clip)[None])[0].double().numpy()
    assert np.array_equal(extractor([clip])[0], expected)


@pytest.mark.parametrize("kind", ["videomae", "vjepa2"])
def test_self_supervised_models_load_from_a_folder(kind: str, request, tmp_path) -> None:
    model = request.getfixturevalue(kind)
    model.save_pretrained(tmp_path)
    extractor = self_supervised_extractor(tmp_path)
    clip = videos(1)[0][:8]
    assert np.array_equal(extractor([clip]), token_extractor(model, "")([clip]))
    assert extractor.name == kind and len(extractor.sha256) == 64
    assert extractor.law.mean == IMAGENET_MEAN and extractor.law.antialias
    other = self_supervised_extractor(tmp_path, law=InputLaw(size=(32, 32)))
    assert not np.array_equal(other([clip]), extractor([clip]))


def test_the_law_saved_with_a_model_is_taken(videomae, tmp_path) -> None:
    videomae.save_pretrained(tmp_path)
    saved = '{"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}, "image_mean": [0.5, 0.5, 0.4]}'
    (tmp_path / "preprocessor_config.json").write_text(saved)
    law = self_supervised_extractor(tmp_path).law
    assert (law.size, law.short_side, law.mean, law.std) == ((32, 32), 40, (0.5, 0.5, 0.4), IMAGENET_STD)


def test_wrong_models_and_lengths_are_errors(videomae, tmp_path) -> None:
    from transformers import CLIPTextConfig

    CLIPTextConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is a model of type clip_text_model: give one of"):
        self_supervised_extractor(tmp_path)
    with pytest.raises(ValueError, match="there is no model folder"):
        model_folder(tmp_path / "none")
    with pytest.raises(ValueError, match="exactly 8 frames, not 9"):
        token_extractor(videomae, "")(videos(1))
    broken = Extractor("broken", "", 3, InputLaw(size=(8, 8)), lambda clip: torch.full((1, 3), torch.nan))
    with pytest.raises(ValueError, match="not finite"):
        broken(videos(1))


def test_module_hashes_see_values_names_and_shapes() -> None:
    layer = torch.nn.Linear(2, 3)
    before = module_sha256(layer)
    assert before == module_sha256(layer)
    with torch.no_grad():
        layer.weight[0, 0] += 1
    assert module_sha256(layer) != before


def test_range_of_pixels() -> None:
    white, black = (np.full((1, 8, 8, 3), level, np.uint8) for level in (255, 0))
    torch.testing.assert_close(I3D_STRETCH(white), torch.ones(3, 1, 224, 224))
    assert (I3D_STRETCH(black) == -1).all()
    torch.testing.assert_close(InputLaw(mean=(0, 0, 0), std=(1, 1, 1))(white), torch.ones(3, 1, 224, 224))
    law = InputLaw(size=(8, 8), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    expected = (1 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    torch.testing.assert_close(law(white)[:, 0, 0, 0], expected)


def test_stretching_keeps_the_whole_picture_and_cropping_keeps_its_shape() -> None:
    wide = np.zeros((1, 32, 64, 3), np.uint8)
    wide[:, :, :8] = 255
    assert I3D_STRETCH(wide)[..., 0].max() > 0.99
    assert I3D_CROP(wide).shape == (3, 1, 224, 224) and I3D_CROP(wide)[..., 0].max() == -1
    tall = wide.transpose(0, 2, 1, 3)
    assert I3D_CROP(tall).shape == (3, 1, 224, 224) and I3D_CROP(tall)[..., 0, :].max() == -1


def test_the_filter_of_tensorflow_1_samples_at_corners() -> None:
    """A plain loop over the law of tf.image.resize_bilinear with its default align_corners=False."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    ours = (InputLaw(size=(9, 4), filter="tf1")(frames) + 1) * 127.5
    for row in range(9):
        for column in range(4):
            y, x = row * 5 / 9, column * 7 / 4
            top, left = int(y), int(x)
            bottom, right = min(top + 1, 4), min(left + 1, 6)
            upper = (1 - (x - left)) * frames[:, top, left] + (x - left) * frames[:, top, right]
            lower = (1 - (x - left)) * frames[:, bottom, left] + (x - left) * frames[:, bottom, right]
            expected = (1 - (y - top)) * upper + (y - top) * lower
            np.testing.assert_allclose(ours[:, :, row, column].T.numpy(), expected, atol=1e-3)


def test_laws_differ_in_what_the_network_sees_and_in_how_they_are_written() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (1, 300, 300, 3), dtype=np.uint8)
    laws = [I3D_ORIGINAL, I3D_STRETCH, InputLaw(antialias=True), InputLaw(filter="bicubic")]
    seen = [law(frames) for law in laws]
    for one in range(4):
        for two in range(one):
            assert (seen[one] - seen[two]).abs().mean() > 1e-3 and str(laws[one]) != str(laws[two])
    plain = functional.interpolate(torch.from_numpy(frames).permute(0, 3, 1, 2).float(), (224, 224), mode="bilinear")
    torch.testing.assert_close(seen[1][:, 0], plain[0] / 127.5 - 1)
    assert seen[3].abs().max() < 1 + 1e-6  # bicubic overshoots, and is cut


@pytest.mark.parametrize(
    "arguments", [{"filter": "nearest"}, {"filter": "tf1", "antialias": True}, {"short_side": 100}]
)
def test_laws_that_make_no_sense_are_errors(arguments: dict) -> None:
    with pytest.raises(ValueError):
        InputLaw(**arguments)


@pytest.mark.parametrize(
    "frames", [np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8), np.uint8), np.zeros((0, 8, 8, 3), np.uint8)]
)
def test_frames_that_are_not_uint8_rgb_are_errors(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 of shape"):
        I3D_STRETCH(frames)
