"""Terminates a worker whose trial hangs, and reports where it hung, or where a fault of its own ended it.

The watchdog is the native thread of ``faulthandler``, which works without the interpreter lock, so it also terminates
code that never releases it. It starts with the first heartbeat, so that waiting for another process to decode images
does not count as hanging.
"""

from __future__ import annotations

import faulthandler
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from trainables.foundation.pulse import heard_by

_REARMED_EVERY = 20  # times within the limit
_HEARD_EVERY_S = 5.0
_FRAME = re.compile(r'^  File "([^"]+)", line (\d+) in (.+)$', re.MULTILINE)
_FAULT = re.compile(r"^Fatal Python error: (.+)$", re.MULTILINE)


@contextmanager
def ended_when_hung(trace: Path, after_s: float | None, tell: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Terminate this process if the work in the block emits no heartbeat for ``after_s`` seconds.

    Args:
        trace: file for the stacks of all threads at termination, also by a fault such as a wrong access to memory;
            touched as a sign of life for the driver; removed when the block exits normally.
        after_s: the limit in seconds; None never terminates it.
        tell: called as often as the trace is touched.
    """
    pause = _HEARD_EVERY_S if after_s is None else min(_HEARD_EVERY_S, after_s / _REARMED_EVERY)
    armed = -math.inf
    try:
        with trace.open("w", encoding="utf-8") as file:

            def rearm() -> None:
                nonlocal armed
                now = time.monotonic()
                if now - armed >= pause:
                    armed = now
                    tell()
                    os.utime(trace)
                    if after_s is not None:
                        faulthandler.dump_traceback_later(after_s, exit=True, file=file)

            try:
                with _faults_noted(file), heard_by(rearm):
                    yield
            finally:
                faulthandler.cancel_dump_traceback_later()
    finally:
        trace.unlink(missing_ok=True)


@contextmanager
def _faults_noted(file: TextIO) -> Iterator[None]:
    """Write the stacks of all threads there if a signal that a fault of this process sends ends it in the block."""
    before = faulthandler.is_enabled()
    faulthandler.enable(file=file)
    try:
        yield
    finally:
        faulthandler.disable()
        if before and sys.__stderr__ is not None:  # as Ray and pytest had it
            faulthandler.enable(file=sys.__stderr__, all_threads=False)


@dataclass(frozen=True)
class Note:
    """What a worker that ended itself has left.

    Attributes:
        fault: the fault that ended it, in the interpreter's words; empty if its own watchdog did, for a hang.
        place: code location of the main thread, or of the thread with the fault.
        stacks: of its threads.
    """

    fault: str
    place: str
    stacks: str


def read_note(trace: Path) -> Note | None:
    """Return what a worker noted of its end; None if it noted nothing, as one that is killed from outside."""
    try:
        stacks = trace.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    if not stacks:
        return None
    fault = _FAULT.search(stacks)
    _, current, at_fault = stacks.partition("\nCurrent thread ")
    # without that, the main thread is last; the newest frame of a thread is first
    frame = _FRAME.search(at_fault.partition("\n\n")[0] if current else stacks.rpartition("\n\n")[2])
    place = f"{frame[1]}, line {frame[2]}, in {frame[3]}" if frame else "unknown code"
    return Note(fault[1] if fault else "", place, stacks)
