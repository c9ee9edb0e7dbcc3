"""From journals to tables: a pure function of the plan, the journals and the MLflow run ids recorded by tracking."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import pandas as pd
from pydantic import BaseModel

from results.analysis.summary import summarize
from results.tables.store import NewerTableError, arrow_table, frame_of, read_table, write_tables
from study.collect.rows import Row, curve_rows, failure_rows, metric_rows, storage_rows, trial_row
from study.errors import UserError
from study.layout import RunFolder
from study.schedule.progress import RunProgress, read_progress
from trainables.foundation.files import naming

_LOG = logging.getLogger(__name__)


class _RunIds(BaseModel):
    """The part of tracking's record that the tables use."""

    trials: dict[str, str]


def collect(folder: RunFolder) -> dict[str, pd.DataFrame]:
    """Write the tables of a run and return them by name.

    Raises:
        UserError: the folder has no plan.
    """
    return collect_progress(folder, read_progress(folder))


def collect_progress(folder: RunFolder, progress: RunProgress) -> dict[str, pd.DataFrame]:
    """Write the tables of a run whose journals have been read, and return them by name."""
    tables = build_tables(progress, noted_mlflow_runs(folder))
    with naming(folder.tables):
        write_tables(folder.tables, tables)
    return tables


def build_tables(progress: RunProgress, mlflow_runs: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Return every table by name.

    Rows are in the order of the plan: arms as written, tune before confirm, trials by index, then epochs and names.

    Args:
        progress: the plan and the trials it asks for.
        mlflow_runs: MLflow run ids by trial id; trials may be missing.
    """
    plan, trials = progress.plan, progress.trials
    tables = {
        "trials": _frame("trials", (trial_row(plan, t, mlflow_runs.get(t.trial.trial_id)) for t in trials)),
        "task_metrics": _frame("task_metrics", (row for t in trials for row in metric_rows(plan, t))),
        "curves": _frame("curves", (row for t in trials for row in curve_rows(plan, t))),
        "storage": _frame("storage", storage_rows(plan)),
        "failures": _frame("failures", (row for t in trials for row in failure_rows(plan, t))),
    }
    summary = summarize(tables["trials"], tables["task_metrics"], tables["storage"])
    return {**tables, "summary": summary}


def _frame(name: str, rows: Iterable[Row]) -> pd.DataFrame:
    return frame_of(arrow_table(name, list(rows)))


def read_summary(folder: RunFolder) -> pd.DataFrame:
    """Return the summary table of a run that has been collected; if it is damaged, all tables are rebuilt.

    Raises:
        UserError: the folder has no plan, or the table is of a newer version.
    """
    try:
        return read_table(folder.tables, "summary")
    except NewerTableError as error:
        raise UserError(str(error)) from error
    except ValueError as error:
        _LOG.warning("%s; rebuilding the tables from the journals", error)
        return collect(folder)["summary"]


def noted_mlflow_runs(folder: RunFolder) -> Mapping[str, str]:
    """Return tracking's record, if any; a damaged one is ignored and rewritten by the next sync."""
    if not folder.mlflow_runs.exists():
        return {}
    try:
        return _RunIds.model_validate_json(folder.mlflow_runs.read_bytes()).trials
    except ValueError:
        _LOG.warning(
            "%s: damaged; the tables lack MLflow's run ids until: modstudy sync %s", folder.mlflow_runs, folder.path
        )
        return {}
