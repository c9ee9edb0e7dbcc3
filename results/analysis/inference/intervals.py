"""Student's t over the last axis of an array, corrections for many tests, and the jackknife."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from results.analysis.statistics import LEVEL, Floats, Interval, student_quantile


@dataclass(frozen=True)
class Bounds:
    """Means with Student-t bounds and two-sided p values against zero; all arrays of one shape.

    ``n`` counts the values behind a mean, ``error`` is its standard error. With fewer than two, ``error``, bounds and
    ``p`` are NaN.
    """

    mean: Floats
    low: Floats
    high: Floats
    n: Floats
    error: Floats
    t: Floats
    p: Floats

    def at(self, *index: int) -> Interval:
        """Return one interval."""
        low, high = float(self.low[index]), float(self.high[index])
        known = not math.isnan(low)
        return Interval(float(self.mean[index]), low if known else None, high if known else None, int(self.n[index]))


def student_bounds(values: Floats, level: float = LEVEL) -> Bounds:
    """Return means over the last axis, without NaN, with their Student-t bounds.

    Values without any spread have bounds of no width, and p is 0, or 1 if they are zero.
    """
    from scipy import special

    present = ~np.isnan(values)
    n = present.sum(axis=-1).astype(np.float64)
    mean = np.divide(np.where(present, values, 0.0).sum(axis=-1), n, out=np.full(n.shape, np.nan), where=n > 0)
    enough = n > 1
    freedom = np.where(enough, n - 1, 1.0)
    square = np.where(present, (values - mean[..., None]) ** 2, 0.0).sum(axis=-1)
    error = np.where(enough, np.sqrt(square / freedom / np.maximum(n, 1)), np.nan)
    highest = np.where(present, values, -np.inf).max(axis=-1, initial=-np.inf)
    lowest = np.where(present, values, np.inf).min(axis=-1, initial=np.inf)
    error[enough & (highest == lowest)] = 0.0  # the mean of equal values may differ from them by its rounding
    half = special.stdtrit(freedom, (1 + level) / 2) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0, np.where(enough, 0.0, np.nan), mean / error)
    return Bounds(mean, mean - half, mean + half, n, error, t, 2 * special.stdtr(freedom, -np.abs(t)))


def holm(p: Floats) -> Floats:
    """Return p values adjusted by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979).

    Args:
        p: Shape (tests,); NaN for tests that could not be done, which stay NaN and do not count.
    """
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    scaled = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def jackknife(statistic: Callable[[Floats], float], values: Floats, level: float = LEVEL) -> Interval:
    """Return a statistic of values (shape (seeds, ...)) with a Student-t interval from leaving out one seed at a time.

    For a mean over seeds this is its Student-t interval (Tukey's jackknife; Efron and Tibshirani 1993, section 11).
    """
    n, whole = len(values), statistic(values)
    if n < 2:
        return Interval(whole, None, None, n)
    left_out = np.array([statistic(np.delete(values, seed, axis=0)) for seed in range(n)])
    error = math.sqrt((n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum()))
    half = student_quantile(n - 1, level) * error
    return Interval(whole, whole - half, whole + half, n)


def within(interval: Interval, low: float, high: float) -> Interval:
    """Return an interval cut to the range that its quantity can take."""
    lower, upper = (None if bound is None else min(max(bound, low), high) for bound in (interval.low, interval.high))
    return Interval(interval.mean, lower, upper, interval.n)
