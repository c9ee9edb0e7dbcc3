"""Heartbeats of the work in this process: a step, a chunk of an evaluation. A watchdog can listen to them.

They change nothing, cost next to nothing, and do nothing without a listener.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[], None]] = []


def beat() -> None:
    """Signal a heartbeat."""
    for listener in _listeners:
        listener()


@contextmanager
def heard_by(listener: Callable[[], None]) -> Iterator[None]:
    """Call ``listener`` at each heartbeat while the block runs; it must be fast."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
