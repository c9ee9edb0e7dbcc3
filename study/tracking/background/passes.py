"""Pass after pass over a run folder, until told to stop; whatever goes wrong is said and tried again."""

from __future__ import annotations

import queue
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from study.definition.secrets import redact
from study.errors import UserError
from study.layout import RunFolder

if TYPE_CHECKING:
    from study.tracking.tracker import Tracker

_LONGEST_PAUSE_S = 300.0

Answering = Callable[[bool], None]
"""Is told whether the store is up to date."""


class Passes:
    """Calls ``Tracker.sync`` every few seconds and whenever it is asked, in the thread that calls ``run``.

    A store that is down, full, broken, slow or silent ends nothing: what goes wrong is said, each line once, and tried
    again after growing pauses. A pause is no shorter than the pass before it, so that the store has half of its time
    for others. All methods but ``run`` may be called from any thread at any time.

    Args:
        open_tracker: returns what is synced; called by ``run``, for importing MLflow takes seconds.
        folder: of the run.
        every_s: seconds between two passes.
        say: is given each line for the user, without secrets.
    """

    def __init__(
        self, open_tracker: Callable[[], Tracker], folder: RunFolder, every_s: float, say: Callable[[str], None]
    ) -> None:
        self._open_tracker = open_tracker
        self._folder = folder
        self._every_s = every_s
        self._say_to_user = say
        self._said: set[str] = set()
        self._asked: queue.SimpleQueue[Answering | None] = queue.SimpleQueue()  # None: stop
        self._broken_off = False
        self._tracker: Tracker | None = None

    def run(self) -> None:
        """Make passes until ``stop`` is called."""
        tracker = self._tracker = self._open_tracker()
        if self._broken_off:  # meanwhile
            tracker.store.breaking_off.set()
        pause = self._every_s
        while True:
            answering: Answering | None = None
            try:
                answering = self._asked.get(timeout=pause)
                if answering is None:
                    return
            except queue.Empty:
                pass
            begun = time.monotonic()
            done = self._pass(tracker, whole=answering is not None)
            took = time.monotonic() - begun
            pause = min(max(self._every_s, took) if done else 2 * pause, _LONGEST_PAUSE_S)
            if answering is not None:
                answering(done)

    def catch_up(self, answering: Answering) -> None:
        """Make a pass at once, after the one in progress, that looks at every trial."""
        self._asked.put(answering)

    def break_off(self) -> None:
        """Make no further request of the store."""
        self._broken_off = True
        if self._tracker is not None:
            self._tracker.store.breaking_off.set()

    def stop(self) -> None:
        """Let ``run`` return before the next request of the store."""
        self.break_off()
        self._asked.put(None)

    def lacking(self) -> str:
        """Return what the store lacks, in words; "" if nothing, or as long as that is unknown."""
        return "" if self._tracker is None else self._tracker.unsent(self._folder)

    def _pass(self, tracker: Tracker, *, whole: bool) -> bool:
        """Make a pass, and return whether the store is up to date."""
        from study.tracking.errors import BrokenOffError, StoreError

        try:
            if whole:
                tracker.look_at_all()
            report = tracker.sync(self._folder)
        except BrokenOffError:  # by the driver, who says why
            return False
        except (StoreError, UserError) as error:
            self._say(f"{error}; trials continue without it")
            return False
        except Exception as error:  # noqa: BLE001 - no error of the mirror may end it, and none may go unsaid
            where = "".join(traceback.format_exception(error))
            self._say(f"the MLflow mirror failed with an internal error; trials continue without it\n{where}")
            return False
        for note in report.notes:
            self._say(note)
        return True

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say_to_user(redact(line))
