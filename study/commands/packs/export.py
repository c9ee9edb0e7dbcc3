"""``modstudy export``: writes the winner of a run as packs."""

from __future__ import annotations

from pathlib import Path

from study.packs.choice import ExportRequest
from study.packs.exporting import export_run
from study.session.target import find_run
from study.terminal.display import open_console, say


def export(given: Path, runs: Path, request: ExportRequest, out: Path | None) -> None:
    """Export a network of a run, and print where it is and how to use it.

    Raises:
        UserError: the study has not been run, or ``export_run`` refuses.
    """
    target, console = find_run(given, runs), open_console()

    def show(done: int, total: int, arm: str) -> None:
        say(console, f"measuring trial {done + 1} of {total} ({arm})")

    for line in export_run(target.folder, request, out, show).lines():
        say(console, line)
