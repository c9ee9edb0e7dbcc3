"""PED-ANOVA on the levels of trials: in closed form, so that ten thousand trials of hundreds of levels take moments.

Watanabe, Bansal and Hutter, IJCAI 2023, arXiv 2304.10255, as Optuna's ``PedAnovaImportanceEvaluator`` computes it with
categorical parameters, its oracle in the tests. Optuna compares all levels of all trials one by one, for every response
and every group that is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.analysis.statistics import Floats

TOP = 0.25
"""PED-ANOVA asks what the trials in this best share have in common."""

_PRIOR = 1.0
_LEAST = 1e-12


@dataclass(frozen=True)
class Levels:
    """The levels of a name: ``codes`` of shape (trials,), the place of each trial's among ``count``."""

    codes: NDArray[np.int64]
    count: int

    def of(self, trials: NDArray[np.bool_]) -> Levels:
        """Return those of some trials; a level that none of them has is still one."""
        return Levels(self.codes[trials], self.count)


def ped_anova(names: list[Levels], gain: Floats) -> Floats:
    """Return importances that sum to 1, or zeros if no name matters.

    Args:
        names: The levels of the trials, name by name.
        gain: Shape (responses, trials), higher is better; NaN where unknown.

    Returns:
        Shape (responses, names).
    """
    importances = np.array([_divergences(names, own) for own in gain])
    total = importances.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(importances, total, out=np.zeros_like(importances), where=total > 0))


def _divergences(names: list[Levels], gain: Floats) -> list[float]:
    """Return for every name how far its levels in the best trials are from those in all (Pearson's divergence)."""
    known = np.isfinite(gain)
    loss = -gain[known]
    if len(loss) <= 1:
        return [0.0] * len(names)
    cut = math.ceil(TOP * len(loss)) - 1
    best = loss <= np.partition(loss, cut)[cut]
    found = []
    for levels in names:
        every = levels.of(known)
        top, local = _density(every.of(best)), _density(every)
        found.append(float(best.mean() ** 2 * (local @ (top / local - 1) ** 2)))
    return found


def _density(levels: Levels) -> Floats:
    """Return the Parzen estimate of shape (levels,): a kernel at every trial's level, and a uniform prior.

    The kernels are mixed with the uniform density by the prior over the number of levels that occur, and one.
    """
    counts = np.bincount(levels.codes, minlength=levels.count)
    spread = _PRIOR / (np.count_nonzero(counts) + 1)
    kernels = (spread * counts.sum() + counts) / (1 + spread * levels.count)
    return np.asarray((kernels + _PRIOR / levels.count) / (counts.sum() + _PRIOR) + _LEAST)
