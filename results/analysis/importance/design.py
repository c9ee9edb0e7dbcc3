"""The design tables: factors and nuisance values of trials beside what they reached."""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.analysis.inference.scores import Scores
from results.analysis.selection import BestTrialPerArm
from results.tables.schema import NUISANCE

FACTOR_COLUMNS = ("placement", "form", "activation", "initialization", "grouping", "balancing")
"""Factors as columns of ``trials`` and ``summary``; ``points`` and ``grouping_level`` follow from these."""

NUISANCE_COLUMNS = tuple(column.name for column in NUISANCE)

RESPONSES: dict[str, int] = {"accuracy": 1, "worst task": 1, "bytes": -1}
"""What importances are computed for; 1 where higher is better, -1 where lower is."""


def tune_design(
    trials: pd.DataFrame, task_metrics: pd.DataFrame, storage: pd.DataFrame, rule: BestTrialPerArm
) -> pd.DataFrame:
    """Return one row per completed tune trial with an objective, ordered by arm and trial index.

    Returns:
        The factor and nuisance columns, ``arm_id`` and the responses: ``accuracy`` (the validation objective),
        ``worst task`` (lowest validation value of a task in the rule's metric) and ``bytes`` (fp32, of the arm); NaN
        where unknown.
    """
    tuned = trials[(trials["stage"] == "tune") & (trials["state"] == "completed") & trials["objective"].notna()]
    shown = (
        (task_metrics["split"] == "validation")
        & (task_metrics["metric"] == rule.metric)
        & (task_metrics["average"] == rule.average)
    )
    worst = task_metrics[shown].groupby("trial_id")["value"].min()
    total = storage[storage["kind"] == "total"].set_index("arm_id")["bytes_fp32"].astype("float64")
    rows = tuned[["arm_id", "trial_index", *FACTOR_COLUMNS, *NUISANCE_COLUMNS]].assign(
        **{
            "accuracy": tuned["objective"].astype(float),
            "worst task": tuned["trial_id"].map(worst).astype(float),
            "bytes": tuned["arm_id"].map(total).astype(float),
        }
    )
    return rows.sort_values(["arm_id", "trial_index"], ignore_index=True).drop(columns="trial_index")


def confirm_design(scores: Scores, summary: pd.DataFrame) -> pd.DataFrame:
    """Return one row per arm and seed with all tasks: the factor columns, ``arm_id``, ``seed`` and the responses.

    ``accuracy`` and ``worst task`` are test values of the scores' metric.
    """
    arms = {str(row["arm_id"]): row for row in summary.to_dict("records")}
    rows = []
    for i, arm_id in enumerate(scores.arm_ids):
        for j, seed in enumerate(scores.seeds):
            own = scores.array[i, j]
            if np.isnan(own).any():
                continue
            arm = arms[arm_id]
            stored = np.nan if pd.isna(arm["bytes_fp32"]) else float(arm["bytes_fp32"])
            values = {"accuracy": float(own.mean()), "worst task": float(own.min()), "bytes": stored}
            rows.append({"arm_id": arm_id, "seed": seed, **{name: arm[name] for name in FACTOR_COLUMNS}, **values})
    return pd.DataFrame(rows, columns=["arm_id", "seed", *FACTOR_COLUMNS, *RESPONSES])


def varying(design: pd.DataFrame, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the columns that have at least two values."""
    return tuple(name for name in columns if len(design[name].unique()) > 1)
