"""Keeps MLflow up to date beside a run, off the trials' path."""

from __future__ import annotations

import logging
import threading

from study.errors import UserError
from study.layout import RunFolder
from study.tracking import STORE_ERRORS, Tracker

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE_S = 300.0


class BackgroundSync:
    """Calls ``sync`` every few seconds beside a run, off the trials' path.

    Whatever goes wrong is reported through the log, each error once, and tried again with growing pauses; the run does
    not notice. ``last_error`` is None after a successful call.
    """

    def __init__(self, tracker: Tracker, folder: RunFolder, every_s: float = 5.0) -> None:
        self._tracker = tracker
        self._folder = folder
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="mlflow-sync", daemon=True)
        self.last_error: Exception | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for a call in progress; does not sync again."""
        self._stop.set()
        self._thread.join()

    def _loop(self) -> None:
        pause = self._every_s
        while not self._stop.wait(pause):
            try:
                self._tracker.sync(self._folder)
                self.last_error, pause = None, self._every_s
            except STORE_ERRORS as error:
                if self.last_error is None:
                    _LOG.warning("MLflow cannot be reached, trials go on without it: %s", error)
                self.last_error, pause = error, min(2 * pause, _LONGEST_PAUSE_S)
            except Exception as error:  # noqa: BLE001 - a thread has no caller to raise it in; it must be seen all the same
                self._report(error)
                self.last_error, pause = error, min(2 * pause, _LONGEST_PAUSE_S)

    def _report(self, error: Exception) -> None:
        """Say what no store is to blame for: what the user can put right in one line, our own mistakes in full."""
        if repr(error) == repr(self.last_error):
            return
        trace = None if isinstance(error, UserError) else error
        _LOG.error("MLflow is not kept up to date, trials go on without it: %s", error, exc_info=trace)
