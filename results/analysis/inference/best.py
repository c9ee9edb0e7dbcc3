"""The set of arms that cannot be told from the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from results.analysis.inference.intervals import student_bounds
from results.analysis.inference.scores import Scores
from results.analysis.statistics import LEVEL


@dataclass(frozen=True)
class BestArms:
    """A confidence set for the best arm.

    Attributes:
        best: the arm with the highest mean.
        tied: the arms that cannot be told from the best, by descending mean; includes ``best``.
        beaten: of every other arm, the arm that shows it not to be the best.
        level: probability, over seeds, with which the truly best arm is in ``tied``; at least.
    """

    best: str
    tied: tuple[str, ...]
    beaten: dict[str, str]
    level: float


def best_arms(scores: Scores, level: float = LEVEL) -> BestArms | None:
    """Return the arms that cannot be told from the best; None if no arm has a mean.

    An arm is excluded if some rival is better by a one-sided paired t test at ``(1 - level) / rivals``. The truly best
    arm is then excluded with at most probability ``1 - level``, however many arms there are and however their variances
    differ: subset selection by pairwise tests (Hsu, Multiple Comparisons, 1996, chapter 4), with Bonferroni's bound.
    """
    from scipy import special

    means = scores.means()
    known = np.flatnonzero(~np.isnan(means).all(axis=1))
    if not len(known):
        return None
    names = [scores.arms[i] for i in known]
    overall = np.nanmean(means[known], axis=1)
    order = np.argsort(-overall, kind="stable")
    beaten = {}
    for arm in order:
        found = student_bounds(means[known] - means[known[arm]])  # rivals minus the arm
        testable = (found.n > 1) & (np.arange(len(known)) != arm)
        if not testable.any():
            continue
        p = np.where(testable, special.stdtr(np.maximum(found.n - 1, 1), -np.nan_to_num(found.t)), 1.0)
        rival = int(np.argmin(p))
        if p[rival] * testable.sum() < 1 - level:
            beaten[names[arm]] = names[rival]
    tied = tuple(names[arm] for arm in order if names[arm] not in beaten)
    return BestArms(names[order[0]], tied, beaten, level)
