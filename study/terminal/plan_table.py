"""The table of a plan on a terminal, in a file or as text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from rich.console import Console

from results.report.wording import count
from study.terminal.display import FILE_WIDTH, Heading, print_table

_SPARE_COLUMNS = {"bytes": 1, "per task": 2, "images/s": 3, "multiply-adds": 4, "vectors": 5}
"""Columns that are left out where there is no room, the highest first."""


def print_plan_table(console: Console, rows: Sequence[Mapping[str, str]]) -> frozenset[str]:
    """Print rows of equal keys, of which the first names the arm; return the titles of the columns shown."""
    headings = [Heading(title, numeric=title != "arm", spare=_SPARE_COLUMNS.get(title, 0)) for title in rows[0]]
    return print_table(console, headings, [list(row.values()) for row in rows])


def plan_text(rows: Sequence[Mapping[str, str]]) -> str:
    """Return the table with all its columns as text."""
    text = io.StringIO()
    console = Console(
        file=text,
        width=FILE_WIDTH,
        force_terminal=False,
        force_jupyter=False,
        markup=False,
        highlight=False,
        emoji=False,
    )
    print_plan_table(console, rows)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")


def not_shown(rows: int, added: Sequence[int]) -> tuple[str, ...]:
    """Return a line on the arms that a table leaves out; none if it shows all.

    Args:
        rows: rows that it shows.
        added: added parameters of every arm.
    """
    if rows == len(added):
        return ()
    left_out = f"{len(added) - rows} more arms are not shown (--json, or .arms in Python, lists all)"
    return (f"{left_out}; an arm adds {count(min(added))} to {count(max(added))} parameters",)
