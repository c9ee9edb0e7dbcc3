"""From journals to tables: a pure function of the plan, the journals and the MLflow run ids recorded by tracking."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import pyarrow as pa
from pydantic import BaseModel

from results.analysis.summary import summarize
from results.tables.schema import SCHEMAS
from results.tables.store import NewerTableError, arrow_table, frame_of, read_table
from results.tables.writing import writing_tables
from study.collect.parts import LONG_TABLES, long_tables
from study.collect.rows import Row, failure_rows, storage_rows, trial_row
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
    tables = write_progress(folder, read_progress(folder))
    return {**tables, "curves": read_table(folder.tables, "curves")}


def collect_progress(folder: RunFolder, progress: RunProgress) -> dict[str, pd.DataFrame]:
    """Write the tables of a run whose journals have been looked at, and return what a report takes of them.

    That is all of every table by name, but of ``curves``, by far the longest, those of confirm trials.
    """
    tables = write_progress(folder, progress)
    return {**tables, "curves": read_table(folder.tables, "curves", stage="confirm")}


def write_progress(folder: RunFolder, progress: RunProgress) -> dict[str, pd.DataFrame]:
    """Write the tables of a run whose journals have been looked at; return all by name but ``curves``."""
    short = _short_tables(progress, noted_mlflow_runs(folder))
    with naming(folder.tables), writing_tables(folder.tables) as writer:
        for name, rows in {**short, **{name: SCHEMAS[name].empty_table() for name in LONG_TABLES}}.items():
            writer.add(name, rows)
        metrics = []
        for part in long_tables(folder, progress):
            for name, table in part.items():
                writer.add(name, table)
            metrics.append(part["task_metrics"])
        tables = _with_results(short, metrics)
        writer.add("summary", tables["summary"])
    return tables


def build_tables(folder: RunFolder, progress: RunProgress, mlflow_runs: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Return every table by name; writes no file.

    Rows are in the order of the plan: arms as written, tune before confirm, trials by index, then epochs and names.

    Args:
        folder: of the run, for the journals.
        progress: the plan and the trials it asks for.
        mlflow_runs: MLflow run ids by trial id; trials may be missing.
    """
    parts = list(long_tables(folder, progress))
    tables = _with_results(_short_tables(progress, mlflow_runs), [part["task_metrics"] for part in parts])
    return {**tables, "curves": frame_of(_joined("curves", [part["curves"] for part in parts]))}


def build_results(folder: RunFolder, progress: RunProgress) -> dict[str, pd.DataFrame]:
    """Return every table by name but ``curves``, which takes most of the memory; writes no file."""
    parts = long_tables(folder, progress, ("task_metrics",))
    return _with_results(_short_tables(progress, noted_mlflow_runs(folder)), [part["task_metrics"] for part in parts])


def _short_tables(progress: RunProgress, mlflow_runs: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    plan, trials = progress.plan, progress.trials
    return {
        "trials": _frame("trials", (trial_row(plan, t, mlflow_runs.get(t.trial.trial_id)) for t in trials)),
        "storage": _frame("storage", storage_rows(plan)),
        "failures": _frame("failures", (row for t in trials for row in failure_rows(plan, t))),
    }


def _joined(name: str, parts: Sequence[pa.Table]) -> pa.Table:
    return arrow_table(name, pa.concat_tables([SCHEMAS[name].empty_table(), *parts]))


def _with_results(short: Mapping[str, pd.DataFrame], metrics: Sequence[pa.Table]) -> dict[str, pd.DataFrame]:
    """Return the short tables with ``task_metrics``, from its parts, and ``summary``."""
    tables = {**short, "task_metrics": frame_of(_joined("task_metrics", metrics))}
    return {**tables, "summary": summarize(tables["trials"], tables["task_metrics"], tables["storage"])}


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
