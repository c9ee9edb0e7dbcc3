"""Chance levels, to be shown beside every metric."""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.analysis.confirmed import ConfirmedResults
from results.tables.metrics import HEADLINE_METRICS


def chance_levels(confirmed: ConfirmedResults) -> pd.DataFrame:
    """Return the expected values for random embeddings: a row per headline metric, a column per task, in table order.

    Averaged over queries, and over the trials; NaN if unknown.
    """
    rows = confirmed.metrics[confirmed.metrics["average"] == "query"]
    means = rows.pivot_table(index="metric", columns="task", values="chance", observed=True)
    return means.reindex(index=list(HEADLINE_METRICS), columns=list(rows["task"].unique()))


def mean_chance(confirmed: ConfirmedResults, metric: str) -> float | None:
    """Return the mean over tasks of a metric's chance levels; None if one is unknown."""
    levels = chance_levels(confirmed).loc[metric, list(confirmed.by_task(metric).columns)]
    return known(float(levels.to_numpy(dtype=np.float64).mean())) if len(levels) else None


def worst_chances(confirmed: ConfirmedResults, metric: str) -> dict[str, float]:
    """Return the chance level of every arm's worst task by ``arm_id``: the task of its lowest mean over seeds.

    Chance of Recall@1, for one, differs between tasks, and arms have different worst tasks.
    """
    means = confirmed.by_task(metric).groupby("arm_id").mean()
    if means.empty:
        return {}
    own = chance_levels(confirmed).loc[metric]
    levels = dict(zip(own.index, own.to_numpy(dtype=np.float64).tolist(), strict=True))
    return {str(arm_id): levels[task] for arm_id, task in means.dropna(how="all").idxmin(axis=1).items()}


def known(value: float | None) -> float | None:
    """Return a number, or None for NaN."""
    return None if value is None or np.isnan(value) else float(value)
