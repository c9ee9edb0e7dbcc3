"""Test metrics of every arm on every task: mean, interval over seeds, and chance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.analysis.confirmed import ConfirmedResults
from results.analysis.statistics import student_mean
from results.tables.metrics import HEADLINE_METRICS

_COLUMNS = ["arm_id", "arm", "task", "mean", "low", "high", "chance"]


def task_estimates(
    confirmed: ConfirmedResults, arms: pd.DataFrame, metric: str = HEADLINE_METRICS[0], average: str = "query"
) -> pd.DataFrame:
    """Return one row per arm and task, with arms in the order of ``arms`` and tasks in that of the metrics table.

    Args:
        confirmed: The confirm trials that are reported.
        arms: Columns ``arm_id`` and ``arm``; arms without results are excluded.
        metric: A task metric.
        average: ``query`` or ``class``.

    Returns:
        Columns ``arm_id``, ``arm``, ``task``, ``mean``, ``low``, ``high`` (95 % Student t over seeds; NaN with
        fewer than two seeds) and ``chance`` (mean over the trials; NaN if unknown).
    """
    values = confirmed.by_task(metric, average)
    rows = confirmed.metrics[(confirmed.metrics["metric"] == metric) & (confirmed.metrics["average"] == average)]
    chance = rows.groupby("task")["chance"].mean()
    estimates = []
    for arm_id, arm in zip(arms["arm_id"], arms["arm"], strict=True):
        own = values[values.index.get_level_values("arm_id") == arm_id]
        for task in values.columns:
            present = own[task].dropna().to_numpy(dtype=np.float64)
            if len(present):
                estimate = student_mean(present)
                bounds = (estimate.mean, estimate.low, estimate.high)
                estimates.append((arm_id, arm, task, *bounds, float(chance[task])))
    frame = pd.DataFrame(estimates, columns=_COLUMNS)
    return frame.astype(dict.fromkeys(("mean", "low", "high", "chance"), "float64"))
