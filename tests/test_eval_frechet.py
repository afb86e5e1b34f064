"""Distances between sets of features: closed forms, golden values, and the laws that hold for every set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import eval.frechet as module
from eval.frechet import (
    FeatureStatistics,
    frechet_distance,
    frechet_distance_of_statistics,
    jedi_distance,
    kernel_distance,
    polynomial_mmd,
)

X = np.random.RandomState(0).randn(1000, 16)
Y = np.random.RandomState(1).randn(1000, 16) * 2 + 1


def of_statistics(x_ND: np.ndarray, y_ND: np.ndarray, *, ddof: int = 1) -> float:
    return frechet_distance_of_statistics(FeatureStatistics.of(x_ND), FeatureStatistics.of(y_ND), ddof=ddof)


def gaussian(mean_D: np.ndarray, covariance_DD: np.ndarray) -> FeatureStatistics:
    return FeatureStatistics(2, np.asarray(mean_D, float), np.asarray(covariance_DD, float))  # n - ddof = 1


def tables(rows: int = 12, columns: int = 4):
    """Features on a grid of 1/8: no row is a near copy of another, which only rounding could tell apart."""
    cells = st.integers(-80, 80).map(lambda number: number / 8)
    return hnp.arrays(np.float64, st.tuples(st.integers(2, rows), st.just(columns)), elements=cells)


def test_closed_form_of_scaled_gaussians_is_404() -> None:
    a = gaussian(np.zeros(400), np.eye(400))
    b = gaussian(np.full(400, 0.1), 4 * np.eye(400))
    assert frechet_distance_of_statistics(a, b, ddof=1) == pytest.approx(404.0, abs=1e-9)


def test_closed_form_of_two_by_two() -> None:
    a = gaussian([0, 0], [[2, 0.5], [0.5, 1]])
    b = gaussian([1, -2], [[1, -0.3], [-0.3, 3]])
    assert frechet_distance_of_statistics(a, b, ddof=1) == pytest.approx(5.929311854967774, abs=1e-12)


@pytest.mark.parametrize(("ddof", "expected"), [(1, 33.65626525691), (0, 33.63963096008)])
@pytest.mark.parametrize("distance", [frechet_distance, of_statistics])
def test_golden_frechet(distance, ddof: int, expected: float) -> None:
    assert distance(X, Y, ddof=ddof) == pytest.approx(expected, abs=1e-10)


def test_golden_frechet_agrees_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    fid = pytest.importorskip("torchmetrics.image.fid", reason="torchmetrics is in the extra `eval`")
    theirs = fid._compute_fid(
        torch.from_numpy(X.mean(0)),
        torch.from_numpy(np.cov(X.T)),
        torch.from_numpy(Y.mean(0)),
        torch.from_numpy(np.cov(Y.T)),
    )
    assert frechet_distance(X, Y, ddof=1) == pytest.approx(float(theirs), abs=1e-9)


def test_golden_kernel_distances() -> None:
    assert kernel_distance(X, Y) == pytest.approx(15.74029204206, abs=1e-10)
    assert kernel_distance(X, Y, unbiased=False) == pytest.approx(16.00928252731, abs=1e-10)
    assert jedi_distance(X, Y) == pytest.approx(209.10905271589, abs=1e-9)
    assert jedi_distance(X, Y, unbiased=True) == pytest.approx(206.42038578464, abs=1e-9)


def test_the_toy_of_jedis_documentation() -> None:
    a = np.arange(1, 10).reshape(3, 3)
    b = np.array([[7, 6, 5], [4, 3, 2], [1, 1, 8], [0, 2, 5]])
    assert polynomial_mmd(a, b, degree=2, coef0=0, unbiased=False) == pytest.approx(270.7222, abs=1e-4)


@given(tables(), tables())
def test_both_forms_agree_and_are_symmetric(x_ND: np.ndarray, y_ND: np.ndarray) -> None:
    for ddof in (0, 1):
        forward = frechet_distance(x_ND, y_ND, ddof=ddof)
        scale = 1 + np.square(x_ND).sum() + np.square(y_ND).sum()
        assert abs(forward - frechet_distance(y_ND, x_ND, ddof=ddof)) <= 1e-12 * scale
        assert abs(forward - of_statistics(x_ND, y_ND, ddof=ddof)) <= 1e-6 * scale
        assert forward >= 0


@given(tables())
def test_a_set_is_at_distance_zero_from_itself(x_ND: np.ndarray) -> None:
    scale = 1 + np.square(x_ND).sum()
    assert frechet_distance(x_ND, x_ND, ddof=1) <= 1e-12 * scale
    assert of_statistics(x_ND, x_ND) <= 1e-6 * scale
    assert kernel_distance(x_ND, x_ND, unbiased=False) == 0
    assert jedi_distance(x_ND, x_ND) == 0


def test_far_below_as_many_samples_as_features_a_set_is_still_at_zero_from_itself() -> None:
    """The case in which a general matrix square root gives -341 or 1e50."""
    x_ND = 20 * np.random.RandomState(0).randn(8, 400)
    assert 0 <= frechet_distance(x_ND, x_ND, ddof=1) < 1e-9
    assert abs(of_statistics(x_ND, x_ND)) < 0.1


@given(tables(), tables(), hnp.arrays(np.float64, 4, elements=st.integers(-5, 5)))
def test_translation(x_ND: np.ndarray, y_ND: np.ndarray, shift_D: np.ndarray) -> None:
    scale = 1 + np.square(x_ND).sum() + np.square(y_ND).sum() + np.square(shift_D).sum()
    before, both = (frechet_distance(x_ND + shift, y_ND + shift, ddof=1) for shift in (0, shift_D))
    assert abs(before - both) <= 1e-12 * scale
    assert abs(frechet_distance(x_ND, x_ND + shift_D, ddof=1) - shift_D @ shift_D) <= 1e-12 * scale


@given(tables(), tables(), st.integers(0, 2**32 - 1), st.sampled_from([0.25, 3.0, 10.0]))
def test_rotation_and_scale(x_ND: np.ndarray, y_ND: np.ndarray, seed: int, factor: float) -> None:
    rotation_DD = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))[0]
    before = frechet_distance(x_ND, y_ND, ddof=1)
    scale = 1 + np.square(x_ND).sum() + np.square(y_ND).sum()
    assert abs(frechet_distance(x_ND @ rotation_DD, y_ND @ rotation_DD, ddof=1) - before) <= 1e-9 * scale
    assert abs(frechet_distance(factor * x_ND, factor * y_ND, ddof=1) - factor**2 * before) <= 1e-9 * factor**2 * scale
    for distance in (kernel_distance, jedi_distance):
        rotated = distance(x_ND @ rotation_DD, y_ND @ rotation_DD)
        assert rotated == pytest.approx(distance(x_ND, y_ND), rel=1e-9, abs=1e-9 * scale**3)


@given(st.lists(tables(rows=6), min_size=3, max_size=5))
def test_merged_shards_are_the_union_in_whatever_way_they_are_merged(shards: list[np.ndarray]) -> None:
    union = FeatureStatistics.of(np.concatenate(shards))
    one, two, *rest = [FeatureStatistics.of(shard) for shard in shards]
    left = (one + two) + rest[0]
    right = one + (two + rest[0])
    for more in rest[1:]:
        left, right = left + more, more + right
    for merged in (left, right, FeatureStatistics.of_shards(iter(shards))):
        assert merged.n == union.n
        np.testing.assert_allclose(merged.mean_D, union.mean_D, atol=1e-12)
        np.testing.assert_allclose(merged.scatter_DD, union.scatter_DD, atol=1e-9)


def test_statistics_do_not_lose_digits_to_a_large_mean() -> None:
    """Sums of raw squares would: 1e8 squared leaves no digit for a variance of 1."""
    x_ND = np.random.RandomState(3).randn(500, 3) + 1e8
    merged = FeatureStatistics.of_shards(np.array_split(x_ND, 7))
    np.testing.assert_allclose(merged.covariance(1), np.cov(x_ND.T), atol=1e-7)


def test_shards_of_one_row_are_merged_but_one_row_has_no_covariance() -> None:
    merged = FeatureStatistics.of_shards(X[row : row + 1] for row in range(50))
    np.testing.assert_allclose(merged.covariance(0), np.cov(X[:50].T, ddof=0), atol=1e-12)
    with pytest.raises(ValueError, match="1 sample has no covariance"):
        FeatureStatistics.of(X[:1]).covariance(0)


def test_without_variance_the_mean_term_is_left() -> None:
    x_ND, y_ND = np.zeros((5, 3)), np.tile([1.0, 2.0, 3.0], (7, 1))
    assert frechet_distance(x_ND, y_ND, ddof=1) == 14.0
    assert of_statistics(x_ND, y_ND) == 14.0


def test_the_unbiased_kernel_is_zero_on_average_at_any_size_and_the_frechet_distance_is_not() -> None:
    draws = [np.random.RandomState(seed).randn(2, 24, 8) for seed in range(300)]
    kernels = np.array([kernel_distance(a, b) for a, b in draws])
    assert abs(kernels.mean()) < 4 * kernels.std() / 300**0.5
    assert min(frechet_distance(a, b, ddof=1) for a, b in draws) > 0.2


def test_the_kernel_is_summed_in_blocks_without_a_difference(monkeypatch) -> None:
    whole = kernel_distance(X[:100], Y[:77])
    monkeypatch.setattr(module, "MMD_BLOCK", 13)
    assert kernel_distance(X[:100], Y[:77]) == pytest.approx(whole, rel=1e-12)


def test_orthogonal_reduction_of_many_rows_changes_nothing() -> None:
    assert frechet_distance(X, Y[:9], ddof=1) == pytest.approx(of_statistics(X, Y[:9]), abs=1e-6)


@pytest.mark.parametrize("distance", [lambda x, y: frechet_distance(x, y, ddof=1), kernel_distance, jedi_distance])
def test_wrong_input_is_an_error_that_says_what_is_wrong(distance) -> None:
    with pytest.raises(ValueError, match="1 videos are too few"):
        distance(X[:1], Y)
    with pytest.raises(ValueError, match="0 videos are too few"):
        distance(X, Y[:0])
    with pytest.raises(ValueError, match="16 and of 15"):
        distance(X, Y[:, :15])
    with pytest.raises(ValueError, match="not finite"):
        distance(X, np.where(Y > 5, np.nan, Y))
    with pytest.raises(ValueError, match=r"shape \(N, D\)"):
        distance(X, Y[0])


def test_ddof_is_zero_or_one() -> None:
    with pytest.raises(ValueError, match="ddof is 2"):
        frechet_distance(X, Y, ddof=2)
    with pytest.raises(ValueError, match="at least one shard"):
        FeatureStatistics.of_shards([])
    with pytest.raises(ValueError, match="16 and 4"):
        FeatureStatistics.of(X) + FeatureStatistics.of(Y[:, :4])
