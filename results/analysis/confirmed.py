"""The reported test results: confirm trials with each arm's selected nuisance values, by seed and by task."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from results.analysis.selection import BestTrialPerArm, Candidate
from results.tables.metrics import HEADLINE_METRICS
from results.tables.schema import NUISANCE

SPLIT = "test"

_SAME = [*(column.name for column in NUISANCE), "epochs_planned", "data_seed", "data_fingerprint"]
"""A confirm trial belongs to a selected tune trial if these agree. After a study is extended, another tune trial may be
the best one; confirm trials of the previous selection are still in the folder and must not be averaged in."""


@dataclass(frozen=True)
class ConfirmedResults:
    """The trials behind the reported numbers."""

    rule: BestTrialPerArm
    chosen: dict[str, Candidate]
    """The selected tune trial by arm_id."""
    trials: pd.DataFrame
    """Completed confirm trials with the selected values, rows of ``trials``."""
    metrics: pd.DataFrame
    """Their rows of ``task_metrics`` on the test split."""

    def by_task(self, metric: str = HEADLINE_METRICS[0], average: str = "query") -> pd.DataFrame:
        """Return values with a row per (``arm_id``, ``train_seed``) and a column per task, in table order.

        Tasks without a value in any trial are excluded.
        """
        rows = self.metrics[(self.metrics["metric"] == metric) & (self.metrics["average"] == average)]
        wide = rows.pivot_table(index=["arm_id", "train_seed"], columns="task", values="value", observed=True)
        return wide[[task for task in rows["task"].unique() if task in wide.columns]]

    def by_seed(self, metric: str = HEADLINE_METRICS[0], average: str = "query") -> pd.DataFrame:
        """Return means over tasks with one row per ``arm_id`` and one column per seed; NaN if an arm lacks a seed.

        A trial that lacks a task which others have gets no mean, because means over different tasks are not comparable.
        """
        means = self.by_task(metric, average).mean(axis=1, skipna=False).rename("mean").reset_index()
        return means.pivot_table(index="arm_id", columns="train_seed", values="mean")


def confirmed_results(trials: pd.DataFrame, task_metrics: pd.DataFrame, rule: BestTrialPerArm) -> ConfirmedResults:
    """Select one tune trial per arm by the rule, and collect the test results of its confirm trials.

    Raises:
        ValueError: Two confirm trials of one arm share nuisance values and train seed.
    """
    chosen = rule.select(trials)
    winners = trials[trials["trial_id"].isin([candidate.trial_id for candidate in chosen.values()])]
    finished = trials[(trials["stage"] == "confirm") & (trials["state"] == "completed")]
    kept = finished.merge(winners[["arm_id", *_SAME]], on=["arm_id", *_SAME])
    double = kept[kept.duplicated(["arm_id", "train_seed"], keep=False)]
    if len(double):
        first = double.iloc[0]
        same = double.loc[
            (double["arm_id"] == first["arm_id"]) & (double["train_seed"] == first["train_seed"]), "trial_id"
        ]
        raise ValueError(
            f"arm {first['arm']}: trials {', '.join(same)} share nuisance values and train_seed "
            f"{first['train_seed']}; each seed may count only once (were settings of the study changed in between?)"
        )
    on_test = task_metrics[(task_metrics["split"] == SPLIT) & task_metrics["trial_id"].isin(kept["trial_id"])]
    return ConfirmedResults(rule, chosen, kept, on_test)


def seed_values(by_seed: pd.DataFrame, arm_id: str) -> dict[int, float]:
    """Return one arm's values by seed, without the seeds it lacks."""
    if arm_id not in by_seed.index:
        return {}
    values = by_seed.to_numpy(dtype=float)[by_seed.index.get_loc(arm_id)].tolist()  # selecting a frame takes far longer
    return {int(seed): value for seed, value in zip(by_seed.columns, values, strict=True) if not math.isnan(value)}


def validation_means(confirmed: ConfirmedResults, task_metrics: pd.DataFrame) -> dict[str, float]:
    """Return the selection metric on validation images, mean over tasks and confirm trials, by ``arm_id``."""
    rule = confirmed.rule
    own = task_metrics[
        (task_metrics["split"] == "validation")
        & (task_metrics["metric"] == rule.metric)
        & (task_metrics["average"] == rule.average)
        & task_metrics["trial_id"].isin(confirmed.trials["trial_id"])
    ]
    return {str(arm_id): float(value) for arm_id, value in own.groupby("arm_id")["value"].mean().items()}
