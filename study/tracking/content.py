"""What MLflow shows of a study, computed from the plan, the journals and the summary table alone.

Every value carries the time at which the journal recorded it, so mirroring the same events twice gives the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from study.journal.events import Event
from study.journal.history import TrialHistory
from study.plan.columns import factor_columns, nuisance_columns
from study.tracking.keys import bounded, key_of, metric_key

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
"""Figures of the storage table's rows that are logged as metrics ``storage/<column>``."""

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
    """What one MLflow run is to hold. ``end_ms`` is None while the run is not over."""

    params: dict[str, str]
    points: tuple[Point, ...]
    tags: dict[str, str]
    status: str
    end_ms: int | None


def task_metric_key(row: Mapping[str, Any]) -> str:
    """Return the metric name of one row of ``task_metrics``: ``split/task/metric/average``."""
    return key_of(row["split"], row["task"], row["metric"], row["average"])


def _milliseconds(event: Event) -> int:
    return round(float(event["time"]) * 1000)


def ledger_points(storage: Iterable[Mapping[str, Any]], time_ms: int, *, components: bool) -> list[Point]:
    """Return the ledger as metrics: the total row, and with ``components`` every other row under its own name."""
    points = []
    for row in storage:
        if row["kind"] == "total" or components:
            points += [
                Point(ledger_key(row, column), float(row[column]), time_ms, 0)
                for column in LEDGER_COLUMNS
                if row.get(column) is not None
            ]
    return points


def ledger_key(row: Mapping[str, Any], column: str) -> str:
    """Return the metric name of one figure of a row of ``storage``."""
    return f"storage/{column}" if row["kind"] == "total" else key_of("storage", row["kind"], row["component"], column)


def factor_params(arm: Mapping[str, Any]) -> dict[str, str]:
    """Return the factor levels of an arm, as the plan and the journals record it, as params."""
    levels = {"arm": str(arm["name"]), **factor_columns(arm)}
    return {name: bounded(level, _PARAM_LENGTH) for name, level in levels.items()}


def trial_params(planned: Event) -> dict[str, str]:
    """Return the params of a trial: its factors, every nuisance value it ran with, stage and seeds."""
    config = planned["config"]
    return {
        **factor_params(planned["arm"]),
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


def _event_points(event: Event) -> list[Point]:
    time_ms = _milliseconds(event)
    if event["event"] == "epoch":
        values = {**event["metrics"], "seconds": event["seconds"]}
        return [
            Point(metric_key(name), float(value), time_ms, event["epoch"])
            for name, value in values.items()
            if value is not None
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
    """The rows of ``task_metrics``, the chance level and number of queries of each, and means over the tasks.

    A value that is not finite stands as null in the journal, and has no point, nor has the mean over tasks.
    """
    step = event["epochs_run"]
    points, over_tasks = [], dict[str, list[float]]()
    for row in event["task_metrics"]:
        key = task_metric_key(row)
        named = {key: row["value"], f"chance/{key}": row["chance"], f"queries/{key}": row["queries"]}
        points += [Point(name, float(value), time_ms, step) for name, value in named.items() if value is not None]
        over_tasks.setdefault(f"{row['split']}/mean/{row['metric']}/{row['average']}", []).append(row["value"])
    points += [Point(key, fmean(values), time_ms, step) for key, values in over_tasks.items() if None not in values]
    points.append(Point("epochs_run", float(step), time_ms, step))
    points.append(Point("peak_memory_bytes", float(event["peak_memory_bytes"]), time_ms, step))
    return points


def trial_content(
    history: TrialHistory, events: tuple[Event, ...], mirrored: int, storage: Iterable[Mapping[str, Any]]
) -> RunContent:
    """Return what the run of a trial still lacks when its first ``mirrored`` journal events are there already.

    An epoch that a resumed trial ran again is not repeated: its numbers are those of the first time.
    """
    seen = {event["epoch"] for event in events[:mirrored] if event["event"] == "epoch"}
    points = ledger_points(storage, _milliseconds(events[0]), components=False) if mirrored == 0 else []
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
    params = trial_params(history.planned) if mirrored == 0 else {}
    tags = {name: bounded(text, TAG_LENGTH) for name, text in tags.items()}
    return RunContent(params, tuple(points), tags, status, round(history.updated * 1000) if ended else None)


def summary_points(row: Mapping[str, Any], time_ms: int) -> list[Point]:
    """Return the numeric columns of an arm's summary row as metrics ``summary/<column>``; the step counts the seeds."""
    return [
        Point(metric_key(f"summary/{name}"), float(value), time_ms, int(row["n_seeds"]))
        for name, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 - not NaN
    ]
