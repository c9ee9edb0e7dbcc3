"""``modstudy run``: runs the remaining trials of a study, and prints progress and the trade-off table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from study.commands.results import print_report
from study.interruption import EXIT_INTERRUPTED
from study.session.progress import TerminalProgress
from study.session.running import RunInterruptedError
from study.study import Study
from study.terminal.display import open_console, say, unbroken

EXIT_FAILED = 1


@dataclass(frozen=True)
class RunCommand:
    """The options of the command; see ``modstudy run --help``."""

    given: Path
    runs: Path
    address: str | None = None
    workers: int | None = None
    tracking: bool = True
    retrain: bool = False


class _Progress(TerminalProgress):
    """Defers the notes to the end, below the table."""

    def ended(self, notes: Sequence[str]) -> None:
        """Print nothing; ``run`` prints the notes below the table."""


def run(command: RunCommand) -> int:
    """Run the remaining trials of a study, write and print its report, and return the exit status.

    Raises:
        UserError: the study file breaks a rule, does not fit the data, or is already running.
    """
    console, study = open_console(), Study(command.given, runs=command.runs)
    commands = [study.target.command(name) for name in ("run", "status", "sync")]
    try:
        result = study.run(
            workers=command.workers,
            address=command.address,
            tracking=command.tracking,
            retrain=command.retrain,
            progress=_Progress(console),
        )
    except RunInterruptedError as stopped:
        say(console, _whole(str(stopped), commands))
        return EXIT_INTERRUPTED
    print_report(console, result.report)
    if result.mlflow:
        say(console, f"MLflow: {unbroken(result.mlflow)}")
    for note in result.notes:
        say(console, _whole(note, commands))
    return 0 if result.complete else EXIT_FAILED


def _whole(line: str, commands: Sequence[str]) -> str:
    """Return the line with its commands protected from wrapping, so that they can be copied."""
    for command in commands:
        line = line.replace(command, unbroken(command))
    return line
