"""A growing number of processes that train the same arm side by side, and their windows of measurement."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, Any, Self

from study.packing.measurement import Measurement, Outcome
from study.packing.member import LEAVE, Assignment

_PATIENCE_S = 1800.0
"""Time to start, decode images if nobody has, and warm up."""

_GRACE_S = 60.0
"""Time by which a window may end late: a step of many processes on one device may be long."""

_LAST_LINES = 3


class MemberFailedError(RuntimeError):
    """A process of the probe has ended or has failed; ``kind`` is ``out_of_memory`` or another kind of failure."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Crew:
    """Processes of this interpreter that train an assignment, and later another, until the crew is closed.

    Args:
        mps: whether they use NVIDIA's Multi-Process Service.
        environment: variables that each gets besides those of this process.
        prepared: processes to start at once; others are started when they are needed.
    """

    def __init__(self, *, mps: bool, environment: Mapping[str, str], prepared: int = 1) -> None:
        self._mps = mps
        self._environment = {**os.environ, **environment}
        self._assignment = ""
        self._training = 0
        self._leaving: list[_Member] = []
        self._members = [_Member(self._environment) for _ in range(prepared)]
        self.about: dict[str, Any] = {}
        """What the first process said of device and trial when it was ready."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        for member in self._members:
            member.dismiss()
        for member in self._members:
            member.close()

    def assign(self, assignment: Assignment) -> None:
        """Give the crew another trial to train; before it does, what it trained gives its memory back."""
        self._leaving = self._members[: self._training]
        self._assignment, self._training, self.about = json.dumps(asdict(assignment)), 0, {}

    def measure(self, processes: int, seconds: float) -> Measurement:
        """Let so many processes train together for a window; processes of earlier windows go on.

        A process that fails makes it a measurement without figures, after which the crew is of no more use.
        """
        try:
            while self._leaving:
                self._leaving.pop().tell(LEAVE)
            while self._training < processes:
                self._grow(min(processes, max(1, 2 * self._training)))
            windows = self._together(seconds)
        except MemberFailedError as error:
            outcome: Outcome = "out_of_memory" if error.kind == "out_of_memory" else "failed"
            return Measurement(processes, self._mps, outcome, message=str(error))
        return Measurement(
            processes,
            self._mps,
            "measured",
            sum(window["steps"] / window["seconds"] for window in windows),
            sum(window["images"] / window["seconds"] for window in windows),
            max(window["peak_bytes"] for window in windows),
            max(window["used_bytes"] for window in windows),
        )

    def _grow(self, processes: int) -> None:
        """Let more processes begin to train, so many in all."""
        self._members += [_Member(self._environment) for _ in range(processes - len(self._members))]
        new = self._members[self._training : processes]
        for member in new:
            member.tell(self._assignment)
        deadline = time.monotonic() + _PATIENCE_S
        ready = [member.answer(deadline) for member in new]
        self._training = processes
        self.about = self.about or ready[0]

    def _together(self, seconds: float) -> list[dict[str, Any]]:
        training = self._members[: self._training]
        for member in training:
            member.tell(str(seconds))
        deadline = time.monotonic() + seconds + _GRACE_S
        return [member.answer(deadline) for member in training]


class _Member:
    """A process of the crew, with the pipes to it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "study.packing.member"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=dict(environment),
            start_new_session=True,  # Ctrl-C reaches the study, which ends its probe
        )
        self._unread = b""

    def tell(self, line: str) -> None:
        """Send a line.

        Raises:
            MemberFailedError: the process has ended.
        """
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def answer(self, deadline: float) -> dict[str, Any]:
        """Return the next line.

        Raises:
            MemberFailedError: the process failed, has ended, or has not answered in time.
        """
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise MemberFailedError("failed", "a process of the probe did not answer in time")
                read = os.read(self._process.stdout.fileno(), 65536)
                if not read:
                    raise self._ended()
                self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        if "failed" in found:
            raise MemberFailedError(found["failed"], found["message"])
        return found

    def _ended(self) -> MemberFailedError:
        code = self._process.wait()
        self._errors.seek(0)
        last = " | ".join(self._errors.read().decode(errors="replace").splitlines()[-_LAST_LINES:])
        return MemberFailedError("failed", f"a process of the probe ended with status {code}: {last}")

    def dismiss(self) -> None:
        """Let the process end: nothing more will be asked of it."""
        self._process.kill()

    def close(self) -> None:
        """Wait for the end of the process."""
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # what was still unsent
                    continue
