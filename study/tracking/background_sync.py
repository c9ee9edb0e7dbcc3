"""Keeps MLflow up to date during a run without affecting trials."""

from __future__ import annotations

import logging
import threading
import time
import traceback

from study.definition.secrets import redact
from study.errors import UserError
from study.layout import RunFolder
from study.tracking.errors import BrokenOffError, StoreError
from study.tracking.tracker import Tracker

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE_S = 300.0
_STOP_S = 5.0
_LATER = "the next run of the study sends it, or now: modstudy sync"


class BackgroundSync:
    """Calls ``sync`` every few seconds in a thread of its own; nothing else may use the tracker meanwhile.

    The run does not notice a store that is down, full, broken, slow or silent: whatever goes wrong is logged, each
    message once, and tried again after growing pauses; the end of the thread is logged too. A pause is no shorter than
    the pass before it, so that the store has half of its time for others. ``last_error`` is None after a successful
    call.

    Args:
        tracker: what is synced.
        folder: of the run.
        every_s: seconds between two calls.
        patience_s: seconds for which all calls of ``catch_up`` together wait, even if the store answers.
    """

    def __init__(self, tracker: Tracker, folder: RunFolder, every_s: float = 5.0, patience_s: float = 60.0) -> None:
        self._tracker = tracker
        self._folder = folder
        self._every_s = every_s
        self._patience_s = patience_s
        self._ended = self._whole = False
        self._wanted = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="mlflow-sync", daemon=True)
        self.last_error: BaseException | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread before its next request, and wait a moment for the one in progress; does not sync again."""
        self._ended = True
        self._tracker.store.breaking_off.set()
        self._wanted.set()
        patience_s = min(_STOP_S, self._patience_s)  # one that has been too slow is not waited for
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._give_up(patience_s)
        else:
            self._tracker.store.breaking_off.clear()

    def catch_up(self) -> bool:
        """Sync now and wait for it; return whether the store is up to date.

        A store that has been too slow is not waited for again; what it lacks is named.
        """
        if not self._patience_s:
            return False
        begun = time.monotonic()
        self._whole = True
        self._idle.clear()
        self._wanted.set()
        while not self._idle.is_set() and self._thread.is_alive():
            waited = time.monotonic() - begun
            if waited >= self._patience_s:
                self._tracker.store.breaking_off.set()
                self._give_up(waited)
                return False
            self._idle.wait(min(0.1, self._patience_s - waited))
        self._patience_s = max(0.01, self._patience_s - (time.monotonic() - begun))
        return self._thread.is_alive() and self.last_error is None

    def lacking(self) -> str:
        """Return what the store lacks, in words; "" if nothing."""
        return self._tracker.unsent(self._folder)

    def _give_up(self, waited_s: float) -> None:
        if self._patience_s:
            self._patience_s = 0.0
            shown, lacking = self._tracker.store.address.shown, self.lacking() or "the last changes"
            self._say(
                f"MLflow at {shown} has not answered in time: after {waited_s:.0f} s it lacks {lacking}; {_LATER}"
            )

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # noqa: BLE001 - such as SystemExit, at which a thread would end without a word
            self.last_error = error
            self._say(f"the MLflow mirror has ended ({type(error).__name__}: {error}); trials continue without it")
        finally:
            self._idle.set()

    def _loop(self) -> None:
        pause = self._every_s
        while True:
            self._wanted.wait(pause)
            if self._ended:
                return
            self._wanted.clear()
            begun = time.monotonic()
            if self._sync():
                pause = max(self._every_s, min(time.monotonic() - begun, _LONGEST_PAUSE_S))
            else:
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            if not self._wanted.is_set():
                self._idle.set()

    def _sync(self) -> bool:
        try:
            if self._whole:
                self._whole = False
                self._tracker.look_at_all()
            report = self._tracker.sync(self._folder)
        except BrokenOffError as error:
            self.last_error = error  # by us, who said why
            return False
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
