"""``modstudy plan``: prints what a study would train, store and take."""

from __future__ import annotations

import json
from pathlib import Path

from study.study import Study
from study.terminal.display import open_console, say, unbroken
from study.terminal.plan_table import print_plan_table


def show_plan(given: Path, runs: Path, *, probe: bool, as_json: bool) -> None:
    """Print the plan of a study, as a table or as JSON.

    Raises:
        UserError: the study file breaks a rule or does not fit the data.
    """
    preview = Study(given, runs=runs).plan(probe=probe)
    if as_json:
        print(json.dumps(preview.to_dict(), indent=1))  # noqa: T201 - the output of the command
        return
    console = open_console()
    shown = print_plan_table(console, preview.rows())
    for line in preview.lines(shown):
        say(console, line.replace(preview.probe, unbroken(preview.probe)))
