"""Trials that train nothing, to measure what running a trial costs."""

from __future__ import annotations

from typing import Any

from trainables.config.trial import TrialConfig
from trainables.outcome import EpochRecord, TaskMetric, TrialOutcome

METRICS = ("triplet_accuracy", "recall_at_1", "map_at_r")


def run_nothing(config: TrialConfig, *, report: Any, **_: Any) -> TrialOutcome:
    """Stand where ``run_trial`` stands: one epoch is reported, nothing is trained."""
    report(EpochRecord(epoch=1, seconds=0.0, metrics={"train/loss": config.optimization.learning_rate}))
    rows = tuple(
        TaskMetric(split, task, metric, "query", config.optimization.learning_rate, 0.5, 1)
        for split in config.evaluation.splits
        for task in config.data.tasks
        for metric in METRICS
    )
    return TrialOutcome(1, True, rows, 0, None)


def run_nothing_with_torch(config: TrialConfig, *, report: Any, **rest: Any) -> TrialOutcome:
    """The same in a process that has imported torch."""
    import torch  # noqa: F401

    return run_nothing(config, report=report, **rest)
