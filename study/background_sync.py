"""Keeps MLflow up to date beside a run, off the trials' path."""

from __future__ import annotations

import logging
import threading

from study.layout import RunFolder
from study.tracking import STORE_ERRORS, Tracker

_LOG = logging.getLogger(__name__)


class BackgroundSync:
    """Calls ``sync`` every few seconds beside a run, off the trials' path.

    A store that cannot be reached is reported once through the log and tried again with growing pauses; the run does
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
                self.last_error, pause = error, min(2 * pause, 300.0)
