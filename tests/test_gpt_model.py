"""The GPT is a stock causal LM: its presets have the size of their names, train a step, and embed codes by their digits."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from gpt_video.averaging import averaged
from gpt_video.model import (
    PRESETS,
    build_gpt,
    count_parameters,
    deepened,
    gpt_config,
    initialise_video_embeddings_,
)

VOCABULARY, WINDOW = 192, 256


def test_an_unknown_preset_is_named():
    with pytest.raises(ValueError, match=r"preset '3b'.*15m"):
        gpt_config("3b", VOCABULARY, WINDOW)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_has_the_size_of_its_name_and_takes_a_training_step(preset):
    torch.manual_seed(0)
    gpt = build_gpt(preset, VOCABULARY, WINDOW)
    if preset != "tiny":
        assert count_parameters(gpt) == pytest.approx(int(preset[:-1]) * 1e6, rel=0.07)
    optimizer = torch.optim.SGD(gpt.parameters(), lr=0.1)
    ids_BL = torch.randint(0, VOCABULARY, (1, 8))
    before = gpt(input_ids=ids_BL, labels=ids_BL).loss
    before.backward()
    optimizer.step()
    with torch.inference_mode():
        assert gpt(input_ids=ids_BL, labels=ids_BL).loss < before


def test_it_is_causal():
    gpt = build_gpt("tiny", VOCABULARY, WINDOW).eval()
    _move_output_matrices_off_zero(gpt)
    ids_BL = torch.randint(0, VOCABULARY, (1, 12))
    changed_BL = ids_BL.clone()
    changed_BL[:, 8:] = 0
    with torch.inference_mode():
        before_BLV, after_BLV = gpt(input_ids=ids_BL).logits, gpt(input_ids=changed_BL).logits
    torch.testing.assert_close(before_BLV[:, :8], after_BLV[:, :8])
    assert not torch.allclose(before_BLV[:, 8:], after_BLV[:, 8:])


def test_transformers_saves_and_loads_it_without_us(tmp_path):
    gpt = build_gpt("tiny", VOCABULARY, WINDOW).eval()
    gpt.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True).eval()
    ids_BL = torch.randint(0, VOCABULARY, (1, 12))
    with torch.inference_mode():
        torch.testing.assert_close(gpt(input_ids=ids_BL).logits, again(input_ids=ids_BL).logits)
    assert list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_a_deeper_gpt_begins_as_the_same_function_and_all_of_it_learns(layers):
    gpt = build_gpt("tiny", VOCABULARY, WINDOW).eval()
    _move_output_matrices_off_zero(gpt)
    deep = deepened(gpt, layers)
    ids_BL = torch.randint(0, VOCABULARY, (2, 12))
    assert deep.config.num_hidden_layers == len(deep.model.layers) == 2 + layers
    torch.testing.assert_close(deep(input_ids=ids_BL).logits, gpt(input_ids=ids_BL).logits)
    optimizer = torch.optim.SGD(deep.parameters(), lr=0.1)
    for _ in range(2):  # what adds nothing yet hides, for one step, the matrices behind it
        optimizer.zero_grad()
        deep(input_ids=ids_BL, labels=ids_BL).loss.backward()
        optimizer.step()
    assert all(weight.grad.abs().max() > 0 for weight in deep.parameters())


@pytest.mark.parametrize("layers", [-1, 3])
def test_a_gpt_gets_no_more_layers_than_it_has(layers):
    with pytest.raises(ValueError, match="give a number from 0 to 2"):
        deepened(build_gpt("tiny", VOCABULARY, WINDOW), layers)


def test_a_mean_of_two_gpts_is_the_mean_of_every_weight(tmp_path):
    gpts = [build_gpt("tiny", VOCABULARY, WINDOW) for _ in range(2)]
    for name, gpt in zip("ab", gpts, strict=True):
        gpt.save_pretrained(tmp_path / name)
    mean = averaged(tmp_path / "a", tmp_path / "b", 0.25)
    for weight, a, b in zip(mean.parameters(), *(gpt.parameters() for gpt in gpts), strict=True):
        torch.testing.assert_close(weight, 0.75 * a + 0.25 * b)


def test_codes_that_share_digits_start_near_each_other():
    torch.manual_seed(0)
    gpt = build_gpt("tiny", VOCABULARY, WINDOW)
    others = gpt.model.embed_tokens.weight[:60].clone()
    initialise_video_embeddings_(gpt, slice(60, 60 + 5 * 5 * 5), (5, 5, 5))
    rows_KD = gpt.model.embed_tokens.weight[60:185].detach()
    torch.testing.assert_close(gpt.model.embed_tokens.weight[:60], others)
    assert float(rows_KD.std()) == pytest.approx(gpt.config.initializer_range, rel=0.01)
    middle = 2 + 5 * 2 + 25 * 2
    distance_K = (rows_KD - rows_KD[middle]).norm(dim=1)
    one_step, two_steps, corner = distance_K[middle + 1], distance_K[middle + 2], distance_K[0]
    assert one_step < two_steps < corner


def test_levels_of_another_codebook_are_an_error():
    with pytest.raises(ValueError, match="make 25 codes, expected 24"):
        initialise_video_embeddings_(build_gpt("tiny", VOCABULARY, WINDOW), slice(0, 24), (5, 5))


def _move_output_matrices_off_zero(gpt):
    for name, weight in gpt.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            torch.nn.init.normal_(weight, std=0.1)
