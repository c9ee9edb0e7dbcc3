"""Estimates over seeds: bootstrap intervals of a mean, and differences paired by seed.

Two intervals are given because seeds are few:

* the percentile bootstrap assumes no distribution, but over n values it cannot extend beyond their range; over three
  seeds it excludes zero whenever all three differences have the same sign, which happens by chance one time in four;
* Student's t assumes normal differences and accounts for n: over three seeds it is about three times as wide.

Statements about which arm is better are therefore based on Student's t.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
RESAMPLES = 9_999
BOOTSTRAP_SEED = 20_200_823
"""Seed of the separate Generator of every interval, so that it does not depend on the other rows of a table."""


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` values and its confidence bounds; the bounds are None with fewer than two values."""

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class PairedDifference:
    """Mean difference over the common seeds, with a bootstrap and a Student-t interval."""

    seeds: tuple[int, ...]
    bootstrap: Interval
    student: Interval


def bootstrap_mean(
    values: NDArray[np.float64], generator: np.random.Generator | None = None, level: float = LEVEL
) -> Interval:
    """Return the mean of values (shape (n,), n >= 1) with its percentile bootstrap interval.

    The percentile method is used instead of BCa, whose acceleration is undefined for equal values and unreliable
    for few values. ``generator`` None means a fresh one of ``BOOTSTRAP_SEED``.
    """
    _refuse_gaps(values)
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, None, None, len(values))
    from scipy import stats  # here, since it loads slowly and a status needs none of it

    result = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=level,
        method="percentile",
        rng=generator or np.random.default_rng(BOOTSTRAP_SEED),
    )
    return Interval(mean, float(result.confidence_interval.low), float(result.confidence_interval.high), len(values))


def student_mean(values: NDArray[np.float64], level: float = LEVEL) -> Interval:
    """Return the mean of values (shape (n,), n >= 1) with its Student-t interval, n - 1 degrees of freedom."""
    _refuse_gaps(values)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return Interval(mean, None, None, n)
    if (values == values[0]).all():  # SciPy divides by the standard error
        return Interval(mean, mean, mean, n)
    from scipy import stats

    # about the mean, since SciPy warns where values differ by less than their rounding
    bounds = stats.ttest_1samp(values - mean, 0).confidence_interval(level)
    return Interval(mean, mean + float(bounds.low), mean + float(bounds.high), n)


def paired_difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> PairedDifference | None:
    """Return ours minus theirs, both by seed, over the seeds both have; None without a common seed."""
    seeds = tuple(sorted(set(ours) & set(theirs)))
    if not seeds:
        return None
    differences = np.array([ours[seed] - theirs[seed] for seed in seeds])
    return PairedDifference(seeds, bootstrap_mean(differences), student_mean(differences))


def resampled_means(values: NDArray[np.float64], generator: np.random.Generator, resamples: int) -> NDArray[np.float64]:
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


def _refuse_gaps(values: NDArray[np.float64]) -> None:
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"an interval needs at least one value and only finite ones, got {values.tolist()}")
