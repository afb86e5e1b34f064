"""Features -> distance between two sets of them: Frechet distance and polynomial MMD, in float64.

In: `features_ND`, one row a video. Out: a number, or `FeatureStatistics` that can be added up shard by shard.

The matrix square root of Frechet distances is never taken. Its trace is a sum of singular values (from features) or of roots of
eigenvalues (from statistics): a general square root of a product of two covariances gives -341 or 1e50 below N = D
where the true value is near 0, because the product is singular and not symmetric.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

MMD_BLOCK = 1024  # rows of a kernel matrix that are in memory at once: 10,000 videos stay under 100 MB


@dataclass(frozen=True)
class FeatureStatistics:
    """Count, mean and scatter (sum of outer products around the mean) of features; `a + b` is that of the union.

    Merged by the pairwise update of Chan, Golub and LeVeque (1979), which never subtracts two large sums.
    """

    n: int
    mean_D: np.ndarray
    scatter_DD: np.ndarray

    @classmethod
    def of(cls, features_ND: np.ndarray) -> FeatureStatistics:
        """Statistics of one shard, of any size from one row up. Raises ValueError."""
        features_ND = checked(features_ND, minimum=1)
        mean_D = features_ND.mean(axis=0)
        centred_ND = features_ND - mean_D
        return cls(len(features_ND), mean_D, centred_ND.T @ centred_ND)

    @classmethod
    def of_shards(cls, shards: Iterable[np.ndarray]) -> FeatureStatistics:
        """Statistics of all shards together, one in memory at a time. Raises ValueError if there is none."""
        total: FeatureStatistics | None = None
        for features_ND in shards:
            total = cls.of(features_ND) if total is None else total + cls.of(features_ND)
        if total is None:
            raise ValueError("there are no features: give at least one shard")
        return total

    def __add__(self, other: FeatureStatistics) -> FeatureStatistics:
        if self.mean_D.shape != other.mean_D.shape:
            raise ValueError(f"features of {len(self.mean_D)} and {len(other.mean_D)} numbers cannot be merged")
        n = self.n + other.n
        shift_D = other.mean_D - self.mean_D
        between_DD = np.outer(shift_D, shift_D) * (self.n * other.n / n)
        return FeatureStatistics(
            n, self.mean_D + shift_D * (other.n / n), self.scatter_DD + other.scatter_DD + between_DD
        )

    def covariance(self, ddof: int) -> np.ndarray:
        """`covariance_DD` divided by n - ddof. Raises ValueError if n is too small for one."""
        _check_ddof(ddof)
        if self.n < 2:
            raise ValueError(f"{self.n} sample has no covariance: give at least 2")
        return self.scatter_DD / (self.n - ddof)


def frechet_distance(x_ND: np.ndarray, y_MD: np.ndarray, *, ddof: int) -> float:
    """The squared Frechet distance of the Gaussians fitted to two sets of features, from the features themselves.

    |mean difference|^2 + tr S1 + tr S2 - 2 tr sqrt(S1 S2), where the last trace is the nuclear norm of the centred cross-Gram
    matrix Xc Yc' / sqrt((n - ddof)(m - ddof)). Exact also for N < D. Raises ValueError on fewer than 2 rows or on values that are
    not finite.
    """
    _check_ddof(ddof)
    x_ND, y_MD = checked(x_ND, minimum=2), checked(y_MD, minimum=2)
    _check_width(x_ND.shape[1], y_MD.shape[1])
    shift_D = x_ND.mean(axis=0) - y_MD.mean(axis=0)
    x_RD, y_RD = _factor(x_ND, ddof), _factor(y_MD, ddof)
    cross = np.linalg.svd(x_RD @ y_RD.T, compute_uv=False).sum()
    return _assemble(shift_D, float(np.square(x_RD).sum() + np.square(y_RD).sum()), float(cross))


def frechet_distance_of_statistics(a: FeatureStatistics, b: FeatureStatistics, *, ddof: int) -> float:
    """The same from statistics: tr sqrt(S1 S2) = sum of roots of the eigenvalues of A S2 A, A the root of S1, clipped at 0.

    For sets whose features are not kept. Below N = D it is less exact than `frechet_distance` (1e-4 of the traces at N = 8).
    """
    _check_width(len(a.mean_D), len(b.mean_D))
    a_DD, b_DD = a.covariance(ddof), b.covariance(ddof)
    values_D, vectors_DD = np.linalg.eigh(a_DD)
    root_DD = (vectors_DD * np.sqrt(values_D.clip(min=0))) @ vectors_DD.T
    inner_DD = root_DD @ b_DD @ root_DD
    cross = np.sqrt(np.linalg.eigvalsh((inner_DD + inner_DD.T) / 2).clip(min=0)).sum()
    return _assemble(a.mean_D - b.mean_D, float(np.trace(a_DD) + np.trace(b_DD)), float(cross))


def polynomial_mmd(
    x_ND: np.ndarray, y_MD: np.ndarray, *, degree: int, gamma: float | None = None, coef0: float, unbiased: bool
) -> float:
    """Squared maximum mean discrepancy under the kernel (gamma <x, y> + coef0)^degree; gamma None means 1/D.

    unbiased: leave out the kernel of a sample with itself (Gretton et al. 2012, eq. 3): 0 on average for equal distributions
    at any N, and so sometimes negative. Raises ValueError on fewer than 2 rows.
    """
    x_ND, y_MD = checked(x_ND, minimum=2), checked(y_MD, minimum=2)
    _check_width(x_ND.shape[1], y_MD.shape[1])
    gamma = 1 / x_ND.shape[1] if gamma is None else gamma

    def total(a_ND: np.ndarray, b_MD: np.ndarray) -> float:
        rows = range(0, len(a_ND), MMD_BLOCK)
        return sum(float(((a_ND[row : row + MMD_BLOCK] @ b_MD.T * gamma + coef0) ** degree).sum()) for row in rows)

    def within(a_ND: np.ndarray) -> float:
        n = len(a_ND)
        if not unbiased:
            return total(a_ND, a_ND) / n**2
        itself = float(((np.square(a_ND).sum(axis=1) * gamma + coef0) ** degree).sum())
        return (total(a_ND, a_ND) - itself) / (n * (n - 1))

    return within(x_ND) + within(y_MD) - 2 * total(x_ND, y_MD) / (len(x_ND) * len(y_MD))


def kernel_distance(x_ND: np.ndarray, y_MD: np.ndarray, *, unbiased: bool = True) -> float:
    """The MMD of KID and KVD: degree 3, gamma 1/D, coef0 1 (Binkowski et al. 2018)."""
    return polynomial_mmd(x_ND, y_MD, degree=3, coef0=1.0, unbiased=unbiased)


def jedi_distance(x_ND: np.ndarray, y_MD: np.ndarray, *, unbiased: bool = False) -> float:
    """100 times the MMD of degree 2, gamma 1/D, coef0 0: the arithmetic of JEDi (Luo et al. 2024), biased as published."""
    return 100 * polynomial_mmd(x_ND, y_MD, degree=2, coef0=0.0, unbiased=unbiased)


def checked(features_ND: np.ndarray, *, minimum: int) -> np.ndarray:
    """The features as float64. Raises ValueError if they are no N x D table of finite numbers with at least `minimum` rows."""
    features_ND = np.asarray(features_ND, dtype=np.float64)
    if features_ND.ndim != 2 or features_ND.shape[1] == 0:
        raise ValueError(f"features must have the shape (N, D), one row a video, not {features_ND.shape}")
    if len(features_ND) < minimum:
        raise ValueError(f"{len(features_ND)} videos are too few: this needs at least {minimum}")
    if not np.isfinite(features_ND).all():
        raise ValueError("the features hold values that are not finite: the network or its input is broken")
    return features_ND


def _factor(features_ND: np.ndarray, ddof: int) -> np.ndarray:
    """A matrix F of at most D rows with F'F = covariance. Rotating rows by Q keeps singular values, so N may be any number."""
    centred_ND = (features_ND - features_ND.mean(axis=0)) / np.sqrt(len(features_ND) - ddof)
    if len(centred_ND) <= centred_ND.shape[1]:
        return centred_ND
    return np.asarray(np.linalg.qr(centred_ND, mode="r"))


def _assemble(shift_D: np.ndarray, traces: float, cross: float) -> float:
    # The covariance part is never negative in exact arithmetic, and rounding of it must not lower the mean term.
    return float(shift_D @ shift_D) + max(0.0, traces - 2 * cross)


def _check_ddof(ddof: int) -> None:
    if ddof not in (0, 1):
        raise ValueError(f"ddof is {ddof}, but a covariance is divided by n (ddof 0) or by n - 1 (ddof 1)")


def _check_width(first: int, second: int) -> None:
    if first != second:
        raise ValueError(f"features of {first} and of {second} numbers come from different networks")
