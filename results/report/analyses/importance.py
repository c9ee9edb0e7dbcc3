"""What matters, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from results.analysis.importance.design import RESPONSES
from results.analysis.importance.of_study import MOST_ARMS
from results.analysis.reported import Results
from results.report.markdown import escape, table
from results.report.wording import ABSENT, estimate


def estimable(terms: pd.DataFrame) -> pd.DataFrame:
    """Return the terms that the study's arms can tell from others."""
    return terms[terms["estimable"].astype(bool)]


def importance_sentences(results: Results) -> tuple[str, ...]:
    """Return on what the numbers rest: trials, splits, seeds and method."""
    found = results.importances
    said = []
    if len(found.main):
        said.append(
            f"Importance: PED-ANOVA over {found.trials} completed tune trials, validation images, for being in the best"
            " quarter; sums to 1; 95 % Student t intervals of the jackknife over trials."
        )
    if len(estimable(found.terms)):
        said.append(
            f"Share of variance: type II sums of squares over {found.runs} confirm trials, test images, seeds"
            f" {', '.join(map(str, found.seeds))} as blocks; 95 % Student t intervals of the jackknife over seeds."
        )
    return (*said, *left_out(results))


def left_out(results: Results) -> tuple[str, ...]:
    """Return why the analysis of variance is missing; nothing where it is not, or where no factor differs."""
    if not results.importances.too_many:
        return ()
    return (f"Shares of variance are left out: their analysis takes at most {MOST_ARMS} arms.",)


def importance_section(results: Results) -> str:
    """Return the section; empty where a study is too small to say anything."""
    found = results.importances
    parts = []
    if len(found.main):
        parts.append(table(["tuning", *RESPONSES], _rows(found.main, "name", "importance")))
    terms = estimable(found.terms)
    if len(terms):
        parts.append(table(["confirm trials", *RESPONSES], _rows(terms, "term", "share")))
    return "\n\n".join([*parts, *map(escape, importance_sentences(results))])


def _rows(frame: pd.DataFrame, name: str, value: str) -> Iterator[list[str]]:
    """Yield a row per name, the most important for accuracy first."""
    cells: dict[tuple[str, str], dict[Any, Any]] = {
        (str(row[name]), str(row["response"])): row for row in frame.to_dict("records")
    }
    ordered = frame.assign(first=frame["response"] == next(iter(RESPONSES))).sort_values(
        ["first", value], ascending=False, kind="stable"
    )
    for one in dict.fromkeys(ordered[name]):
        row = [cells.get((one, response)) for response in RESPONSES]
        yield [one.replace("_", " "), *(_cell(own, value) for own in row)]


def _cell(row: dict[Any, Any] | None, value: str) -> str:
    return ABSENT if row is None else estimate(row[value], row["low"], row["high"])
