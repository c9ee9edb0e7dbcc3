"""Ctrl-C and the signals with which schedulers and terminals end a command. One is enough; a second does no harm."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_INTERRUPTED = 130

FORCED_AFTER_S = 10.0
"""A signal this long after the first ends the process at once, because the clean-up hangs."""

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class _Interruption:
    """Raises ``KeyboardInterrupt`` for the first signal; later ones do not disturb the shutdown it started."""

    def __init__(self) -> None:
        self._first: float | None = None
        self.exit_status: int | None = None
        """What an interrupted process ends with, once it is known."""

    @property
    def heard(self) -> bool:
        """Whether a signal has come."""
        return self._first is not None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        now = time.monotonic()
        if self._first is None:
            self._first = now
            raise KeyboardInterrupt
        if now - self._first > FORCED_AFTER_S:
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"ended at once; nothing is lost\n")
            os._exit(EXIT_INTERRUPTED)


_active: list[_Interruption] = []


def hear_signals_in_the_whole_process() -> None:
    """Like ``hear_signals_to_the_end``, up to the very end of the process.

    Python finally removes its handlers, and a signal after that would end the process with its own status.
    Call this before other libraries register exit functions, so that it runs after them.
    """
    hear_signals_to_the_end()
    atexit.register(_end_exit_functions)


def _end_exit_functions() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    status = _active[0].exit_status
    if status is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@contextmanager
def keeping_the_exit_status() -> Iterator[None]:
    """Let an interrupted process end with the status that the block gives to ``sys.exit``.

    Once a ``KeyboardInterrupt`` has left a string run by ``exec``, even if it is caught then (``dataclass`` and
    ``namedtuple`` build classes so), CPython 3.11 ends ``python -m`` by SIGINT whatever the program returns
    (``unhandled_keyboard_interrupt`` in Python/pythonrun.c).
    """
    try:
        yield
    except SystemExit as ending:
        if _active and _active[0].heard and isinstance(ending.code, int):
            _active[0].exit_status = ending.code
        raise


def hear_signals_to_the_end() -> None:
    """Let the first signal raise ``KeyboardInterrupt`` in this process, and later ones do nothing until it ends."""
    _active.append(_Interruption())
    hear_signals_again()


@contextmanager
def hearing_signals() -> Iterator[None]:
    """Do the same while the block runs, if this is the main thread and no outer block does it already."""
    if _active or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    hear_signals_to_the_end()
    try:
        yield
    finally:
        _active.pop()
        for number, handler in before.items():
            signal.signal(number, handler)


def hear_signals_again() -> None:
    """Restore the handlers that a library has replaced. Ignored signals stay ignored."""
    if not _active or threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _active[-1])
