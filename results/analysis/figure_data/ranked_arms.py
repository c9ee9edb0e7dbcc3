"""The arms by test accuracy, best first."""

from __future__ import annotations

import pandas as pd

from results.tables.metrics import HEADLINE_METRICS


def ranked_arms(summary: pd.DataFrame, metric: str = HEADLINE_METRICS[0]) -> pd.DataFrame:
    """Return one row per arm with results, best mean first, ties in the order of the summary.

    Returns:
        Columns ``arm_id``, ``arm``, ``mean``, ``low``, ``high`` (95 % Student t over seeds; NaN with fewer than two),
        ``n_seeds``, ``worst_task`` and ``added_parameters``.
    """
    reported = summary[summary[f"{metric}_mean"].notna()]
    names = {f"{metric}_{name}": name for name in ("mean", "low", "high")} | {f"{metric}_worst_task_mean": "worst_task"}
    columns = ["arm_id", "arm", *names, "n_seeds", "added_parameters"]
    ranked = reported[columns].rename(columns=names)
    return ranked.sort_values("mean", ascending=False, kind="stable", ignore_index=True)
