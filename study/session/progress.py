"""Progress reports of a run and their listeners: a terminal, a notebook, a function, or none."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol, runtime_checkable

from rich.console import Console

from study.arguments import refused
from study.schedule.workload import Workload
from study.status.status import StudyStatus, study_status
from study.terminal.display import open_console, say
from study.terminal.live import LiveProgress

Listener = Callable[[Workload], None] | None
"""Is notified of each new workload; None where no one listens, so that none is computed."""

_LOG = logging.getLogger(__name__)


@runtime_checkable
class Progress(Protocol):
    """Receives progress reports of a run. Listeners never affect results."""

    def notice(self, line: str) -> None:
        """Receive a line for the user, such as a warning or a summary of existing results."""

    def phase(self, what: str) -> AbstractContextManager[object]:
        """Return a context manager for a phase without trials, such as ``preparing images``."""

    def trials(self, hint: str) -> AbstractContextManager[Listener]:
        """Return a context manager for the trials that yields a listener for each new workload.

        Args:
            hint: how to open MLflow; empty without tracking.
        """

    def ended(self, notes: Sequence[str]) -> None:
        """Receive the notes issued after the report is written, such as failures and how to resolve them."""


Chosen = bool | Progress | Callable[[StudyStatus], None] | None
"""How a caller of ``Study.run`` chooses the listener."""


def chosen_progress(chosen: Chosen) -> Progress:
    """Return the listener for a caller's choice.

    Args:
        chosen: None shows progress in notebooks and on terminals, True everywhere, False nowhere. A function is called
            with the status of the study whenever a trial starts or ends. A custom ``Progress`` is returned unchanged.

    Raises:
        UserError: it is none of these.
    """
    if isinstance(chosen, Progress):
        return chosen
    if callable(chosen):
        return Told(chosen)
    if not (chosen is None or isinstance(chosen, bool)):
        raise refused("progress", chosen, "None, True, False, or a function that takes a status")
    if chosen is not False and (show := _notebook()) is not None:
        return NotebookProgress(show)
    console = open_console()
    return TerminalProgress(console) if chosen or (chosen is None and console.is_terminal) else Silent()


class Silent:
    """Shows nothing."""

    def notice(self, line: str) -> None:
        """Ignore the line."""

    def phase(self, what: str) -> AbstractContextManager[object]:  # noqa: ARG002 - see Progress
        """Return a context manager that does nothing."""
        return nullcontext()

    def trials(self, hint: str) -> AbstractContextManager[Listener]:  # noqa: ARG002 - see Progress
        """Return a context manager without a listener, so that no workload is computed."""
        return nullcontext()

    def ended(self, notes: Sequence[str]) -> None:
        """Ignore the notes."""


class Told(Silent):
    """Calls a function with the status of the study whenever a trial starts or ends.

    A function that raises is not called again, and its error is logged: progress never ends a run.
    """

    def __init__(self, function: Callable[[StudyStatus], None]) -> None:
        self._function: Callable[[StudyStatus], None] | None = function

    def trials(self, hint: str) -> AbstractContextManager[Listener]:  # noqa: ARG002 - see Progress
        """Return a context manager whose listener converts each workload to a status and passes it on."""
        return nullcontext(self._tell)

    def _tell(self, workload: Workload) -> None:
        if self._function is None:
            return
        try:
            self._function(study_status(workload.now(), time.time(), "alive"))
        except Exception:  # noqa: BLE001 - the user's own function may raise anything
            _LOG.exception("the progress function raised and is not called again; the run continues")
            self._function = None


class TerminalProgress:
    """Prints lines; on a terminal, redraws the state of the trials every second."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def notice(self, line: str) -> None:
        """Print the line."""
        say(self.console, line)

    def phase(self, what: str) -> AbstractContextManager[object]:
        """Return a context manager that shows a spinner on a terminal."""
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
    """Shows a single line below the cell and replaces it on each update; warnings and failures stay."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(open_console())
        self._show = show

    def phase(self, what: str) -> AbstractContextManager[object]:
        """Show the name of the phase."""
        self._show(what)
        return nullcontext()

    @contextmanager
    def trials(self, hint: str) -> Iterator[Listener]:
        """Show the trials while the block runs."""
        with LiveProgress(self.console, hint, self._show) as live:
            yield live.update


def _notebook() -> Callable[[str], None] | None:
    """Return a function that shows a line in the notebook of this process; None outside a notebook."""
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
