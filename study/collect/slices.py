"""The tables with rows of trials in slices of a few trials, so that a study of any size is collected in little memory.

A slice holds whole trials, in the order of the plan. Rows that an earlier collect has made of the same journals are
taken from its tables; the other journals are read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import pyarrow as pa

from results.tables.schema import SCHEMAS
from results.tables.store import arrow_table
from study.collect.earlier_rows import EarlierRows, NotedTrial
from study.collect.rows import Columns, curve_columns, failure_rows, long_facts, metric_columns, trial_row
from study.journal.events import Event
from study.journal.index import stamp_of
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
"""Trials of a slice."""


@dataclass(frozen=True)
class Slice:
    """The rows of a few trials.

    Attributes:
        tables: rows by table.
        trials: what the rows of long tables were made from, trial by trial.
    """

    tables: dict[str, pa.Table]
    trials: tuple[NotedTrial, ...]


@dataclass(frozen=True)
class Slicing:
    """What the slices of a run are made from.

    Attributes:
        folder: of the run, for the journals.
        progress: where it stood when its journals were looked at; what was added since is left out.
        mlflow_runs: MLflow run ids by trial id; trials may be missing.
        earlier: rows of an earlier collect.
        names: of the long tables that are wanted.
    """

    folder: RunFolder
    progress: RunProgress
    mlflow_runs: Mapping[str, str]
    earlier: EarlierRows
    names: Collection[str] = tuple(LONG_TABLES)

    def __iter__(self) -> Iterator[Slice]:
        """Yield the slices in order; each journal is read at most once."""
        waiting = iter(self.progress.trials)
        while trials := tuple(islice(waiting, _TRIALS)):
            keyed = [(trial, self._key(trial)) for trial in trials]
            long = [self._rows(group, known=known) for known, group in groupby(keyed, key=self._is_known)]
            tables = {name: pa.concat_tables([each.tables[name] for each in long]) for name in self.names}
            yield Slice({**self._short(trials), **tables}, tuple(trial for each in long for trial in each.trials))

    def _short(self, trials: Sequence[TrialProgress]) -> dict[str, pa.Table]:
        plan = self.progress.plan
        rows = [trial_row(plan, trial, self.mlflow_runs.get(trial.trial.trial_id)) for trial in trials]
        failures = [row for trial in trials for row in failure_rows(plan, trial)]
        failed = arrow_table("failures", failures) if failures else SCHEMAS["failures"].empty_table()
        return {"trials": arrow_table("trials", rows), "failures": failed}

    def _key(self, trial: TrialProgress) -> str:
        """Return a digest of all that the trial's rows of long tables are made from.

        The journal is looked at before it is read: what is added in between is news the next time.
        """
        stamp = None if trial.history is None else stamp_of(self.folder.trial(trial.trial.trial_id).journal)
        facts = json.dumps([stamp, long_facts(self.progress.plan, trial)])
        return hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()

    def _is_known(self, keyed: tuple[TrialProgress, str]) -> bool:
        trial, key = keyed
        return self.earlier.knows(trial.trial.trial_id, key)

    def _rows(self, keyed: Iterable[tuple[TrialProgress, str]], *, known: bool) -> Slice:
        """Return the rows of trials of which all, or none, are known."""
        if known:
            noted = tuple(self.earlier.noted(trial.trial.trial_id) for trial, _ in keyed)
            return Slice({name: self.earlier.rows(name, noted) for name in self.names}, noted)
        trials = list(keyed)
        events = [self._events(trial) for trial, _ in trials]
        made = {
            name: [
                LONG_TABLES[name](self.progress.plan, trial, own)
                for (trial, _), own in zip(trials, events, strict=True)
            ]
            for name in self.names
        }
        noted = tuple(
            NotedTrial(trial.trial.trial_id, key, {name: columns[place].rows for name, columns in made.items()})
            for place, (trial, key) in enumerate(trials)
        )
        return Slice({name: _table(name, columns) for name, columns in made.items()}, noted)

    def _events(self, trial: TrialProgress) -> tuple[Event, ...]:
        if trial.history is None:
            return ()
        return read_journal(self.folder.trial(trial.trial.trial_id).journal).events


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
