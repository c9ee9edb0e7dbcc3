"""The driver's end of the mirror: starts it, asks it, says what it says, and waits no longer than allowed."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO

from study.definition.secrets import redact
from study.definition.tracking_address import StoreAddress
from study.layout import RunFolder
from study.tracking.background.protocol import Answer, Ask, Assignment, line

_LOG = logging.getLogger(__name__)
_STOP_S = 5.0
_ANSWER_S = 2.0
"""Time for an answer that takes no request of the store."""

_LAST_WORDS = 600
_LATER = "the next run of the study sends it, or now: modstudy sync"


class MirrorProcess:
    """Keeps MLflow up to date during a run, in a process of its own, without affecting trials.

    The run does not notice a store that is down, full, broken, slow or silent, nor that the process is killed: what it
    says is logged, and so is its end.

    Args:
        address: of the store.
        experiment: its name; created when missing.
        folder: of the run.
        every_s: seconds between two passes over the folder.
        patience_s: seconds for which all calls of ``catch_up`` together wait, even if the store answers.
    """

    def __init__(
        self,
        address: StoreAddress,
        experiment: str,
        folder: RunFolder,
        every_s: float = 5.0,
        patience_s: float = 60.0,
    ) -> None:
        self._assignment = Assignment(folder, address, experiment, every_s)
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._asked = 0
        self._answers: dict[int, Answer] = {}
        self._changed = threading.Condition()
        self._ended = self._stopping = False
        self._listener = threading.Thread(target=self._listen, name="mlflow-mirror", daemon=True)

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None  # noqa: S101 - it has been started
        return self._process.pid

    def start(self) -> None:
        """Start the process."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
        self._process = subprocess.Popen(
            [sys.executable, "-m", "study.tracking.background.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": _modules(), "PYTHONSAFEPATH": "1"},
            start_new_session=True,  # Ctrl-C reaches the driver, which tells the mirror to stop
        )
        self._send(self._assignment.to_line())
        self._listener.start()

    def stop(self) -> None:
        """Stop the process before its next request, and wait a moment for the one in progress; does not sync again."""
        assert self._process is not None  # noqa: S101 - it has been started
        self._stopping = True
        self._ask("stop")
        patience_s = min(_STOP_S, self._patience_s)  # one that has been too slow is not waited for
        with self._changed:
            ended = self._changed.wait_for(lambda: self._ended, patience_s)
        if not ended:
            self._give_up(patience_s)
            self._process.kill()
        self._listener.join(_STOP_S)
        if self._ended:  # nothing ends a process that waits for a disk
            for pipe in (self._process.stdin, self._process.stdout, self._errors):
                if pipe is not None:
                    pipe.close()

    def catch_up(self) -> bool:
        """Sync now and wait for it; return whether the store is up to date.

        A store that has been too slow is not waited for again; what it lacks is named.
        """
        if not self._patience_s:
            return False
        begun = time.monotonic()
        answer = self._answer(self._ask("catch up"), self._patience_s)
        waited = time.monotonic() - begun
        if answer is None and not self._ended:
            self._ask("break off")
            self._give_up(waited)
            return False
        self._patience_s = max(0.01, self._patience_s - waited)
        return answer is True

    def lacking(self) -> str:
        """Return what the store lacks, in words; "" if nothing, or if the mirror does not say."""
        return str(self._answer(self._ask("lacking"), _ANSWER_S) or "")

    def _give_up(self, waited_s: float) -> None:
        if self._patience_s:
            self._patience_s = 0.0
            shown, lacking = self._assignment.address.shown, self.lacking() or "the last changes"
            self._log(
                f"MLflow at {shown} has not answered in time: after {waited_s:.0f} s it lacks {lacking}; {_LATER}"
            )

    def _ask(self, what: Ask) -> int:
        """Send a request and return its number."""
        self._asked += 1
        self._send(line({"number": self._asked, "ask": what}))
        return self._asked

    def _send(self, message: bytes) -> None:
        assert self._process is not None  # noqa: S101 - it has been started
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            os.write(self._process.stdin.fileno(), message)  # not into a buffer that is still full at the end
        except BrokenPipeError:  # it has ended, which the listener says
            return

    def _answer(self, number: int, timeout_s: float) -> Answer | None:
        """Return the answer to a request; None if there is none in time, or no process."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or number in self._answers, timeout_s)
            return self._answers.pop(number, None)

    def _listen(self) -> None:
        """Hear what the process says, up to its end."""
        assert self._process is not None  # noqa: S101 - it has been started
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        for sent in self._process.stdout:
            message = json.loads(sent)
            if "say" in message:
                self._log(message["say"])
                continue
            with self._changed:
                self._answers[message["number"]] = message["answer"]
                self._changed.notify_all()
        status = self._process.wait()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if not self._stopping:
            how = f"killed by signal {-status}" if status < 0 else f"status {status}"
            self._log(f"the MLflow mirror has ended ({how}{self._last_words()}); trials continue without it; {_LATER}")

    def _last_words(self) -> str:
        assert self._errors is not None  # noqa: S101 - it has been started
        self._errors.seek(0)
        said = " ".join(self._errors.read().decode(errors="replace").split())[-_LAST_WORDS:]
        return f": {said}" if said else ""

    def _log(self, text: str) -> None:
        _LOG.warning("%s", redact(text))


def _modules() -> str:
    """Return where the process finds modules: where this one does, and not also in the folder that it is in."""
    here = (str(entry) or os.curdir for entry in sys.path)
    return os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), *here]))
