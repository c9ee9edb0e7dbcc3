"""The note on a study's run: what came out, and links to the pages that show more."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from results.report.markdown import escape, table
from results.report.wording import format_summary, summary_note
from study.tracking.content import TAG_LENGTH
from study.tracking.keys import bounded
from study.tracking.pages.routes import VIEWS, Pages

_DESCRIPTION = 1000
_COLUMNS = ("arm", "triplet accuracy", "added parameters", "added", "against shared")
"""Of the table in the report, as many as a note is wide."""


def study_note(description: str, pages: Pages, summary: pd.DataFrame | None, figure: str | None) -> str:
    """Return the note in Markdown; text of the user is shown literally. MLflow shows its first lines until asked.

    Args:
        description: of the study.
        pages: of the run folder.
        summary: the table ``summary``; None before there are results.
        figure: path of the trade-off figure among the run's artifacts; None before there is one.
    """
    begin = ["Open " + " | ".join(f"[{text}]({pages.view(name)})" for name, text in VIEWS.items())]
    begin += [escape(bounded(description, _DESCRIPTION))] if description else []
    end = []
    if figure is not None:
        end.append(f"![accuracy against added parameters]({pages.artifact(figure)})")
    if summary is None or summary.empty:
        return "\n\n".join([*begin, "There are no confirmed results yet.", *end])
    end.append(escape(summary_note(summary, _COLUMNS)))
    room = TAG_LENGTH - sum(len(part) + 2 for part in (*begin, *end))
    return "\n\n".join([*begin, _fitting(format_summary(summary), room), *end])


def _fitting(rows: Sequence[dict[str, str]], room: int) -> str:
    """Return as many rows as there is room for, and say how many there are not."""
    header = [column for column in _COLUMNS if column in rows[0]]
    for shown in range(len(rows), -1, -1):
        left = len(rows) - shown
        more = f"\n\n{left} more arms are in the table `tables/summary.parquet` and the report." if left else ""
        text = table(header, [[row[column] for column in header] for row in rows[:shown]]) + more
        if len(text) <= room:
            return text
    return ""
