"""What a step of sampling computes with: matrices of eight bits, which round, and norms, which are those of torch."""

import pytest
import torch
from torch import nn

from gpt_video import matrix
from gpt_video.decoder import for_steps
from gpt_video.matrix import ANY_ROWS, FEW_ROWS, Matrix
from gpt_video.norm import Norm


def weights(out=33, width=64):
    torch.manual_seed(0)
    return torch.randn(out, width).to(torch.bfloat16)


def test_a_weight_is_off_by_half_a_step_at_most_and_each_row_has_a_step_of_its_own():
    weight_OI = weights()
    weight_OI[3] *= 100
    weight_OI[4] = 0
    rounded = Matrix(weight_OI, FEW_ROWS)
    steps_O = weight_OI.float().abs().amax(1) / 127
    off_OI = (rounded.steps_OI.float() * rounded.step_O.float()[:, None] - weight_OI.float()).abs()
    assert (off_OI <= 0.51 * steps_O[:, None] + 0.004 * weight_OI.float().abs()).all()  # the step itself is a bfloat16
    assert not rounded.steps_OI[4].any() and rounded.steps_OI[3].abs().max() >= 126


@pytest.mark.parametrize("shape", [(64,), (1, 64), (2, 1, 64), (FEW_ROWS, 64), (2, 3, 64)])
def test_few_rows_are_multiplied_by_the_weights_of_many(shape):
    rounded, x = Matrix(weights(), FEW_ROWS), torch.randn(shape).to(torch.bfloat16)
    many = x.expand(FEW_ROWS + 1, *shape)
    few, exact = rounded(x), x.float() @ rounded.weight_OI.float().T
    assert few.shape == (*shape[:-1], 33) and few.dtype == torch.bfloat16
    torch.testing.assert_close(few.float(), exact, rtol=2e-2, atol=5e-2)
    torch.testing.assert_close(rounded(many)[0].float(), exact, rtol=2e-2, atol=5e-2)
    torch.testing.assert_close(rounded(x.float()), exact)  # a prompt that is read in float32


@pytest.mark.parametrize("width", [32, 96, 1024])
def test_a_row_of_whole_lanes_is_multiplied_to_its_end_and_no_further(width):
    weight_OI = torch.full((7, width), 0.5).to(torch.bfloat16)
    assert Matrix(weight_OI, FEW_ROWS)(torch.ones(2, width).to(torch.bfloat16)).tolist() == [[width / 2] * 7] * 2


def test_any_number_of_rows_can_be_multiplied_by_eight_bits():
    x_ND = torch.randn(100, 64).to(torch.bfloat16)
    few, any_rows = Matrix(weights(), FEW_ROWS), Matrix(weights(), ANY_ROWS)
    assert torch.equal(any_rows(x_ND)[:FEW_ROWS], few(x_ND[:FEW_ROWS]))
    torch.testing.assert_close(any_rows(x_ND), few(x_ND), rtol=2e-2, atol=5e-2)


def test_a_row_does_not_depend_on_those_beside_it():
    rounded, x_ND = Matrix(weights(64, 64), FEW_ROWS), torch.randn(FEW_ROWS, 128).to(torch.bfloat16)[:, ::2]
    together_NO = rounded(x_ND)
    assert torch.equal(torch.cat([rounded(x_D) for x_D in x_ND.split(1)]), together_NO)


@pytest.mark.parametrize("rows", [0, FEW_ROWS])
def test_without_eight_bits_or_of_an_odd_width_it_is_a_linear_layer(rows):
    weight_OI, x_ND = torch.randn(5, 47).to(torch.bfloat16), torch.randn(3, 47).to(torch.bfloat16)
    assert torch.equal(Matrix(weight_OI, rows)(x_ND), nn.functional.linear(x_ND, weight_OI))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e3])
def test_a_norm_is_that_of_torch_for_vectors_of_any_length(dtype, tolerance, size):
    torch.manual_seed(0)
    x_ND, weight_D = torch.randn(5, 48) * size, torch.randn(48)
    expected_ND = nn.functional.rms_norm(x_ND, (48,), weight_D, 1e-6)
    x_ND = torch.cat([x_ND, torch.zeros(1, 48)]).to(dtype)
    normed_ND = Norm(weight_D.to(dtype), 1e-6)(x_ND)
    assert normed_ND.dtype == dtype and not normed_ND[5].any()
    torch.testing.assert_close(normed_ND[:5].float(), expected_ND, rtol=tolerance, atol=tolerance)


def test_a_norm_follows_the_dtype_of_its_input():
    norm, x_ND = Norm(torch.ones(48, dtype=torch.bfloat16), 1e-6), torch.randn(5, 48)
    assert torch.equal(norm(x_ND), nn.functional.rms_norm(x_ND, (48,), None, 1e-6))


def test_heads_have_norms_of_their_own():
    x_NHE, weight_HE = torch.randn(5, 3, 16), torch.randn(3, 16)
    each = [nn.functional.rms_norm(x_NHE[:, head], (16,), weight_HE[head], 1e-6) for head in range(3)]
    torch.testing.assert_close(Norm(weight_HE, 1e-6)(x_NHE), torch.stack(each, 1))


@pytest.mark.parametrize("rows", [0, FEW_ROWS])
def test_a_copy_for_steps_leaves_the_module_as_it_was(rows):
    module = nn.Sequential(nn.RMSNorm(64, 1e-6), nn.Linear(64, 16, bias=False), nn.ReLU()).to(torch.bfloat16)
    copied = for_steps(module, rows)
    assert isinstance(module[1], nn.Linear) and isinstance(copied[0], Norm) and isinstance(copied[1], Matrix)
    x_ND = torch.randn(4, 64).to(torch.bfloat16)
    torch.testing.assert_close(copied(x_ND), module(x_ND), rtol=0.1, atol=0.1)


def test_a_torch_without_the_product_says_so(monkeypatch):
    monkeypatch.setattr(matrix, "_product", None)
    assert not matrix.has_eight_bits()
    with pytest.raises(ValueError, match="no product with weights of eight bits"):
        Matrix(weights(), FEW_ROWS)
