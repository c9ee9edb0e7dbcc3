"""From journals to tables: a pure function of the plan, the journals and the MLflow run ids recorded by tracking."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import pandas as pd
from pydantic import BaseModel

from results.tables.schema import SCHEMAS
from results.tables.store import NewerTableError, arrow_table, read_table
from results.tables.writing import writing_tables
from study.collect.earlier_rows import NotedTrial, earlier_rows, note_rows
from study.collect.gathering import EVERYTHING, Gathering, Kept, for_report, for_summary
from study.collect.rows import storage_rows
from study.collect.slices import LONG_TABLES, Slice, Slicing
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
    return _write(folder, read_progress(folder), EVERYTHING)


def collect_progress(folder: RunFolder, progress: RunProgress) -> dict[str, pd.DataFrame]:
    """Write the tables of a run whose journals have been looked at, and return what a report takes of them.

    Of ``task_metrics`` and ``curves``, by far the longest, that is a part of the rows.
    """
    return _write(folder, progress, for_report(progress.plan))


def write_progress(folder: RunFolder, progress: RunProgress) -> pd.DataFrame:
    """Write the tables of a run whose journals have been looked at, few rows at a time; return the ``summary``."""
    return _write(folder, progress, for_summary())["summary"]


def build_tables(folder: RunFolder, progress: RunProgress, mlflow_runs: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Return every table by name; writes no file.

    Rows are in the order of the plan: arms as written, tune before confirm, trials by index, then epochs and names.

    Args:
        folder: of the run, for the journals.
        progress: the plan and the trials it asks for.
        mlflow_runs: MLflow run ids by trial id; trials may be missing.
    """
    return _build(folder, progress, mlflow_runs, EVERYTHING)


def build_results(folder: RunFolder, progress: RunProgress) -> dict[str, pd.DataFrame]:
    """Return what a report takes of the tables, without ``curves``; writes no file."""
    kept = {name: part for name, part in for_report(progress.plan).items() if name != "curves"}
    return _build(folder, progress, noted_mlflow_runs(folder), kept)


def _write(folder: RunFolder, progress: RunProgress, kept: Kept) -> dict[str, pd.DataFrame]:
    """Write all tables; return the part that is kept of them, with the summary."""
    gathering, trials = Gathering(kept), list[NotedTrial]()
    with naming(folder.tables), earlier_rows(folder, LONG_TABLES) as earlier:
        with writing_tables(folder.tables) as writer:
            for part in _slices(Slicing(folder, progress, noted_mlflow_runs(folder), earlier)):
                trials += part.trials
                for name, rows in part.tables.items():
                    writer.add(name, rows)
                    gathering.add(name, rows)
            frames = gathering.frames()
            writer.add("summary", frames["summary"])
        note_rows(folder, trials, {name: writer.digests[name] for name in LONG_TABLES})
    return frames


def _build(
    folder: RunFolder, progress: RunProgress, mlflow_runs: Mapping[str, str], kept: Kept
) -> dict[str, pd.DataFrame]:
    gathering, names = Gathering(kept), [name for name in LONG_TABLES if name in kept]
    with earlier_rows(folder, names) as earlier:
        for part in _slices(Slicing(folder, progress, mlflow_runs, earlier, names)):
            for name, rows in part.tables.items():
                gathering.add(name, rows)
    return gathering.frames()


def _slices(slicing: Slicing) -> Iterator[Slice]:
    """Yield the rows of all tables but the summary: those of arms, then those of trials."""
    yield Slice({"storage": arrow_table("storage", list(storage_rows(slicing.progress.plan)))}, ())
    yield Slice({name: SCHEMAS[name].empty_table() for name in ("trials", "failures", *slicing.names)}, ())
    yield from slicing


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
        return write_progress(folder, read_progress(folder))


def noted_mlflow_runs(folder: RunFolder) -> Mapping[str, str]:
    """Return tracking's record, if any; a damaged one is ignored and rewritten by the next sync."""
    if not folder.mlflow_runs.exists():
        return {}
    try:
        return _RunIds.model_validate_json(folder.mlflow_runs.read_bytes()).trials
    except ValueError:
        _LOG.warning(
            "%s: damaged; the tables lack MLflow's run ids until: modstudy sync %s", folder.mlflow_runs, folder.shown
        )
        return {}
