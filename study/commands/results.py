"""``modstudy collect``, ``sync`` and ``report``: print what was written from the journals of a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from results.report.wording import format_summary, summary_note
from study.definition.secrets import redact
from study.run_folder.driver import driver_of
from study.session.mirror import mlflow_command
from study.session.reading import collect_rows
from study.session.target import require_run
from study.study import Study
from study.terminal.display import Heading, open_console, print_table, say, unbroken

if TYPE_CHECKING:
    from results.report.report import ReportFiles  # loads matplotlib, which the other commands do without

PAUSE_S = 10.0
"""Seconds between two looks at a running study."""

_SPARE_COLUMNS = ("against shared", "worst task", "on front", "added", "size fp32")
"""Columns of the trade-off table that are left out where there is no room, the last ones first."""


def collect_run(given: Path, runs: Path) -> None:
    """Write the tables of a run.

    Raises:
        UserError: the study has not been run.
    """
    study, console = Study(given, runs=runs), open_console()
    require_run(study.target)
    written = collect_rows(study.target)
    rows = [[name, f"{count:,}"] for name, count in written.rows.items()]
    print_table(console, [Heading("table", numeric=False), Heading("rows")], rows)
    say(console, f"tables: {study.target.folder.tables}")
    for line in written.notes:
        say(console, line)


def report_run(given: Path, runs: Path, *, images: bool | None = None, within: float | None = None) -> None:
    """Write tables and report of a run, and print the trade-off table.

    Args:
        given: a study file, a built-in study or a run folder.
        runs: the folder of run folders.
        images: whether the page shows test images; None shows only generated ones.
        within: points of the best within which the cheapest arm is looked for.

    Raises:
        UserError: the study has not been run.
    """
    study, console = Study(given, runs=runs), open_console()
    files = study.report(images=images, within=within)
    print_report(console, files)
    for line in files.notes:
        say(console, line)


def report_live(
    given: Path, runs: Path, pause_s: float = PAUSE_S, *, images: bool | None = None, within: float | None = None
) -> None:
    """Write the report whenever another trial has ended, until the run is over; then print the table.

    Raises:
        UserError: the study has not been run.
    """
    study, console, written = Study(given, runs=runs), open_console(), -1
    while True:
        over = driver_of(study.target.folder) == "gone"  # before the journals: what a run does last is in them
        status = study.status()
        if over or status.complete:
            break
        if status.done != written:
            files, written = study.report(images=images, within=within), status.done
            say(console, f"{status.done} of {status.total} trials done; report: {files.report}")
            say(console, files.answer[0])
        time.sleep(pause_s)
    report_run(given, runs, images=images, within=within)
    if not status.complete:
        say(console, f"{status.done} of {status.total} trials done, and no run is at work")


def sync_run(given: Path, runs: Path) -> None:
    """Bring MLflow up to date with a run.

    Raises:
        UserError: the study has not been run, or the store cannot be reached.
    """
    study, console = Study(given, runs=runs), open_console()
    done = study.sync()
    for note in done.notes:
        say(console, redact(note))
    changes = f"{done.runs_created} runs created, {done.trials_updated} trials updated"
    say(console, f"{changes}, {done.points_logged} values logged")
    say(console, f"MLflow: {unbroken(mlflow_command(study.target))}")


def print_report(console: Console, files: ReportFiles) -> None:
    """Print the trade-off table and where the report is."""
    for sentence in files.answer:
        say(console, sentence)
    rows = format_summary(files.summary, files.chance, files.worst_chances)
    titles = list(rows[0]) if rows else []
    spare = {title: rank for rank, title in enumerate(_SPARE_COLUMNS, start=1)}
    headings = [
        Heading(title, numeric=title != "arm", spare=spare.get(title.partition(" (")[0], 0)) for title in titles
    ]
    shown = print_table(console, headings, [list(row.values()) for row in rows]) if rows else frozenset()
    say(console, summary_note(files.summary, shown))
    for remark in files.remarks:
        say(console, remark)
    if files.page is not None:
        say(console, f"page: {files.page}")
    say(console, f"report: {files.report}")
    for figure in files.figures:
        if figure.suffix == ".png":
            say(console, f"figure: {figure}")
