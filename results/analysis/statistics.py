"""Estimates of a mean over seeds, and differences paired by seed.

Two intervals are given because seeds are few:

* Student's t assumes normal values and accounts for their number: over three seeds it is about three times as wide as
  the bootstrap, and covers what it says (docs/statistics.md has the simulation). It is the interval of every table,
  figure and statement;
* the percentile bootstrap assumes no distribution, but over n values it cannot extend beyond their range: its 95 %
  cover about 75 % at three seeds. It is an extra.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 9_999
BOOTSTRAP_SEED = 20_200_823
"""Every interval draws from a Generator of its own with this seed, so that no row of a table affects another."""


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` values and its confidence bounds; the bounds are None with fewer than two values."""

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with both of its intervals."""

    student: Interval
    bootstrap: Interval


@dataclass(frozen=True)
class PairedDifference(Estimate):
    """A mean difference over the common ``seeds``, with both of its intervals."""

    seeds: tuple[int, ...]


def seed_estimate(values: Floats) -> Estimate:
    """Return the mean of values (shape (n,), n >= 1) with both intervals."""
    return Estimate(student_mean(values), bootstrap_mean(values))


def bootstrap_mean(values: Floats, level: float = LEVEL) -> Interval:
    """Return the mean of values (shape (n,), n >= 1) with its percentile bootstrap interval.

    The percentile method is used instead of BCa, whose acceleration is undefined for equal values and unreliable
    for few values.
    """
    _refuse_gaps(values)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return Interval(mean, None, None, n)
    low, high = np.quantile(values[_draws(n)].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), n)


@cache
def _draws(n: int) -> NDArray[np.int64]:
    """Return indices of n values drawn with replacement, shape (resamples, n): the same for every interval over n."""
    return np.random.default_rng(BOOTSTRAP_SEED).integers(n, size=(RESAMPLES, n))


def student_mean(values: Floats, level: float = LEVEL) -> Interval:
    """Return the mean of values (shape (n,), n >= 1) with its Student-t interval, n - 1 degrees of freedom."""
    _refuse_gaps(values)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return Interval(mean, None, None, n)
    if (values == values[0]).all():  # their mean may differ from them by its rounding
        return Interval(mean, mean, mean, n)
    half = student_quantile(n - 1, level) * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


@cache
def student_quantile(freedom: float, level: float = LEVEL) -> float:
    """Return the half width of a two-sided Student-t interval in standard errors; ``freedom`` degrees of freedom."""
    from scipy import special  # here, since it loads slowly and a status needs none of it

    return float(special.stdtrit(freedom, (1 + level) / 2))


def paired_difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> PairedDifference | None:
    """Return ours minus theirs, both by seed, over the seeds both have; None without a common seed."""
    seeds = tuple(sorted(set(ours) & set(theirs)))
    if not seeds:
        return None
    differences = np.array([ours[seed] - theirs[seed] for seed in seeds])
    return PairedDifference(student_mean(differences), bootstrap_mean(differences), seeds)


def resampled_means(values: Floats, generator: np.random.Generator, resamples: int) -> Floats:
    """Return means over seeds under joint resampling of the seeds.

    Args:
        values: Shape (arms, seeds); NaN if an arm lacks a seed.
        generator: Source of the draws.
        resamples: Number of draws.

    Returns:
        Shape (resamples, arms). Within a draw, all arms use the same seeds, so an easy seed affects all of them.
        NaN if a draw contains no seed of an arm.
    """
    seeds = values.shape[1]
    counts = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples).astype(np.float64)
    present = ~np.isnan(values)
    weight = counts @ present.T
    total = counts @ np.where(present, values, 0.0).T
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)


def student_means(values: Floats, generator: np.random.Generator, draws: int) -> Floats:
    """Return draws of the arms' true means, given their values over seeds.

    A draw is ``mean + sqrt((n - 1) / chi2) * sum over seeds of (value - mean) * z / sqrt(n * (n - 1))`` with the same
    standard normal z of a seed and the same chi2 quantile for all arms. So the draws of one arm have the distribution
    of its Student-t interval, those of the difference of two arms with the same seeds that of their paired one, and a
    seed that is easy for all arms moves all of them.

    Args:
        values: Shape (arms, seeds); NaN if an arm lacks a seed.
        generator: Source of the draws.
        draws: Number of draws.

    Returns:
        Shape (draws, arms). An arm with one seed keeps its value, one without is NaN.
    """
    from scipy import special

    present = ~np.isnan(values)
    n = present.sum(axis=1)
    total = np.where(present, values, 0.0).sum(axis=1)
    means = np.divide(total, n, out=np.full(len(values), np.nan), where=n > 0)
    deviations = np.where(present, values - means[:, None], 0.0)
    normal = generator.standard_normal((draws, values.shape[1]))
    quantile = generator.random(draws)
    freedom = np.maximum(n - 1, 1)
    scale = np.empty((draws, len(values)))
    for df in np.unique(freedom):  # special.chdtri takes the upper tail
        scale[:, freedom == df] = np.sqrt(df / special.chdtri(df, quantile))[:, None]
    return np.asarray(means + scale * (normal @ deviations.T) / np.sqrt(np.maximum(n, 2) * freedom))


def _refuse_gaps(values: Floats) -> None:
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"an interval needs at least one value and only finite ones, got {values.tolist()}")
