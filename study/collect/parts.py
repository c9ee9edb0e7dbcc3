"""The long tables in parts of a few trials, so that a study of any size is collected without holding its curves.

A part holds whole trials, in the order of the plan, and which ones depends on the plan alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

import pyarrow as pa

from results.tables.schema import SCHEMAS
from study.collect.rows import Columns, curve_columns, metric_columns
from study.journal.events import Event
from study.journal.journal import read_journal
from study.layout import RunFolder
from study.plan.plan import StudyPlan
from study.schedule.progress import RunProgress, TrialProgress

LONG_TABLES: dict[str, Callable[[StudyPlan, TrialProgress, Sequence[Event]], Columns]] = {
    "task_metrics": metric_columns,
    "curves": curve_columns,
}
"""The tables with many rows a trial, and what makes a trial's rows."""

_TRIALS = 64
"""Trials of a part."""


def long_tables(
    folder: RunFolder, progress: RunProgress, names: Collection[str] = tuple(LONG_TABLES)
) -> Iterator[dict[str, pa.Table]]:
    """Yield long tables of a run by name, part after part; reads each journal once.

    Args:
        folder: of the run.
        progress: where it stood when its journals were looked at; what was added since is left out.
        names: of the tables.
    """
    waiting = iter(progress.trials)
    while trials := tuple(islice(waiting, _TRIALS)):
        read = [(trial, _events(folder, trial)) for trial in trials]
        yield {
            name: _table(name, [LONG_TABLES[name](progress.plan, trial, events) for trial, events in read])
            for name in names
        }


def _events(folder: RunFolder, trial: TrialProgress) -> tuple[Event, ...]:
    if trial.history is None:
        return ()
    return read_journal(folder.trial(trial.trial.trial_id).journal).events


def _table(name: str, trials: Sequence[Columns]) -> pa.Table:
    """Return the rows of some trials as an Arrow table, in the order of the trials."""
    schema = SCHEMAS[name]
    arrays = []
    for field in schema:
        if field.name in trials[0].same:
            values = pa.array([trial.same[field.name] for trial in trials], field.type)
            rows = [place for place, trial in enumerate(trials) for _ in range(trial.rows)]
            arrays.append(values.take(pa.array(rows, pa.int32())))
        else:
            arrays.append(pa.array([value for trial in trials for value in trial.values[field.name]], field.type))
    return pa.Table.from_arrays(arrays, schema=schema)
