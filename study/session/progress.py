"""What a run tells while it runs, and who listens: a terminal, a notebook, a function, or no one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol, runtime_checkable

from rich.console import Console

from study.schedule.workload import Workload
from study.status.status import StudyStatus, study_status
from study.terminal.display import open_console, say
from study.terminal.live import LiveProgress

Listener = Callable[[Workload], None]


@runtime_checkable
class Progress(Protocol):
    """Listens to a run. Nothing it does changes a result."""

    def notice(self, line: str) -> None:
        """Take a line that the user should read: a warning, what is there already."""

    def phase(self, what: str) -> AbstractContextManager[object]:
        """Return a block for work without trials, such as ``preparing images``."""

    def trials(self, hint: str) -> AbstractContextManager[Listener]:
        """Return a block for the trials; what it yields takes each new workload. ``hint``: how to open MLflow."""

    def ended(self, notes: Sequence[str]) -> None:
        """Take what is to be known once the report is written: failures, and what to do about them."""


Chosen = bool | Progress | Callable[[StudyStatus], None] | None
"""How a caller of ``Study.run`` says who listens."""


def chosen_progress(chosen: Chosen) -> Progress:
    """Return who listens.

    Args:
        chosen: None shows progress in notebooks and on terminals, True everywhere, False nowhere; a function is given
            the status of the study whenever a trial begins or ends; or a ``Progress`` of one's own.
    """
    if isinstance(chosen, Progress):
        return chosen
    if callable(chosen):
        return Told(chosen)
    if chosen is not False and (show := _notebook()) is not None:
        return NotebookProgress(show)
    console = open_console()
    return TerminalProgress(console) if chosen or (chosen is None and console.is_terminal) else Silent()


class Silent:
    """Shows nothing."""

    def notice(self, line: str) -> None:
        """Leave the line out."""

    def phase(self, what: str) -> AbstractContextManager[object]:  # noqa: ARG002 - see Progress
        """Return an empty block."""
        return nullcontext()

    def trials(self, hint: str) -> AbstractContextManager[Listener]:  # noqa: ARG002 - see Progress
        """Return a block whose workloads go nowhere."""
        return nullcontext(lambda _: None)

    def ended(self, notes: Sequence[str]) -> None:
        """Leave the notes out."""


class Told(Silent):
    """Tells a function the status of the study whenever a trial begins or ends."""

    def __init__(self, function: Callable[[StudyStatus], None]) -> None:
        self._function = function

    def trials(self, hint: str) -> AbstractContextManager[Listener]:  # noqa: ARG002 - see Progress
        """Return a block whose workloads are made a status."""
        return nullcontext(lambda workload: self._function(study_status(workload.now(), time.time(), "alive")))


class TerminalProgress:
    """Prints lines; on a terminal the state of the trials is drawn anew every second."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def notice(self, line: str) -> None:
        """Print the line."""
        say(self.console, line)

    def phase(self, what: str) -> AbstractContextManager[object]:
        """Return a block with a spinner."""
        return self.console.status(what) if self.console.is_terminal else nullcontext()

    @contextmanager
    def trials(self, hint: str) -> Iterator[Listener]:
        """Show the trials while the block runs."""
        with LiveProgress(self.console, hint) as live:
            yield live.update

    def ended(self, notes: Sequence[str]) -> None:
        """Print the notes."""
        for note in notes:
            say(self.console, note)


class NotebookProgress(TerminalProgress):
    """Shows one line below the cell, in place of the one before; warnings and failures stay."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(open_console())
        self._show = show

    def phase(self, what: str) -> AbstractContextManager[object]:
        """Show what is being done."""
        self._show(what)
        return nullcontext()

    @contextmanager
    def trials(self, hint: str) -> Iterator[Listener]:
        """Show the trials while the block runs."""
        with LiveProgress(self.console, hint, self._show) as live:
            yield live.update


def _notebook() -> Callable[[str], None] | None:
    """Return what shows a line in the notebook that this process serves; None anywhere else."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    handle: list[Any] = []

    def show(line: str) -> None:
        content = {"text/plain": line}
        if handle:
            handle[0].update(content, raw=True)
        else:
            handle.append(ipython.display.display(content, raw=True, display_id=True))

    return show
