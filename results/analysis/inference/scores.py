"""One metric of the confirm trials as an array: arms x seeds x tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.analysis.confirmed import ConfirmedResults
from results.analysis.statistics import Floats
from results.plain_text import nearest
from results.tables.metrics import HEADLINE_METRICS


@dataclass(frozen=True)
class Scores:
    """One metric on the test split; arms are in the order of the summary, those without results are absent.

    Attributes:
        metric: name of the metric.
        average: ``query`` or ``class``.
        arm_ids: ids of the arms.
        arms: their names.
        seeds: train seeds, ascending.
        tasks: names of the tasks.
        array: shape (arms, seeds, tasks), NaN where missing.
        chance: shape (tasks,), value of random embeddings; NaN if unknown.
        queries: shape (tasks,), queries or triplets behind one value.
    """

    metric: str
    average: str
    arm_ids: tuple[str, ...]
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    tasks: tuple[str, ...]
    array: Floats
    chance: Floats
    queries: Floats

    def means(self) -> Floats:
        """Return means over tasks, shape (arms, seeds); NaN where a task is missing."""
        return np.asarray(self.array.mean(axis=2)) if self.tasks else np.full(self.array.shape[:2], np.nan)

    def of(self, arm: str) -> Floats:
        """Return the values of an arm by its name, shape (seeds, tasks).

        Raises:
            ValueError: No arm of this name has results.
        """
        if arm not in self.arms:
            raise ValueError(f"no arm {arm!r} with test results{nearest(arm, self.arms)}")
        return np.asarray(self.array[self.arms.index(arm)])

    def complete(self, arm: str) -> Floats:
        """Return the values of an arm for the seeds with every task, shape (complete seeds, tasks)."""
        own = self.of(arm)
        return np.asarray(own[~np.isnan(own).any(axis=1)])


def scores_of(
    confirmed: ConfirmedResults, arms: pd.DataFrame, metric: str = HEADLINE_METRICS[0], average: str = "query"
) -> Scores:
    """Return a metric of the confirm trials that are reported.

    Args:
        confirmed: The confirm trials.
        arms: Columns ``arm_id`` and ``arm``, such as the summary.
        metric: A task metric.
        average: ``query`` or ``class``.
    """
    wide = confirmed.by_task(metric, average)
    rows = confirmed.metrics[(confirmed.metrics["metric"] == metric) & (confirmed.metrics["average"] == average)]
    by_task = rows.groupby("task", observed=True)[["chance", "queries"]].mean().reindex(wide.columns)
    found = set(wide.index.get_level_values("arm_id"))
    kept = arms[arms["arm_id"].isin(found)]
    seeds = sorted(set(wide.index.get_level_values("train_seed")))
    grid = pd.MultiIndex.from_product([kept["arm_id"], seeds], names=wide.index.names)
    values = wide.reindex(grid).to_numpy(dtype=np.float64).reshape(len(kept), len(seeds), len(wide.columns))
    return Scores(
        metric,
        average,
        tuple(map(str, kept["arm_id"])),
        tuple(map(str, kept["arm"])),
        tuple(int(seed) for seed in seeds),
        tuple(map(str, wide.columns)),
        values,
        by_task["chance"].to_numpy(dtype=np.float64),
        by_task["queries"].to_numpy(dtype=np.float64),
    )
