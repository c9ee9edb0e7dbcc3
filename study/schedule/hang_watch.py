"""Ends a worker whose trial hangs, and says where it hung.

The watch is ``faulthandler``'s own thread, which needs nothing of Python: it also ends code that holds the interpreter
for ever. It begins with the first sign of life, so that waiting for images that another process decodes is no hanging.
"""

from __future__ import annotations

import faulthandler
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainables.foundation.pulse import heard_by

_REARMED_EVERY = 20  # times within the limit
_FRAME = re.compile(r'^  File "([^"]+)", line (\d+) in (.+)$', re.MULTILINE)


@contextmanager
def ended_when_hung(trace: Path, after_s: float | None) -> Iterator[None]:
    """End this process when the work in the block gives no sign of life for ``after_s`` seconds.

    Args:
        trace: where the stacks of all threads are written then; gone when the block ends by itself.
        after_s: None watches nothing.
    """
    if after_s is None:
        yield
        return
    armed = -after_s
    try:
        with trace.open("w", encoding="utf-8") as file:

            def rearm() -> None:
                nonlocal armed
                now = time.monotonic()
                if now - armed >= after_s / _REARMED_EVERY:
                    armed = now
                    faulthandler.dump_traceback_later(after_s, exit=True, file=file)

            try:
                with heard_by(rearm):
                    yield
            finally:
                faulthandler.cancel_dump_traceback_later()
    finally:
        trace.unlink(missing_ok=True)


def read_hang(trace: Path) -> tuple[str, str] | None:
    """Return where in its code a worker hung, and the stacks of its threads; None when it did not end by that."""
    try:
        stacks = trace.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    if not stacks:  # it was killed
        return None
    main = _FRAME.search(stacks.rpartition("\n\n")[2])  # the main thread comes last, its newest frame first
    return (f"{main[1]}, line {main[2]}, in {main[3]}" if main else "unknown code"), stacks
