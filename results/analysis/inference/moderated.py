"""Moderated paired t tests: the spread of a difference, known badly from few seeds, is learned from all pairs of arms.

With three seeds a paired t test has two degrees of freedom, and no difference of a large study survives a correction
over its pairs. Smyth (Statistical Applications in Genetics and Molecular Biology 3, 2004) shrinks every variance
towards a common one, as far as the variances of a study are alike, and gains the degrees of freedom of that common one.
Two guards keep this honest where arms differ in spread; ``benchmarks/verdict_power.py`` shows what they keep:

- a pair's variance is never taken to be less than its own;
- an arm whose seeds spread more than those of the others (one-sided F test at 5 %) stands on its own variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.analysis.inference.intervals import Bounds, holm
from results.analysis.statistics import LEVEL, Floats

Integers = NDArray[np.intp]

FEWEST_SEEDS = 3
"""Common seeds from which on the variance of a pair is moderated and speaks for others."""

_FEWEST_PAIRS = 3
_LEAST_SHARE = 1e-5
"""Of the median variance: what a smaller one, such as that of equal values, counts as in the logarithm."""


@dataclass(frozen=True)
class Prior:
    """What all variances say about one.

    Attributes:
        variance: the common variance.
        freedom: degrees of freedom that it is worth; infinite where the variances differ by chance alone.
    """

    variance: float
    freedom: float

    def moderate(self, variances: Floats, freedom: Floats) -> Floats:
        """Return variances with their degrees of freedom shrunk towards the common one (Smyth's s tilde squared)."""
        if np.isinf(self.freedom):
            return np.full(variances.shape, self.variance)
        return np.asarray((self.freedom * self.variance + freedom * variances) / (self.freedom + freedom))


def fit_prior(variances: Floats, freedom: Floats) -> Prior:
    """Return the prior whose logarithms of variances have the mean and variance of those given.

    Smyth 2004, section 6.2: with ``e = log s^2 - digamma(d / 2) + log(d / 2)``, ``trigamma(d0 / 2)`` is the variance of
    ``e`` beyond that of the logarithm of a chi-square, and ``log s0^2`` follows from its mean.

    Args:
        variances: Shape (pairs,), at least two, not all zero.
        freedom: Their degrees of freedom, shape (pairs,).
    """
    from scipy import special

    floor = _LEAST_SHARE * float(np.median(variances[variances > 0]))
    logs = np.log(np.maximum(variances, floor)) - special.digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, freedom / 2).mean())
    if excess <= 0:
        return Prior(float(np.exp(logs.mean())), np.inf)
    prior_freedom = 2 * inverse_trigamma(excess)
    shift = float(special.digamma(prior_freedom / 2) - np.log(prior_freedom / 2))
    return Prior(float(np.exp(logs.mean() + shift)), prior_freedom)


def inverse_trigamma(value: float) -> float:
    """Return y with ``trigamma(y) = value``, a positive number, by Newton's method on ``1 / trigamma`` (Smyth 2004)."""
    from scipy import special

    y = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, y))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, y))
        y += step
        if abs(step) < 1e-8 * y:
            break
    return y


def can_moderate(seeds: Floats) -> bool:
    """Return whether pairs with these numbers of common seeds, shape (pairs,), suffice to learn from one another."""
    return int((seeds >= FEWEST_SEEDS).sum()) >= _FEWEST_PAIRS


def corrected_p(means: Floats, own: Bounds, first: Integers, second: Integers) -> Floats:
    """Return the p values that decide which arms are told apart: moderated, corrected by Holm's method, at least own.

    Args:
        means: Shape (arms, seeds); NaN where missing.
        own: The plain paired t test of every pair of arms, shape (pairs,).
        first: Arm of each pair, shape (pairs,), of all pairs of arms.
        second: The arm subtracted.
    """
    return np.maximum(holm(moderated_p(means, own, first, second)), own.p)


def moderated_p(means: Floats, own: Bounds, first: Integers, second: Integers) -> Floats:
    """Return the two-sided p value of the moderated paired t test of every pair of arms, not corrected.

    Args:
        means: As for ``corrected_p``, like the others.
        own: The plain tests.
        first: The arm of each pair.
        second: The arm subtracted.

    Returns:
        Shape (pairs,). Pairs with fewer than three common seeds, and all pairs if fewer than three have them, keep the
        p of their own t test; with fewer than two, NaN.
    """
    from scipy import special

    if not can_moderate(own.n):
        return own.p
    moderate = own.n >= FEWEST_SEEDS
    variances = own.error**2 * own.n
    if not (variances[moderate] > 0).any():
        return own.p
    prior = fit_prior(variances[moderate], own.n[moderate] - 1)
    present = (~np.isnan(means)).sum(axis=1)
    freedom = np.minimum(prior.freedom + own.n - 1, _residual_freedom(present))
    shrunk = np.maximum(prior.moderate(variances, own.n - 1), variances)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * special.stdtr(freedom, -np.abs(own.mean) / np.sqrt(shrunk / own.n))
    wide = _wider_arms(np.where(moderate, variances, np.nan), first, second, present)
    alone = wide[first] | wide[second]
    return np.asarray(np.where(moderate, np.where(alone, np.maximum(p, own.p), p), own.p))


def _residual_freedom(present: Integers) -> float:
    """Return the degrees of freedom left when arms and seeds are fitted; pairs of the same runs cannot know more."""
    return float(max(present.sum() - (present > 0).sum() - present.max() + 1, 1))


def _wider_arms(variances: Floats, first: Integers, second: Integers, present: Integers) -> NDArray[np.bool_]:
    """Return which arms spread more over seeds than the rest, by an F test of the variances of their differences.

    The variance of a difference is the sum of both arms' own, so the mean variance ``a`` of an arm's pairs and that of
    the others' ``b`` give the ratio of own variances, ``2 a / b - 1``.
    """
    from scipy import special

    arms = len(present)
    known = ~np.isnan(variances)
    held = np.where(known, variances, 0.0)
    sums = np.bincount(first, held, arms) + np.bincount(second, held, arms)
    counts = np.bincount(first, known, arms) + np.bincount(second, known, arms)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = 2 * (sums / counts) / ((held.sum() - sums) / (known.sum() - counts)) - 1
    others = np.array([_residual_freedom(np.delete(present, arm)) for arm in range(arms)])
    p = special.fdtrc(np.maximum(present - 1, 1), others, np.maximum(ratio, 0))
    return np.asarray((counts > 0) & (counts < known.sum()) & (p < 1 - LEVEL))
