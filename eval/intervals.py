"""How sure a number is: the methods that are valid for the number at hand, each under its own name.

Distances between sets (Frechet, MMD) and means over prompts need different methods. Resampling videos with replacement and reading
off percentiles is wrong for a distance: copies of a video make a set look less varied, so that the interval does not even hold
the point estimate (64 features, N = 1024, truth 0.64, estimate 2.78, interval 4.59 to 5.19). Not offered here. For distances:

- `over_seeds`: the spread over several generations, the best where a model can be run again;
- `delete_block_jackknife`: from one generation, by leaving out one block at a time; the default;
- `basic_bootstrap`: the mirrored bootstrap, which covers but is about 1.5 times too wide;
- `noise_floor`: what the distance is where there is nothing to find;
- `compare_distances`: does model A differ from model B on the same prompts and reference (paired permutation).

For scores of single videos: `mean_interval`, `paired_bootstrap` and `paired_permutation`, which treat all videos of a prompt as one
observation. All of them are 95 % unless said otherwise, and the same for the same seed. scipy (extra `eval`) is imported late.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Distance = Callable[[np.ndarray, np.ndarray], float]
MINIMUM_SEEDS = 4


@dataclass(frozen=True)
class Interval:
    """low to high around `value`, and the method's name as it is printed."""

    value: float
    low: float
    high: float
    method: str

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass(frozen=True)
class NoiseFloor:
    """The distance of real videos to other real ones, `n` a side: no model can be expected to be below it at this n."""

    value: float
    n: int
    spread: float  # standard deviation over the random splits


@dataclass(frozen=True)
class Difference:
    """Of two paired sets of measurements: `value` = b - a with its interval, or the p value of `no difference`, or both."""

    value: float
    n: int
    method: str
    interval: tuple[float, float] | None = None
    p_value: float | None = None


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean and one standard deviation each way over one value per generation seed. Raises ValueError below four seeds."""
    if len(values) < MINIMUM_SEEDS:
        raise ValueError(f"{len(values)} seeds say little about the spread: give at least {MINIMUM_SEEDS}")
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    return Interval(mean, mean - spread, mean + spread, f"mean +- SD over {len(values)} seeds")


def disjoint_blocks(
    x_ND: np.ndarray, y_MD: np.ndarray, distance: Distance, *, blocks: int = 4, seed: int = 0
) -> Interval:
    """Mean and one standard deviation each way of the distance of block to block: honest, but of N / blocks videos, not of N."""
    parts = zip(_blocks(len(x_ND), blocks, seed), _blocks(len(y_MD), blocks, seed + 1), strict=True)
    values = [distance(x_ND[rows_x], y_MD[rows_y]) for rows_x, rows_y in parts]
    size = min(len(x_ND), len(y_MD)) // blocks
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    return Interval(mean, mean - spread, mean + spread, f"mean +- SD over {blocks} disjoint blocks of {size}")


def delete_block_jackknife(
    x_ND: np.ndarray, y_MD: np.ndarray, distance: Distance, *, blocks: int = 16, seed: int = 0
) -> Interval:
    """95 % interval of the distance at this sample size, by leaving out one block of each set at a time (Kunsch 1989).

    Both sets count as samples. The bias of a Frechet distance at this N is common to all parts and stays in the value: the
    interval says where another sample of this size would fall, not where the distance at infinite N is. Measured on Gaussians:
    right within 20 % from N = D / 3 on, up to 1.5 times too wide at N = D.
    """
    from scipy import stats

    value = distance(x_ND, y_MD)
    parts = zip(_blocks(len(x_ND), blocks, seed), _blocks(len(y_MD), blocks, seed + 1), strict=True)
    left_out = [distance(np.delete(x_ND, rows_x, 0), np.delete(y_MD, rows_y, 0)) for rows_x, rows_y in parts]
    error = float(np.sqrt((blocks - 1) / blocks * np.square(np.subtract(left_out, np.mean(left_out))).sum()))
    reach = float(stats.t.ppf(0.975, blocks - 1)) * error
    return Interval(value, value - reach, value + reach, f"95 % delete-block jackknife, {blocks} blocks")


def basic_bootstrap(
    x_ND: np.ndarray, y_MD: np.ndarray, distance: Distance, *, resamples: int = 200, seed: int = 0
) -> Interval:
    """95 % interval 2 value - quantiles of resampled sets: it covers, and is about 1.5 times too wide."""
    from scipy import stats

    result = stats.bootstrap(
        (np.arange(len(x_ND)), np.arange(len(y_MD))),
        lambda rows_x, rows_y: distance(x_ND[rows_x], y_MD[rows_y]),
        vectorized=False,
        n_resamples=resamples,
        method="basic",
        rng=np.random.default_rng(seed),
    )
    low, high = map(float, result.confidence_interval)
    return Interval(distance(x_ND, y_MD), low, high, f"95 % basic bootstrap (too wide), {resamples} resamples")


def noise_floor(real_ND: np.ndarray, n: int, distance: Distance, *, splits: int = 4, seed: int = 0) -> NoiseFloor:
    """The mean distance of two disjoint random halves of the real videos, `n` a side, or as many as there are if fewer.

    A floor at a smaller n than the score's is too high, because the bias of a distance falls with n: `n` of the result says it.
    Raises ValueError below four real videos.
    """
    if len(real_ND) < 4:
        raise ValueError(f"{len(real_ND)} real videos have no two halves to compare: give at least 4")
    size = min(n, len(real_ND) // 2)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(real_ND)) for _ in range(splits)]
    values = [distance(real_ND[order[:size]], real_ND[order[size : 2 * size]]) for order in orders]
    return NoiseFloor(float(np.mean(values)), size, float(np.std(values, ddof=1)) if splits > 1 else 0.0)


def compare_distances(
    reference_ND: np.ndarray,
    a_ND: np.ndarray,
    b_ND: np.ndarray,
    distance: Distance,
    *,
    resamples: int = 199,
    seed: int = 0,
) -> Difference:
    """Is B nearer to the reference than A? Row i of both is the same prompt; a paired permutation swaps the two models there.

    value: distance of B - distance of A. Raises ValueError if the two have not the same number of rows.
    """
    from scipy import stats

    if a_ND.shape != b_ND.shape:
        raise ValueError(
            f"the two models must answer the same prompts, in the same order: {a_ND.shape} against {b_ND.shape}"
        )
    both = np.concatenate([a_ND, b_ND])
    rows = np.arange(len(a_ND))

    def gap(rows_a: np.ndarray, rows_b: np.ndarray) -> float:
        return distance(reference_ND, both[rows_b]) - distance(reference_ND, both[rows_a])

    result = stats.permutation_test(
        (rows, rows + len(a_ND)),
        gap,
        permutation_type="samples",
        vectorized=False,
        n_resamples=resamples,
        rng=np.random.default_rng(seed),
    )
    method = f"paired permutation of whole videos, {resamples} resamples"
    return Difference(float(result.statistic), len(a_ND), method, p_value=float(result.pvalue))


def mean_interval(
    scores: Sequence[float], prompts: Sequence[object] | None = None, *, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Mean of per-video scores with a 95 % bootstrap interval that resamples prompts, not videos. Raises ValueError below two."""
    means_P = _by_prompt(np.asarray(scores, dtype=np.float64), prompts)
    low, high = _bootstrap_mean(means_P, resamples, seed)
    return Interval(float(means_P.mean()), low, high, f"95 % basic bootstrap over {len(means_P)} prompts")


def paired_bootstrap(
    a: Sequence[float],
    b: Sequence[float],
    prompts: Sequence[object] | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """Mean of b - a over prompts with a 95 % bootstrap interval; a[i] and b[i] answer the same prompt with the same seed."""
    means_P = _paired(a, b, prompts)
    interval = _bootstrap_mean(means_P, resamples, seed)
    method = f"95 % paired basic bootstrap over {len(means_P)} prompts"
    return Difference(float(means_P.mean()), len(means_P), method, interval=interval)


def paired_permutation(
    a: Sequence[float],
    b: Sequence[float],
    prompts: Sequence[object] | None = None,
    *,
    resamples: int = 9999,
    seed: int = 0,
) -> Difference:
    """Mean of b - a and the two-sided p value of `the models are the same`: exact for few prompts, sampled for many."""
    from scipy import stats

    means_P = _paired(a, b, prompts)
    result = stats.permutation_test(
        (means_P,),
        lambda sample, axis: sample.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=np.random.default_rng(seed),
    )
    method = f"paired permutation over {len(means_P)} prompts"
    return Difference(float(means_P.mean()), len(means_P), method, p_value=float(result.pvalue))


def _blocks(n: int, blocks: int, seed: int) -> list[np.ndarray]:
    if blocks < 2 or n < 2 * blocks:
        raise ValueError(
            f"{n} videos cannot be cut into {blocks} blocks of at least two: give more videos or fewer blocks"
        )
    return np.array_split(np.random.default_rng(seed).permutation(n), blocks)


def _by_prompt(scores_N: np.ndarray, prompts: Sequence[object] | None) -> np.ndarray:
    if prompts is None:
        means_P = scores_N
    else:
        if len(prompts) != len(scores_N):
            raise ValueError(f"{len(scores_N)} scores came with {len(prompts)} prompts: give one for each")
        members: dict[object, list[float]] = {}
        for prompt, score in zip(prompts, scores_N, strict=True):
            members.setdefault(prompt, []).append(float(score))
        means_P = np.array([np.mean(group) for group in members.values()])
    if len(means_P) < 2 or not np.isfinite(means_P).all():
        raise ValueError(f"{len(means_P)} prompts are too few, or a score is not finite: give at least two prompts")
    return means_P


def _paired(a: Sequence[float], b: Sequence[float], prompts: Sequence[object] | None) -> np.ndarray:
    if len(a) != len(b):
        raise ValueError(f"paired scores must be of the same videos: {len(a)} against {len(b)}")
    return _by_prompt(np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64), prompts)


def _bootstrap_mean(means_P: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    from scipy import stats

    result: Any = stats.bootstrap(
        (means_P,), np.mean, n_resamples=resamples, method="basic", rng=np.random.default_rng(seed)
    )
    low, high = map(float, result.confidence_interval)
    return low, high
