"""Terminates a worker whose trial hangs, and reports where it hung.

The watchdog is the native thread of ``faulthandler``, which works without the interpreter lock, so it also terminates
code that never releases it. It starts with the first heartbeat, so that waiting for another process to decode images
does not count as hanging.
"""

from __future__ import annotations

import faulthandler
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trainables.foundation.pulse import heard_by

_REARMED_EVERY = 20  # times within the limit
_HEARD_EVERY_S = 5.0
_FRAME = re.compile(r'^  File "([^"]+)", line (\d+) in (.+)$', re.MULTILINE)


@contextmanager
def ended_when_hung(trace: Path, after_s: float | None, tell: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Terminate this process if the work in the block emits no heartbeat for ``after_s`` seconds.

    Args:
        trace: file for the stacks of all threads at termination, touched as a sign of life for the driver; removed when
            the block exits normally.
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
                with heard_by(rearm):
                    yield
            finally:
                faulthandler.cancel_dump_traceback_later()
    finally:
        trace.unlink(missing_ok=True)


def read_hang(trace: Path) -> tuple[str, str] | None:
    """Return the code location where a worker hung, and the stacks of its threads; None if it did not hang."""
    try:
        stacks = trace.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    if not stacks:  # killed, not hung
        return None
    main = _FRAME.search(stacks.rpartition("\n\n")[2])  # the main thread is last, with its newest frame first
    return (f"{main[1]}, line {main[2]}, in {main[3]}" if main else "unknown code"), stacks
