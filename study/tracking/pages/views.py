"""Views of MLflow's table and charts of runs that a study shares, so that they open with the right runs and charts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.tracking.content import LOG_ADDED
from study.tracking.keys import bounded
from study.tracking.pages.routes import VIEWS, runs_of, view_id

_TAG = "mlflow.sharedViewState"
_SECTION = "modstudy"
_TIME = "attributes.start_time"
_OF_TRIALS = "final, optimization, storage, train, validation, Model metrics"
_MOST = 1000
"""Runs that a chart shows at most; MLflow's own limit is ten."""

State = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """What the views of a run folder show.

    Attributes:
        folder_key: the identity of the run folder.
        study: its name.
        metric: the selection metric, shown as accuracy.
        objective: what the trials' metric ``objective`` is.
        nuisance: names of the tuned nuisance values.
        created_ms: when the study was planned, in unix milliseconds.
    """

    folder_key: str
    study: str
    metric: str
    objective: str
    nuisance: tuple[str, ...]
    created_ms: int


def shared_views(shown: Shown) -> list[tuple[str, str]]:
    """Return the experiment's tags, name and value, that MLflow lists under Views and opens by link."""
    states = {"arms": _arms(shown), "trials": _trials(shown), "tuning": _tuning(shown), "tree": _tree(shown)}
    return [_tag(shown, name, age, state) for age, (name, state) in enumerate(states.items())]


def _tag(shown: Shown, name: str, age: int, state: State) -> tuple[str, str]:
    """Return a view as MLflow keeps those that a user saved; its list begins with the youngest."""
    created = shown.created_ms - age
    title = f"{bounded(shown.study, 60)}: {VIEWS[name]}"
    content = {"name": title, "createdAt": created, "updatedAt": created, "state": json.dumps(state)}
    return f"{_TAG}.{view_id(name, shown.folder_key)}", json.dumps(content)


def _arms(shown: Shown) -> State:
    mean = f"summary/{shown.metric}_mean"
    bounds = [f"summary/{shown.metric}_{end}" for end in ("low", "high")]
    worst = f"summary/{shown.metric}_worst_task_mean"
    scatter = {**_axis("xaxis", LOG_ADDED), **_axis("yaxis", mean)}
    parallel: State = {"selectedParams": ["label"], "selectedMetrics": [LOG_ADDED, worst, mean]}
    charts = [_card("SCATTER", **scatter), _card("PARALLEL", showAllRuns=True, **parallel)]
    columns = _columns(("label",), (mean, *bounds, "summary/n_seeds", "storage/added_parameters"))
    state = _state(shown, "tags.`modstudy.kind` = 'arm'", mean, columns)
    return state | _charts("accuracy against added parameters", charts, "storage, summary")


def _trials(shown: Shown) -> State:
    score, validation = f"final/test_{shown.metric}", f"validation/{shown.metric}"
    charts = [_card("LINE", metricKey=key, selectedMetricKeys=[key]) for key in ("train/loss", validation)]
    columns = _columns(("train_seed",), (score, validation, "storage/added_parameters"))
    grouped = {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": "label"}]}
    state = _state(shown, "params.stage = 'confirm'", score, columns)
    return state | _charts("training of every arm", charts, _OF_TRIALS) | {"groupBy": grouped}


def _tuning(shown: Shown) -> State:
    parallel: State = {"selectedParams": ["label", *shown.nuisance], "selectedMetrics": ["objective"]}
    scatters = [
        _card("SCATTER", number, **_axis("xaxis", name, "PARAM"), **_axis("yaxis", "objective"))
        for number, name in enumerate(shown.nuisance)
    ]
    columns = _columns(("label", *shown.nuisance), ("objective", "epochs_run"))
    charts = [_card("PARALLEL", showAllRuns=True, **parallel), *scatters]
    title = f"what was tried; objective: {shown.objective}"
    return _state(shown, "params.stage = 'tune'", "objective", columns) | _charts(title, charts, _OF_TRIALS)


def _tree(shown: Shown) -> State:
    """Return every run, in the order of time, for in no other one MLflow shows a tree."""
    metrics = (f"summary/{shown.metric}_mean", f"final/test_{shown.metric}", "objective", "storage/added_parameters")
    return {**_state(shown, None, "objective", _columns((), metrics)), "orderByKey": _TIME, "orderByAsc": True}


def _state(shown: Shown, condition: str | None, order_by: str, columns: Sequence[str]) -> State:
    """Return runs in a flat table: MLflow hides children below their parents unless they are sorted by a metric."""
    return {
        "searchFilter": " and ".join(filter(None, (runs_of(shown.folder_key), condition))),
        "orderByKey": f"metrics.`{order_by}`",
        "orderByAsc": False,
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": {column: 230 if column.startswith("metrics.") else 110 for column in columns},
        "runsHiddenMode": "SHOW_ALL",
        "groupBy": None,
    }


def _charts(title: str, charts: Sequence[Mapping[str, Any]], others: str) -> State:
    """Return our charts; those that MLflow makes of every metric follow in the sections ``others``, which are closed.

    Charts are as wide as the page: the first axis of parallel coordinates has room for the names left of it.
    """
    layout = {"columns": 1, "cardHeight": 460, "isReordered": True}
    ours = {**_section(_SECTION, title), **layout}
    made = [
        {**_section(f"{_SECTION}-{name}", name), "display": False, "isGenerated": True} for name in others.split(", ")
    ]
    return {"compareRunCharts": list(charts), "compareRunSections": [ours, *made], "isAccordionReordered": True}


def _section(uuid: str, name: str) -> State:
    return {"uuid": uuid, "name": name, "display": True, "deleted": False, "isReordered": False, "isGenerated": False}


def _card(kind: str, number: int = 0, **content: Any) -> State:
    name = content.get("metricKey", number)
    own = {"uuid": f"{_SECTION}-{kind}-{name}", "type": kind, "metricSectionId": _SECTION, "runsCountToCompare": _MOST}
    return {**own, "deleted": False, "isGenerated": False, **content}


def _axis(axis: str, key: str, kind: str = "METRIC") -> State:
    return {axis: {"key": key, "type": kind}}


def _columns(params: Iterable[str], metrics: Iterable[str]) -> list[str]:
    return [*(f"params.`{name}`" for name in params), *(f"metrics.`{name}`" for name in metrics)]
