"""Keeps MLflow up to date during a run without affecting trials."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable

from study.definition.secrets import redact
from study.errors import UserError
from study.layout import RunFolder
from study.tracking.errors import StoreError, StoreUnreachableError
from study.tracking.tracker import Tracker

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE_S = 300.0
_STOP_S = 10.0


class BackgroundSync:
    """Calls ``sync`` every few seconds in a thread of its own; nothing else may use the tracker meanwhile.

    The run does not notice a store that is down, full, broken or silent: whatever goes wrong is logged, each message
    once, and tried again after growing pauses. ``last_error`` is None after a successful call.

    Args:
        tracker: what is synced.
        folder: of the run.
        every_s: seconds between two calls.
        patience_s: seconds for which ``catch_up`` waits for a store that gives no sign of life.
    """

    def __init__(self, tracker: Tracker, folder: RunFolder, every_s: float = 5.0, patience_s: float = 60.0) -> None:
        self._tracker = tracker
        self._folder = folder
        self._every_s = every_s
        self._patience_s = patience_s
        self._ended = self._silent = False
        self._wanted = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._loop, name="mlflow-sync", daemon=True)
        self.last_error: BaseException | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for a call in progress; does not sync again."""
        self._ended = True
        self._wanted.set()
        self._wait(self._thread.is_alive, min(self._patience_s, _STOP_S))

    def catch_up(self) -> bool:
        """Sync now and wait for it; return whether the store is up to date.

        A store that has been silent is not waited for again.
        """
        self._idle.clear()
        self._wanted.set()
        self._wait(lambda: not self._idle.is_set(), self._patience_s)
        return self._idle.is_set() and self.last_error is None

    def _wait(self, busy: Callable[[], bool], patience_s: float) -> None:
        """Wait for work in progress, as long as the store responds."""
        asked = time.monotonic()
        while busy() and not self._silent:
            time.sleep(0.02)
            if time.monotonic() - max(asked, self._tracker.store.last_answer) > patience_s:
                self._silent = True
                shown = self._tracker.store.address.shown
                self._report(StoreUnreachableError(f"MLflow at {shown} has not answered for {patience_s:.0f} s"))

    def _loop(self) -> None:
        pause = self._every_s
        while True:
            self._wanted.wait(pause)
            if self._ended:
                return
            self._wanted.clear()
            pause = self._every_s if self._sync() else min(2 * pause, _LONGEST_PAUSE_S)
            if not self._wanted.is_set():
                self._idle.set()

    def _sync(self) -> bool:
        try:
            report = self._tracker.sync(self._folder)
        except Exception as error:  # noqa: BLE001 - no error of the mirror may end a study, and none may go unsaid
            self._report(error)
            return False
        for note in report.notes:
            self._say(note)
        self.last_error = None
        return True

    def _report(self, error: Exception) -> None:
        """Log what went wrong; an error that is ours, not the store's, with where it arose."""
        self.last_error = error
        if isinstance(error, StoreError | UserError):
            self._say(f"{error}; trials continue without it")
        else:
            where = "".join(traceback.format_exception(error))
            self._say(f"the MLflow mirror failed with an internal error; trials continue without it\n{where}")

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            _LOG.warning("%s", redact(line))
