"""The set of arms that cannot be told from the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from results.analysis.inference.verdicts import Verdicts


@dataclass(frozen=True)
class BestArms:
    """A confidence set for the best arm.

    Attributes:
        best: the arm with the highest mean.
        tied: the arms that cannot be told from the best, by descending mean; includes ``best``.
        beaten: of every other arm, the best arm that is shown to be better.
    """

    best: str
    tied: tuple[str, ...]
    beaten: dict[str, str]


def best_arms(verdicts: Verdicts) -> BestArms | None:
    """Return the arms that no arm is shown to beat; None if no arm has a mean.

    Holm's method keeps the probability of any wrong rejection at 5 % or less, so the truly best arm is in the set with
    95 % or more, however many arms there are and however their variances differ.
    """
    means = verdicts.scores.means()
    known = np.flatnonzero(~np.isnan(means).all(axis=1))
    if not len(known):
        return None
    names = verdicts.scores.arms
    order = known[np.argsort(-np.nanmean(means[known], axis=1), kind="stable")]
    better = verdicts.told_apart()[np.ix_(order, order)] > 0  # rival x arm, both from the best on
    beaten = {
        names[arm]: names[order[int(np.argmax(better[:, place]))]]
        for place, arm in enumerate(order)
        if better[:, place].any()
    }
    tied = tuple(names[arm] for arm in order if names[arm] not in beaten)
    return BestArms(names[order[0]], tied, beaten)
