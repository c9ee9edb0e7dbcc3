"""Signs of life of the work in this process: a step, a chunk of an evaluation. Whoever watches over it listens.

They change nothing and cost next to nothing; without a listener they are nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[], None]] = []


def beat() -> None:
    """Give a sign of life."""
    for listener in _listeners:
        listener()


@contextmanager
def heard_by(listener: Callable[[], None]) -> Iterator[None]:
    """Call ``listener`` at every sign of life while the block runs; it must be quick."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
