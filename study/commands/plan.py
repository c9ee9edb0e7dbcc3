"""``modstudy plan``: prints what a study would train, store and take."""

from __future__ import annotations

import json
from pathlib import Path

from study.study import Study
from study.terminal.display import Heading, open_console, print_table, say, unbroken

_SPARE_COLUMNS = {"bytes": 1, "per task": 2, "images/s": 3, "multiply-adds": 4, "vectors": 5}
"""Columns that are left out where there is no room, the highest first."""


def show_plan(given: Path, runs: Path, *, probe: bool, as_json: bool) -> None:
    """Print the plan of a study, as a table or as JSON.

    Raises:
        UserError: the study file breaks a rule or does not fit the data.
    """
    preview = Study(given, runs=runs).plan(probe=probe)
    if as_json:
        print(json.dumps(preview.to_dict(), indent=1))  # noqa: T201 - the output of the command
        return
    console, rows = open_console(), preview.rows()
    headings = [Heading(title, numeric=title != "arm", spare=_SPARE_COLUMNS.get(title, 0)) for title in rows[0]]
    shown = print_table(console, headings, [list(row.values()) for row in rows])
    for line in (*preview.lines(shown), *(f"warning: {warning}" for warning in preview.warnings)):
        say(console, line.replace(preview.probe, unbroken(preview.probe)))
