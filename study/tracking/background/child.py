"""The process that mirrors a run; started by ``process`` as ``python -m study.tracking.background.child``.

It ends when the driver says so, or is gone, and by nothing else: signals that end the driver reach it, too, where they
are sent to all processes of a job, and it is for the driver to finish what it does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from study.tracking.background.passes import Passes
from study.tracking.background.protocol import Answer, Assignment, line

if TYPE_CHECKING:
    from study.tracking.tracker import Tracker

_NICENESS = 5
"""Below the trials, where all want the same processors: by Linux's weights (335 to 1,024) the mirror still gets a
quarter of one, with which it mirrors more trials a second than a busy machine ends."""

_GLANCE_S = 2.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Mirror what the driver assigns."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    driver = _Driver()
    first = next(driver.lines, None)
    if first is None:
        return
    assignment = Assignment.from_line(first)
    passes = Passes(partial(_tracker, assignment), assignment.folder, assignment.every_s, driver.say)
    threading.Thread(target=driver.serve, args=(passes,), name="driver", daemon=True).start()
    passes.run()
    os._exit(0)  # libraries may wait at an exit for threads of theirs


def _tracker(assignment: Assignment) -> Tracker:
    from study.tracking.tracker import Tracker

    return Tracker(assignment.address, assignment.experiment)


class _Driver:
    """The process that started this one, at the other end of standard input and output.

    Attributes:
        lines: what it sends, up to its end.
    """

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)  # what libraries print goes to standard error
        self._parent = os.getppid()
        self._writing = threading.Lock()
        self.lines = self._read()

    def say(self, text: str) -> None:
        """Send a line for the user."""
        self._write({"say": text})

    def serve(self, passes: Passes) -> None:
        """Do what it asks, and end this process with it, whatever else is going on here."""
        try:
            for sent in self.lines:
                self._do(json.loads(sent), passes)
        except Exception:  # noqa: BLE001 - nobody would end a process that no longer hears
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)

    def _do(self, asked: dict[str, object], passes: Passes) -> None:
        answer = partial(self._answer, asked["number"])
        match asked["ask"]:
            case "catch up":
                passes.catch_up(answer)
            case "lacking":
                answer(passes.lacking())
            case "break off":
                passes.break_off()
            case "stop":
                passes.stop()
            case other:
                raise ValueError(f"the driver asks for {other!r}")

    def _answer(self, number: object, answer: Answer) -> None:
        self._write({"number": number, "answer": answer})

    def _write(self, message: dict[str, object]) -> None:
        with self._writing:
            self._answers.write(line(message))

    def _read(self) -> Iterator[bytes]:
        """Yield lines; also end when the parent is gone though a child of it still holds the pipe open."""
        unread = b""
        while os.getppid() == self._parent:
            if not select.select([0], [], [], _GLANCE_S)[0]:
                continue
            read = os.read(0, 65536)
            if not read:
                return
            *lines, unread = (unread + read).split(b"\n")
            yield from lines


if __name__ == "__main__":
    main()
