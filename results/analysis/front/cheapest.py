"""The cheapest arm that is nearly as accurate as the best, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.analysis.front.costed import CostedArms
from results.analysis.statistics import Floats

WITHIN = 0.01
"""Points of the best that count as nearly as accurate, where nobody says otherwise."""


@dataclass(frozen=True)
class Cheapest:
    """The cheapest arm whose mean is within ``points`` of the highest mean.

    Attributes:
        points: the tolerance, as a share (0.01 is one percentage point).
        arm: the cheapest arm by the means; of equally cheap ones, the more accurate.
        probability: that its true mean is within ``points`` of the highest true mean; None with fewer than two seeds.
        choices: columns ``arm``, ``cost``, ``within`` (probability of being within ``points`` of the best) and
            ``cheapest`` (probability of being the cheapest such arm), by ascending cost; NaN with fewer than two seeds.
    """

    points: float
    arm: str
    probability: float | None
    choices: pd.DataFrame


def cheapest_within(costed: CostedArms, points: float = WITHIN) -> Cheapest | None:
    """Return the cheapest arm within ``points`` of the best; None without arms.

    Probabilities are shares of joint Student-t draws of all arms' means over seeds.

    Raises:
        ValueError: ``points`` is negative.
    """
    if points < 0:
        raise ValueError(f"points must be 0 or more, got {points}")
    if not costed.arms:
        return None
    picked = int(np.argmax(_picks(costed.means()[None], costed.cost, points)[0]))
    known = (~np.isnan(costed.values)).sum(axis=1) > 1
    draws = costed.draws()
    within = (draws >= draws.max(axis=1, keepdims=True) - points).mean(axis=0)
    cheapest = _picks(draws, costed.cost, points).mean(axis=0)
    shares = {"within": within, "cheapest": cheapest}
    columns = {name: np.where(known, share, np.nan) for name, share in shares.items()}
    choices = pd.DataFrame({"arm": list(costed.arms), "cost": costed.cost, **columns})
    return Cheapest(points, costed.arms[picked], float(within[picked]) if known[picked] else None, choices)


def _picks(accuracy: Floats, cost: Floats, points: float) -> Floats:
    """Return a one for the pick of each draw; accuracy and result have shape (draws, arms)."""
    within = accuracy >= accuracy.max(axis=1, keepdims=True) - points
    price = np.where(within, cost, np.inf)
    cheap = price == price.min(axis=1, keepdims=True)
    best = np.argmax(np.where(cheap, accuracy, -np.inf), axis=1)
    return np.asarray(np.arange(accuracy.shape[1]) == best[:, None], dtype=np.float64)
