"""``modstudy collect``, ``sync`` and ``report``: print what was written from the journals of a run."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from results.report.report import ReportFiles
from results.report.wording import format_summary, summary_note
from study.definition.secrets import redact
from study.session.mirror import mlflow_command
from study.study import Study
from study.terminal.display import Heading, open_console, print_table, say, unbroken

_SPARE_COLUMNS = ("against shared", "worst task", "on front", "added", "size fp32")
"""Columns of the trade-off table that are left out where there is no room, the last ones first."""


def collect_run(given: Path, runs: Path) -> None:
    """Write the tables of a run.

    Raises:
        UserError: the study has not been run.
    """
    study, console = Study(given, runs=runs), open_console()
    rows = [[name, f"{len(frame):,}"] for name, frame in study.collect().items()]
    print_table(console, [Heading("table", numeric=False), Heading("rows")], rows)
    say(console, f"tables: {study.target.folder.tables}")
    for line in study.notes():
        say(console, line)


def report_run(given: Path, runs: Path) -> None:
    """Write tables and report of a run, and print the trade-off table.

    Raises:
        UserError: the study has not been run.
    """
    study, console = Study(given, runs=runs), open_console()
    files = study.report()
    print_report(console, files)
    for line in files.notes:
        say(console, line)


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
    rows = format_summary(files.summary)
    titles = list(rows[0]) if rows else []
    spare = {title: rank for rank, title in enumerate(_SPARE_COLUMNS, start=1)}
    headings = [Heading(title, numeric=title != "arm", spare=spare.get(title, 0)) for title in titles]
    shown = print_table(console, headings, [list(row.values()) for row in rows]) if rows else frozenset()
    say(console, summary_note(files.summary, shown))
    say(console, f"report: {files.report}")
    for figure in files.figures:
        if figure.suffix == ".png":
            say(console, f"figure: {figure}")
