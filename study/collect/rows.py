"""The rows of the tables, each from one planned trial and its journal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from study.plan.columns import factor_columns, nuisance_columns
from study.plan.plan import StudyPlan
from study.schedule.progress import TrialProgress

Row = dict[str, Any]

_TABLE_STATES = {"diverged": "failed", "infeasible": "failed", "paused": "waiting"}
"""States with a different name in the tables; ``failures`` gives the reason for a failure."""


def trial_row(plan: StudyPlan, progress: TrialProgress, mlflow_run_id: str | None) -> Row:
    """Return the trial's row of ``trials``."""
    trial, history, config = progress.trial, progress.history, progress.trial.config
    counted, settings = progress.epochs_run, config.model_dump(mode="json")
    records = [record for epoch, record in history.epochs.items() if epoch <= counted] if history else []
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
        "seconds": float(sum(record["seconds"] for record in records)),
        "peak_memory_bytes": history.finished["peak_memory_bytes"] if history and history.finished else None,
        "objective": _finite(progress.objective),
        "objective_metric": plan.definition.objective_metric,
        "added_parameters": progress.arm.storage.added_parameters,
        "parameters": progress.arm.storage.parameters,
        "mlflow_run_id": mlflow_run_id,
        "data_fingerprint": trial.data_fingerprint,
        "attempts": history.attempts if history else 0,
        "software": json.dumps(history.software if history else {}, sort_keys=True),
        "config": json.dumps(settings, sort_keys=True),
    }


def metric_rows(plan: StudyPlan, progress: TrialProgress) -> Iterator[Row]:
    """Yield the trial's rows of ``task_metrics``: its final measurements."""
    history = progress.history
    if history is None or history.finished is None or progress.state != "completed":
        return
    identity = {**_identity(plan, progress), "train_seed": progress.trial.config.train_seed}
    names = ("split", "task", "metric", "average", "value", "chance", "queries")
    for metric in history.finished["task_metrics"]:
        yield {**identity, **{name: metric[name] for name in names}}


def curve_rows(plan: StudyPlan, progress: TrialProgress) -> Iterator[Row]:
    """Yield the trial's rows of ``curves``: every metric of every epoch that counts, in order of epoch and name."""
    identity = _identity(plan, progress)
    del identity["arm"]
    for epoch, record in progress.history.epochs.items() if progress.history else ():
        if epoch <= progress.epochs_run:
            for name, value in sorted(record["metrics"].items()):
                yield {**identity, "epoch": epoch, "metric": name, "value": value}


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


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
