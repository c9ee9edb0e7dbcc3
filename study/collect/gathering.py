"""What a collect keeps in memory of the tables it writes: all of them, or what a report or the summary is made from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from results.analysis.confirmed import SPLIT
from results.analysis.selection import BestTrialPerArm
from results.analysis.summary import summarize
from results.tables.metrics import HEADLINE_METRICS
from results.tables.schema import SCHEMAS
from results.tables.store import frame_of
from study.plan.plan import StudyPlan

Kept = Mapping[str, Callable[[pa.Table], pa.Table]]
"""The part that is kept of every table, by name; of the others nothing is."""


def _all(table: pa.Table) -> pa.Table:
    return table


EVERYTHING: Kept = dict.fromkeys((name for name in SCHEMAS if name != "summary"), _all)
"""All rows of all tables."""

_TEXTS = ("config", "software")
"""Columns of ``trials`` with most of its bytes, which the summary does without."""


def for_summary() -> Kept:
    """Return what the summary is made from: of ``task_metrics`` a few rows for every confirm trial."""
    return {"trials": lambda table: table.drop_columns(_TEXTS), "task_metrics": _headline, "storage": _all}


def for_report(plan: StudyPlan) -> Kept:
    """Return what a report is made from: test results and curves of confirm trials, and what trials were tuned for."""
    rule = BestTrialPerArm(plan.definition.selection.metric, plan.definition.selection.average)

    def reported(table: pa.Table) -> pa.Table:
        tuned = _where(table, split="validation", metric=rule.metric, average=rule.average)
        return table.filter(pc.or_(tuned, _where(table, stage="confirm", split=SPLIT)))

    return {
        **EVERYTHING,
        "task_metrics": reported,
        "curves": lambda table: table.filter(_where(table, stage="confirm")),
    }


def _headline(table: pa.Table) -> pa.Table:
    headline = pc.is_in(table["metric"], pa.array(HEADLINE_METRICS))
    return table.filter(pc.and_(headline, _where(table, stage="confirm", split=SPLIT, average="query")))


def _where(table: pa.Table, **values: str) -> pa.ChunkedArray:
    """Return which rows have these values."""
    first, *others = (pc.equal(table[name], value) for name, value in values.items())
    for other in others:
        first = pc.and_(first, other)
    return first


class Gathering:
    """Gathers the rows that are kept, table by table."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._parts: defaultdict[str, list[pa.Table]] = defaultdict(list)

    def add(self, name: str, rows: pa.Table) -> None:
        """Add rows of a table, in order."""
        if name in self._kept:
            self._parts[name].append(self._kept[name](rows))

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return what was kept by table, with the ``summary`` that it gives."""
        found = {}
        for name, kept in self._kept.items():
            parts = self._parts.pop(name, [])
            found[name] = frame_of(pa.concat_tables([kept(SCHEMAS[name].empty_table()), *parts]))
        summary = summarize(found["trials"], found["task_metrics"], found["storage"])
        return {**found, "summary": summary}
