"""The results of a trial: epoch records, metrics per task, and its outcome. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Average = Literal["query", "class"]
"""``query``: mean over queries. ``class``: mean over classes of the mean over that class's queries."""

AVERAGES: tuple[Average, ...] = ("query", "class")


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: its number ``epoch`` (1-based) and its duration ``seconds`` (never part of a result).

    ``earlier``: an earlier call ran it and has already reported it, unless the caller lost the record.
    """

    epoch: int
    seconds: float
    metrics: dict[str, float]
    earlier: bool = False


@dataclass(frozen=True)
class TaskMetric:
    """One number of one task: a share in [0, 1], larger is better.

    ``chance`` is the expected value under a random ranking of the same queries and gallery. ``queries`` is the number
    of averaged items: queries for a rank metric, triplets for the triplet accuracy.
    """

    split: str
    task: str
    metric: str
    average: Average
    value: float
    chance: float
    queries: int


@dataclass(frozen=True)
class TrialOutcome:
    """The outcome of a ``run_trial`` call; ``finished`` is False if it stopped at a rung before the last epoch.

    ``unrepeatable``: operations of a trial with ``compute.deterministic`` that have no deterministic kernel.
    """

    epochs_run: int
    finished: bool
    task_metrics: tuple[TaskMetric, ...]
    peak_memory_bytes: int
    weights_file: str | None
    unrepeatable: tuple[str, ...] = ()


def mean_over_tasks(task_metrics: Iterable[TaskMetric], split: str, metric: str, average: Average = "query") -> float:
    """Return the mean over tasks, weighting all tasks equally.

    Raises:
        ValueError: no task has this metric.
    """
    values = [row.value for row in select(task_metrics, split, metric, average)]
    return sum(values) / len(values)


def worst_task(task_metrics: Iterable[TaskMetric], split: str, metric: str, average: Average = "query") -> TaskMetric:
    """Return the row of the task with the lowest value (the first one of several).

    Raises:
        ValueError: no task has this metric.
    """
    return min(select(task_metrics, split, metric, average), key=lambda row: row.value)


def select(
    task_metrics: Iterable[TaskMetric], split: str, metric: str, average: Average = "query"
) -> tuple[TaskMetric, ...]:
    """Return one row per task, in the given order.

    Raises:
        ValueError: no row matches.
    """
    rows = tuple(row for row in task_metrics if (row.split, row.metric, row.average) == (split, metric, average))
    if not rows:
        raise ValueError(f"no task has the metric {metric!r} averaged over {average!r} on split {split!r}")
    return rows
