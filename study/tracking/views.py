"""Pages of MLflow's interface: the tree of a study, and its arms compared by accuracy and added parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from study.tracking.known import FOLDER

_SHARED = "mlflow.sharedViewState"
_WIDE = {"columns": 1, "cardHeight": 500}
_SECTION = "accuracy against added parameters"


def study_page(base: str, experiment: str, study_run: str) -> str:
    """Return the page of the study's run, which lists the runs of its arms."""
    return f"{base}/#/experiments/{experiment}/runs/{study_run}"


def tree_page(base: str, experiment: str, folder_key: str) -> str:
    """Return the page with the runs of a run folder as a tree."""
    return f"{base}/#/experiments/{experiment}/runs?searchFilter={quote(_runs_of(folder_key))}"


def comparison_page(base: str, experiment: str, folder_key: str) -> str:
    """Return the page that opens the view of ``comparison_view``."""
    return f"{base}/#/experiments/{experiment}/runs?viewStateShareKey={_name(folder_key)}&compareRunsMode=CHART"


def comparison_view(folder_key: str, metric: str) -> tuple[str, str]:
    """Return the experiment's tag, name and value, by which MLflow knows a view that somebody shared.

    It shows the arms alone, in a scatter plot.

    Args:
        folder_key: the identity of the run folder.
        metric: the column of the summary shown as accuracy.
    """
    chart = {
        **_card("modstudy-tradeoff", "SCATTER"),
        "xaxis": {"key": "storage/added_parameters", "type": "METRIC"},
        "yaxis": {"key": f"summary/{metric}_mean", "type": "METRIC"},
        "runsCountToCompare": 100,
    }
    section = {"uuid": "modstudy", "name": _SECTION, "display": True, "isReordered": True, "deleted": False, **_WIDE}
    state = {
        "searchFilter": f"{_runs_of(folder_key)} and tags.`modstudy.kind` = 'arm'",
        "compareRunCharts": [chart],
        "compareRunSections": [{**section, "isGenerated": False}],
        "isAccordionReordered": True,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": "arm"}]},
        "runsHiddenMode": "SHOW_ALL",
    }
    return f"{_SHARED}.{_name(folder_key)}", json.dumps(state)


def _card(uuid: str, kind: str) -> Mapping[str, object]:
    return {"uuid": uuid, "type": kind, "metricSectionId": "modstudy", "deleted": False, "isGenerated": False}


def _name(folder_key: str) -> str:
    return f"modstudy-{folder_key[:12]}"


def _runs_of(folder_key: str) -> str:
    return f"tags.`{FOLDER}` = '{folder_key}'"
