"""What MLflow shows of a study, computed from the plan, the journals and the summary table alone.

Every value carries the time at which the journal recorded it, so mirroring the same events twice gives the same rows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from results.tables.metrics import HEADLINE_METRICS
from study.journal.events import Event
from study.journal.history import TrialHistory, planned_event
from study.plan.columns import factor_columns, nuisance_columns
from study.tracking.keys import bounded, metric_key

LEDGER_COLUMNS = (
    "parameters",
    "added_parameters",
    "added_parameters_per_task",
    "bytes_fp32",
    "bytes_fp16",
    "embeddings_per_image",
    "index_bytes_per_image_fp32",
    "index_bytes_per_image_fp16",
    "multiply_adds_per_image",
    "mask_bits",
)
"""Figures of the whole model that are logged as metrics ``storage/<column>``; those of its parts are in a table."""

LOG_ADDED = "storage/log10_added_parameters"
"""The decimal logarithm of one plus the added parameters: MLflow's scatter plot has no logarithmic axis."""

_STATUS = {
    "waiting": "SCHEDULED",
    "running": "RUNNING",
    "paused": "SCHEDULED",
    "pruned": "KILLED",
    "completed": "FINISHED",
    "diverged": "FAILED",
    "infeasible": "FAILED",
    "failed": "FAILED",
}
TAG_LENGTH = 5000
"""Characters of a tag's value at most; MLflow takes at least as many everywhere."""

_PARAM_LENGTH = 6000


@dataclass(frozen=True)
class Point:
    """One value of one metric: ``time_ms`` in unix milliseconds, ``step`` the epoch (0 for figures without one)."""

    key: str
    value: float
    time_ms: int
    step: int


@dataclass(frozen=True)
class RunContent:
    """What one MLflow run is to hold. ``end_ms`` is None while the run is not over; a ``status`` of None stays."""

    params: dict[str, str]
    points: tuple[Point, ...]
    tags: dict[str, str]
    status: str | None
    end_ms: int | None


def _milliseconds(event: Event) -> int:
    return round(float(event["time"]) * 1000)


def ledger_points(storage: Iterable[Mapping[str, Any]], time_ms: int) -> list[Point]:
    """Return the ledger of the whole model as metrics."""
    total = next((row for row in storage if row["kind"] == "total"), {})
    figures = {f"storage/{column}": float(total[column]) for column in LEDGER_COLUMNS if total.get(column) is not None}
    if total.get("added_parameters") is not None:
        figures[LOG_ADDED] = math.log10(1 + total["added_parameters"])
    return [Point(key, value, time_ms, 0) for key, value in figures.items()]


def factor_params(arm: Mapping[str, Any], label: str) -> dict[str, str]:
    """Return the factor levels of an arm, as the plan and the journals record it, as params, with its short label."""
    levels = {"arm": str(arm["name"]), "label": label, **factor_columns(arm)}
    return {name: bounded(level, _PARAM_LENGTH) for name, level in levels.items()}


def trial_params(planned: Event, label: str) -> dict[str, str]:
    """Return the params of a trial: its factors, every nuisance value it ran with, stage and seeds."""
    config = planned["config"]
    return {
        **factor_params(planned["arm"], label),
        "stage": planned["stage"],
        "round": str(planned["round"]),
        "trial_index": str(planned["index"]),
        **{name: repr(value) for name, value in nuisance_columns(config).items()},
        "epochs": str(config["optimization"]["epochs"]),
        "data_seed": str(config["data_seed"]),
        "train_seed": str(config["train_seed"]),
        "sampler_seed": str(planned["sampler_seed"]),
        "data_fingerprint": planned["data_fingerprint"],
    }


def is_shown(curve: str) -> bool:
    """Whether a curve is logged as a metric: curves of single tasks and stages are in the table of curves alone."""
    return curve.count("/") < 2


def _event_points(event: Event) -> list[Point]:
    time_ms = _milliseconds(event)
    if event["event"] == "epoch":
        values = {**event["metrics"], "seconds": event["seconds"]}
        return [
            Point(metric_key(name), float(value), time_ms, event["epoch"])
            for name, value in values.items()
            if value is not None and is_shown(name)
        ]
    points = []
    if event.get("objective") is not None:
        points.append(
            Point(
                "objective", float(event["objective"]), time_ms, int(event.get("epoch") or event.get("epochs_run") or 0)
            )
        )
    if event["event"] == "finished":
        points += _finished_points(event, time_ms)
    return points


def _finished_points(event: Event, time_ms: int) -> list[Point]:
    """The headline metrics, each the mean over tasks, averaged over queries.

    A value that is not finite stands as null in the journal; then the mean over tasks has no point.
    """
    over_tasks: dict[str, list[float]] = {}
    for row in event["task_metrics"]:
        if row["metric"] in HEADLINE_METRICS and row["average"] == "query":
            over_tasks.setdefault(f"final/{row['split']}_{row['metric']}", []).append(row["value"])
    means = {key: fmean(values) for key, values in over_tasks.items() if None not in values}
    figures = {**means, "epochs_run": event["epochs_run"], "peak_memory_bytes": event["peak_memory_bytes"]}
    return [Point(key, float(value), time_ms, event["epochs_run"]) for key, value in figures.items()]


def trial_content(
    history: TrialHistory, events: tuple[Event, ...], mirrored: int, of_arm: tuple[Iterable[Mapping[str, Any]], str]
) -> RunContent:
    """Return what the run of a trial still lacks when its first ``mirrored`` journal events are there already.

    An epoch that a resumed trial ran again is not repeated: its numbers are those of the first time.

    Args:
        history: of the trial.
        events: of its journal.
        mirrored: how many of them are there.
        of_arm: the ledger and the label of its arm.
    """
    storage, label = of_arm
    seen = {event["epoch"] for event in events[:mirrored] if event["event"] == "epoch"}
    points = ledger_points(storage, _milliseconds(events[0])) if mirrored == 0 else []
    for event in events[mirrored:]:
        if event["event"] == "epoch":
            if event["epoch"] in seen:
                continue
            seen.add(event["epoch"])
        points += _event_points(event)
    tags = {"modstudy.state": history.state, "modstudy.attempts": str(history.attempts)}
    if history.software:
        tags["modstudy.software"] = json.dumps(history.software, sort_keys=True)
    for number, failure in enumerate(history.failures, start=1):
        tags[f"modstudy.failure.{number}"] = f"{failure['kind']}: {' '.join(failure['message'].split())}"
    status = _STATUS[history.state]
    ended = status in ("FINISHED", "FAILED", "KILLED")
    params = trial_params(planned_event(events), label) if mirrored == 0 else {}
    tags = {name: bounded(text, TAG_LENGTH) for name, text in tags.items()}
    return RunContent(params, tuple(points), tags, status, round(history.updated * 1000) if ended else None)


def summary_points(row: Mapping[str, Any], time_ms: int) -> list[Point]:
    """Return the results of an arm as metrics ``summary/<column>``; the step counts the seeds."""
    return [
        Point(metric_key(f"summary/{name}"), float(value), time_ms, int(row["n_seeds"]))
        for name, value in row.items()
        if is_result(name) and isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    ]


def is_result(column: str) -> bool:
    """Whether a column of the summary is logged: not the ledger again, nor the second kind of interval."""
    return column not in LEDGER_COLUMNS and "_bootstrap_" not in column
