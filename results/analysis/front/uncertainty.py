"""The front with its uncertainty over seeds: probability of each arm, band, and hypervolume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.analysis.front.costed import CostedArms
from results.analysis.statistics import LEVEL, Floats, Interval
from results.analysis.tradeoff import best_up_to, pareto_front


@dataclass(frozen=True)
class FrontUncertainty:
    """The front of accuracy against a cost.

    Attributes:
        arms: columns ``arm``, ``cost``, ``mean``, ``on_front`` (by the means) and ``probability`` (of being on the
            front of the true means; NaN with fewer than two seeds), by ascending cost.
        band: columns ``cost``, ``best``, ``low``, ``high``: highest mean of an arm of at most this cost, with the 95 %
            band of the highest true mean. A step function: a row holds up to the next one. NaN bounds with fewer than
            two seeds in every arm.
        hypervolume: see ``hypervolume``.
        hypervolume_of: its meaning, in words.
    """

    arms: pd.DataFrame
    band: pd.DataFrame
    hypervolume: Interval
    hypervolume_of: str


def front_uncertainty(costed: CostedArms) -> FrontUncertainty:
    """Return the front of the means, and what joint Student-t draws of all means say about it.

    The highest of several means is too high on average, and so is the front of means, by the more the more arms cannot
    be told apart; the band allows for it.
    """
    means, draws = costed.means(), costed.draws()
    several = (~np.isnan(costed.values)).sum(axis=1) > 1
    on_front = pareto_front(means, costed.cost)
    probability = np.where(several, pareto_front(draws, costed.cost).mean(axis=0), np.nan)
    columns = {"cost": costed.cost, "mean": means, "on_front": on_front, "probability": probability}
    arms = pd.DataFrame({"arm": list(costed.arms), **columns})
    steps = np.unique(costed.cost)
    best, drawn = (attained(table, costed.cost, steps) for table in (means, draws))
    low, high = _bounds(best, drawn) if several.any() else (np.full_like(best, np.nan), np.full_like(best, np.nan))
    band = pd.DataFrame({"cost": steps, "best": best, "low": low, "high": high})
    chance = 0.0 if np.isnan(costed.chance) else costed.chance
    volume = float(hypervolume(means, costed.cost, chance))
    seeds = int((~np.isnan(costed.values)).sum(axis=1).max()) if len(costed.arms) else 0
    if several.any():
        bounds = _bounds(np.array(volume), hypervolume(draws, costed.cost, chance))
        found = Interval(volume, max(float(bounds[0]), 0.0), min(float(bounds[1]), 1.0), seeds)
    else:
        found = Interval(volume, None, None, seeds)
    return FrontUncertainty(arms, band, found, _MEANING.format(chance=chance))


_MEANING = (
    "highest accuracy for the cost, as a share of the way from {chance:.3f} to 1, averaged over log10(1 + cost) from 0 "
    "to the highest cost"
)


def attained(accuracy: Floats, cost: Floats, steps: Floats) -> Floats:
    """Return the highest accuracy of an arm that costs at most ``steps``.

    Args:
        accuracy: Shape (..., arms).
        cost: Shape (arms,).
        steps: Shape (k,); each at least the lowest cost.

    Returns:
        Shape (..., k).
    """
    if not len(steps):
        return np.empty((*accuracy.shape[:-1], 0))
    return best_up_to(accuracy, cost, "right", steps)


def hypervolume(accuracy: Floats, cost: Floats, chance: float) -> Floats:
    """Return the area under the front, as a share of the largest possible one.

    The cost axis is log10(1 + cost), from 0 to the highest cost of any arm; the accuracy axis goes from ``chance``
    to 1. The reference point is thus (highest cost, chance). An arm at the highest cost alone adds nothing.

    Args:
        accuracy: Shape (..., arms).
        cost: Shape (arms,), at least 0.
        chance: The accuracy that counts as nothing.

    Returns:
        Shape (...); 0 if no arm costs anything.

    Example:
        >>> float(hypervolume(np.array([0.75, 1.0]), np.array([0.0, 99.0]), 0.5))
        0.5
    """
    steps = np.unique(cost)
    width = np.diff(np.log10(1 + steps))
    if not width.sum():
        return np.zeros(accuracy.shape[:-1])
    height = (attained(accuracy, cost, steps[:-1]).clip(chance, 1) - chance) / (1 - chance)
    return np.asarray((height * width).sum(axis=-1) / np.log10(1 + steps[-1]))


def _bounds(estimate: Floats, draws: Floats) -> tuple[Floats, Floats]:
    """Return bounds about an estimate, as far as the further of the 2.5 % and the 97.5 % quantile of its draws.

    A draw of the highest mean is on average above the highest mean, which itself is above the highest true mean. So the
    quantiles alone would lie on the wrong side of the truth where many arms are equal.
    """
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    half = np.maximum(high - estimate, estimate - low)
    return estimate - half, estimate + half
