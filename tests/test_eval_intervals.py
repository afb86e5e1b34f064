"""Intervals cover what they claim to, floors are floors, and tests of equality are neither blind nor trigger-happy."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

pytest.importorskip("scipy", reason="scipy is in the extra `eval`")

from eval.frechet import frechet_distance, kernel_distance
from eval.intervals import (
    basic_bootstrap,
    compare_distances,
    delete_block_jackknife,
    disjoint_blocks,
    mean_interval,
    noise_floor,
    over_seeds,
    paired_bootstrap,
    paired_permutation,
)

DISTANCE = partial(frechet_distance, ddof=1)


def sets(seed: int, n: int = 256, d: int = 8, shift: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), 1.1 * rng.normal(size=(n, d)) + shift


@pytest.mark.parametrize("distance", [DISTANCE, kernel_distance])
def test_the_jackknife_covers_the_mean_of_other_samples_and_is_not_too_wide(distance) -> None:
    found = [delete_block_jackknife(*sets(seed, n=64), distance) for seed in range(60)]
    truth = np.mean([one.value for one in found])
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.85
    spread = np.std([one.value for one in found], ddof=1)
    assert 0.6 < np.mean([(one.high - one.low) / (2 * 2.13) for one in found]) / spread < 1.8
    assert all(one.low <= one.value <= one.high and "16 blocks" in one.method for one in found)


def test_percentiles_of_resampled_sets_would_not_hold_the_estimate_but_the_basic_bootstrap_does() -> None:
    """Why the percentile bootstrap is not offered: resampling adds copies, and copies add distance."""
    x_ND, y_ND = sets(0, n=64, d=24)
    value = DISTANCE(x_ND, y_ND)
    rng = np.random.default_rng(0)
    resampled = [DISTANCE(x_ND[rng.integers(64, size=64)], y_ND[rng.integers(64, size=64)]) for _ in range(60)]
    assert np.quantile(resampled, 0.025) > value
    interval = basic_bootstrap(x_ND, y_ND, DISTANCE, resamples=60)
    assert interval.low < value and "too wide" in interval.method


def test_seeds_and_blocks_give_a_mean_and_a_standard_deviation() -> None:
    interval = over_seeds([10.0, 12.0, 14.0, 16.0])
    assert interval.value == 13.0 and interval.bounds == pytest.approx((13 - 2.581989, 13 + 2.581989))
    assert interval.method == "mean +- SD over 4 seeds"
    with pytest.raises(ValueError, match="3 seeds"):
        over_seeds([1.0, 2.0, 3.0])
    blocks = disjoint_blocks(*sets(0), DISTANCE, blocks=4)
    assert blocks.low < blocks.value < blocks.high and "4 disjoint blocks of 64" in blocks.method
    assert blocks.value > DISTANCE(*sets(0))  # of a quarter of the videos: more bias
    with pytest.raises(ValueError, match="6 videos cannot be cut into 4 blocks"):
        disjoint_blocks(np.zeros((6, 2)), np.zeros((6, 2)), DISTANCE, blocks=4)


def test_the_noise_floor_falls_with_n_and_says_which_n_it_is_at() -> None:
    real_ND = np.random.default_rng(0).normal(size=(400, 16))
    small, large = noise_floor(real_ND, 50, DISTANCE), noise_floor(real_ND, 200, DISTANCE)
    assert small.n == 50 and large.n == 200 and small.value > 2 * large.value > 0
    assert noise_floor(real_ND, 1000, DISTANCE).n == 200
    with pytest.raises(ValueError, match="3 real videos"):
        noise_floor(real_ND[:3], 50, DISTANCE)


def test_a_model_that_draws_from_the_truth_is_near_the_floor_and_a_shifted_one_is_not() -> None:
    rng = np.random.default_rng(0)
    real_ND, good_ND = rng.normal(size=(256, 8)), rng.normal(size=(128, 8))
    floor = noise_floor(real_ND, 128, DISTANCE)
    assert abs(DISTANCE(real_ND[:128], good_ND) - floor.value) < 0.5 * floor.value
    assert DISTANCE(real_ND[:128], good_ND + 0.5) > 2 * floor.value


def test_paired_comparison_of_models_finds_a_worse_one_and_no_difference_where_there_is_none() -> None:
    rng = np.random.default_rng(0)
    real_ND, prompts_ND = rng.normal(size=(128, 6)), rng.normal(size=(64, 6))
    a_ND, same_ND = (prompts_ND + 0.1 * rng.normal(size=(64, 6)) for _ in range(2))
    worse = compare_distances(real_ND, a_ND, a_ND + 0.5, DISTANCE, resamples=99)
    assert worse.value > 0 and worse.p_value is not None and worse.p_value <= 0.05 and worse.n == 64
    same = compare_distances(real_ND, a_ND, same_ND, DISTANCE, resamples=99)
    assert same.p_value is not None and same.p_value > 0.05
    with pytest.raises(ValueError, match="same prompts"):
        compare_distances(real_ND, a_ND, a_ND[:5], DISTANCE)


def test_videos_of_one_prompt_are_one_observation() -> None:
    """Copies of a prompt must not make an interval narrower."""
    scores = np.random.default_rng(0).normal(size=20)
    once = mean_interval(scores)
    copied = mean_interval(np.repeat(scores, 50), np.repeat(np.arange(20), 50).tolist())
    assert copied == once and once.low < once.value < once.high and "20 prompts" in once.method


def test_paired_differences_of_means() -> None:
    rng = np.random.default_rng(0)
    prompts, difficulty = np.arange(40).tolist(), 10 * rng.normal(size=40)
    a = difficulty + rng.normal(size=40)
    better = a + 1 + rng.normal(size=40)
    gain = paired_bootstrap(a, better, prompts)
    assert gain.interval is not None and gain.interval[0] > 0 and gain.interval[0] < gain.value < gain.interval[1]
    assert (paired_permutation(a, better, prompts, resamples=999).p_value or 1) < 0.01
    same = paired_permutation(a, a + rng.normal(size=40), prompts, resamples=999)
    assert (same.p_value or 0) > 0.05
    with pytest.raises(ValueError, match="40 against 39"):
        paired_bootstrap(a, better[:39])


def test_the_permutation_of_few_prompts_is_exact() -> None:
    result = paired_permutation([0.0] * 5, [1.0] * 5)
    assert result.p_value == pytest.approx(2 / 2**5)


def test_the_same_seed_gives_the_same_interval() -> None:
    assert delete_block_jackknife(*sets(1), DISTANCE, seed=3) == delete_block_jackknife(*sets(1), DISTANCE, seed=3)
    scores = np.random.default_rng(0).normal(size=30)
    assert mean_interval(scores, seed=1) == mean_interval(scores, seed=1) != mean_interval(scores, seed=2)


@pytest.mark.parametrize(("scores", "prompts"), [([1.0], None), ([1.0, 2.0], ["a", "a"]), ([1.0, float("nan")], None)])
def test_one_prompt_has_no_interval(scores: list[float], prompts: list[str] | None) -> None:
    with pytest.raises(ValueError, match="at least two prompts"):
        mean_interval(scores, prompts)
