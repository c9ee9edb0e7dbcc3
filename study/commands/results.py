"""``modstudy collect``, ``sync`` and ``report``: tables, MLflow and the report of a run, from its journals."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pandas as pd
from rich.console import Console

from results.report.report import Origin, ReportFiles, write_report
from results.report.wording import format_summary, summary_note
from study.collect.collect import collect_progress
from study.commands.notes import notes_on
from study.commands.target import Target, command_line, find_run
from study.definition.secrets import redact
from study.definition.tracking_address import StoreAddress, store_address
from study.errors import UserError, naming
from study.layout import RUNS
from study.plan.data_record import data_facts
from study.schedule.progress import RunProgress, read_progress
from study.terminal.display import Heading, open_console, print_table, say, unbroken
from study.tracking.errors import StoreError
from study.tracking.tracker import Tracker

_SPARE_COLUMNS = ("against shared", "worst task", "on front", "added", "size fp32")
"""Columns of the trade-off table that are left out where there is no room, the last ones first."""


def collect_run(given: Path, runs: Path) -> None:
    """Write the tables of a run.

    Raises:
        UserError: the study has not been run.
    """
    target = find_run(given, runs)
    progress = read_progress(target.folder)
    tables = collect_progress(target.folder, progress)
    console = open_console()
    print_table(console, [Heading("table", numeric=False), Heading("rows")], _row_counts(tables))
    say(console, f"tables: {target.folder.tables}")
    for line in notes_on(target, progress, command_line("run", given, runs)):
        say(console, line)


def report_run(given: Path, runs: Path) -> None:
    """Write tables and report of a run, and print the trade-off table.

    Raises:
        UserError: the study has not been run.
    """
    target = find_run(given, runs)
    progress = read_progress(target.folder)
    collect_progress(target.folder, progress)
    console = open_console()
    print_report(console, write_study_report(target, progress))
    for line in notes_on(target, progress, command_line("run", given, runs)):
        say(console, line)


def sync_run(given: Path, runs: Path) -> None:
    """Bring MLflow up to date with a run.

    Raises:
        UserError: the study has not been run, or the store cannot be reached.
    """
    target = find_run(given, runs)
    try:
        report = tracker_of(target).sync(target.folder)
    except StoreError as error:
        raise UserError(str(error)) from error
    console = open_console()
    changes = f"{report.runs_created} runs created, {report.trials_updated} trials updated"
    for note in report.notes:
        say(console, redact(note))
    say(console, f"{changes}, {report.points_logged} values logged")
    say(console, mlflow_hint(target))


def write_study_report(target: Target, progress: RunProgress) -> ReportFiles:
    """Write the report from tables that are up to date with this progress."""
    commands = tuple(command_line(name, target.file, RUNS) for name in ("run", "report"))
    facts = data_facts(target.folder, progress.plan.data_fingerprint)
    notes = tuple(notes_on(target, progress, commands[0]))
    origin = Origin(target.definition.description, commands, facts, notes)
    with naming(target.folder.report):
        return write_report(target.folder.tables, target.folder.report, origin)


def print_report(console: Console, files: ReportFiles) -> None:
    """Print the trade-off table and where the report lies."""
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


def tracker_of(target: Target) -> Tracker:
    """Return the tracker of a study's MLflow store."""
    return Tracker(address_of(target), target.definition.tracking.experiment or target.definition.name)


def address_of(target: Target) -> StoreAddress:
    """Return where a study's MLflow store is."""
    return store_address(target.folder, target.definition.tracking.uri)


def mlflow_hint(target: Target) -> str:
    """Return how to open MLflow."""
    beside = Path(sys.executable).with_name("modstudy")  # the environment may not be activated
    program = "modstudy" if shutil.which("modstudy") or not beside.exists() else _from_here(beside)
    return f"MLflow: {unbroken(shlex.join([program, 'ui', _from_here(target.folder.path)]))}"


def _from_here(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _row_counts(tables: dict[str, pd.DataFrame]) -> list[list[str]]:
    return [[name, f"{len(frame):,}"] for name, frame in tables.items()]
