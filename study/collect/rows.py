"""The rows of the tables, each from one planned trial and its journal; those of long tables by column."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from study.journal.events import Event
from study.journal.history import epoch_records
from study.plan.columns import factor_columns, nuisance_columns
from study.plan.plan import StudyPlan
from study.schedule.progress import TrialProgress

Row = dict[str, Any]


@dataclass(frozen=True)
class Columns:
    """Rows of one trial by column: a mapping for each of a million rows would take most of the memory.

    Attributes:
        rows: number of rows.
        same: the columns that are the same in all rows.
        values: the others, each with a value per row.
    """

    rows: int
    same: Row
    values: dict[str, list[Any]]


_TABLE_STATES = {"diverged": "failed", "infeasible": "failed", "paused": "waiting"}
"""States with a different name in the tables; ``failures`` gives the reason for a failure."""


def trial_row(plan: StudyPlan, progress: TrialProgress, mlflow_run_id: str | None) -> Row:
    """Return the trial's row of ``trials``."""
    trial, history, config = progress.trial, progress.history, progress.trial.config
    counted, settings = progress.epochs_run, config.model_dump(mode="json")
    halving = plan.definition.search.halving
    seconds = [seconds for epoch, seconds in history.epochs.items() if epoch <= counted] if history else []
    return {
        **_identity(plan, progress),
        **factor_columns(trial.arm.to_dict()),
        "round": trial.round,
        "trial_index": trial.index,
        "state": _TABLE_STATES.get(progress.state, progress.state),
        **nuisance_columns(settings),
        "data_seed": config.data_seed,
        "train_seed": config.train_seed,
        "sampler_seed": trial.sampler_seed,
        "epochs_planned": config.optimization.epochs,
        "epochs_run": counted,
        "seconds": float(sum(seconds)),
        "peak_memory_bytes": history.finished["peak_memory_bytes"] if history and history.finished else None,
        "objective": _finite(progress.objective),
        "objective_metric": plan.definition.objective_metric,
        "added_parameters": progress.arm.storage.added_parameters,
        "parameters": progress.arm.storage.parameters,
        "training_cost": progress.arm.training_cost,
        "mlflow_run_id": mlflow_run_id,
        "repeatable": "yes" if halving is None or halving.repeatable else "no",
        "data_fingerprint": trial.data_fingerprint,
        "attempts": history.attempts if history else 0,
        "software": json.dumps(history.software if history else {}, sort_keys=True),
        "config": json.dumps(settings, sort_keys=True),
    }


def long_facts(plan: StudyPlan, progress: TrialProgress) -> list[Any]:
    """Return all that ``metric_columns`` and ``curve_columns`` take of plan and progress, as values of JSON."""
    known = list(progress.history.epochs) if progress.history else []
    return [_metric_identity(plan, progress), _has_ended(progress), progress.epochs_run, known]


def metric_columns(plan: StudyPlan, progress: TrialProgress, events: Sequence[Event]) -> Columns:
    """Return the trial's rows of ``task_metrics``: its final measurements.

    Args:
        plan: the study.
        progress: of the trial.
        events: of its journal, which may have grown since.
    """
    ends = (event for event in events if event["event"] == "finished")
    finished = next(ends, None) if _has_ended(progress) else None
    metrics = finished["task_metrics"] if finished else []
    values = {name: [row[name] for row in metrics] for name in _METRIC_COLUMNS}
    return Columns(len(metrics), _metric_identity(plan, progress), values)


def curve_columns(plan: StudyPlan, progress: TrialProgress, events: Sequence[Event]) -> Columns:
    """Return the trial's rows of ``curves``: every metric of every epoch that counts, by epoch and name."""
    found: dict[str, list[Any]] = {"epoch": [], "metric": [], "value": []}
    known = progress.history.epochs if progress.history else {}
    for epoch, record in epoch_records(events).items():
        if epoch <= progress.epochs_run and epoch in known:
            metrics = record["metrics"]
            names = sorted(metrics)
            found["epoch"] += [epoch] * len(names)
            found["metric"] += names
            found["value"] += [metrics[name] for name in names]
    return Columns(len(found["value"]), _identity(plan, progress), found)


_METRIC_COLUMNS = ("split", "task", "metric", "average", "value", "chance", "queries")


def failure_rows(plan: StudyPlan, progress: TrialProgress) -> Iterator[Row]:
    """Yield the trial's rows of ``failures``, in the order they happened."""
    for failure in progress.history.failures if progress.history else ():
        yield {
            **_identity(plan, progress),
            "kind": failure["kind"],
            "message": " ".join(str(failure["message"]).split()),
            "traceback": failure.get("traceback") or "",
            "time": datetime.fromtimestamp(failure["time"], UTC),
            "attempt": failure["attempt"],
            "host": failure["host"],
        }


def storage_rows(plan: StudyPlan) -> Iterator[Row]:
    """Yield the rows of ``storage`` of every arm."""
    for planned in plan.arms:
        yield from planned.storage.rows(plan.definition.name, planned.arm.arm_id, planned.arm.name)


def _identity(plan: StudyPlan, progress: TrialProgress) -> Row:
    trial = progress.trial
    return {
        "study": plan.definition.name,
        "trial_id": trial.trial_id,
        "arm_id": trial.arm.arm_id,
        "arm": trial.arm.name,
        "stage": trial.stage,
    }


def _metric_identity(plan: StudyPlan, progress: TrialProgress) -> Row:
    return {**_identity(plan, progress), "train_seed": progress.trial.config.train_seed}


def _has_ended(progress: TrialProgress) -> bool:
    history = progress.history
    return history is not None and history.finished is not None and progress.state == "completed"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
