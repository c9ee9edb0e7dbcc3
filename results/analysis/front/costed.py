"""Accuracy over seeds beside a cost that is known without any error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.analysis.inference.scores import Scores
from results.analysis.statistics import BOOTSTRAP_SEED, Floats, student_means

DRAWS = 9_999


@dataclass(frozen=True)
class CostedArms:
    """Arms with results and a known cost, by ascending cost, then by descending mean.

    Attributes:
        arms: names.
        values: shape (arms, seeds), means over tasks; NaN if an arm lacks a seed.
        cost: shape (arms,), such as added parameters; lower is better.
        chance: mean over tasks of the metric's value for random embeddings; NaN if unknown.
    """

    arms: tuple[str, ...]
    values: Floats
    cost: Floats
    chance: float

    def means(self) -> Floats:
        """Return means over seeds, shape (arms,)."""
        return np.asarray(np.nanmean(self.values, axis=1)) if self.arms else np.empty(0)

    def draws(self) -> Floats:
        """Return joint Student-t draws of the arms' true means, shape (draws, arms); always the same ones."""
        return student_means(self.values, np.random.default_rng(BOOTSTRAP_SEED), DRAWS)


def costed_arms(scores: Scores, summary: pd.DataFrame, cost: str = "added_parameters") -> CostedArms:
    """Return the arms with a mean and a cost.

    Args:
        scores: The metric.
        summary: Columns ``arm_id`` and ``cost``.
        cost: A column of the storage ledger, such as ``bytes_fp32`` or ``multiply_adds_per_image``.
    """
    known = dict(zip(summary["arm_id"], summary[cost].astype("float64"), strict=True))
    means = scores.means()
    found = [
        (known[arm_id], -float(np.nanmean(means[i])), i)
        for i, arm_id in enumerate(scores.arm_ids)
        if not np.isnan(known.get(arm_id, np.nan)) and not np.isnan(means[i]).all()
    ]
    order = [i for *_, i in sorted(found)]
    chance = float(scores.chance.mean()) if len(scores.chance) else np.nan
    costs = np.array([known[scores.arm_ids[i]] for i in order], dtype=np.float64)
    return CostedArms(tuple(scores.arms[i] for i in order), means[order], costs, chance)
