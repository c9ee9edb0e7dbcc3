"""How often a trial writes its checkpoint, told by whoever runs it; and when the next one is due."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class CheckpointInterval:
    """The epochs, or where ``seconds`` is given the seconds, between two checkpoints."""

    epochs: int = 1
    seconds: float | None = None


_EVERY_EPOCH = CheckpointInterval()
_interval: ContextVar[CheckpointInterval] = ContextVar("checkpoint_interval", default=_EVERY_EPOCH)


@contextmanager
def checkpointing(interval: CheckpointInterval) -> Iterator[None]:
    """Let trials in the block write a checkpoint at this interval; without it they write one every epoch."""
    token = _interval.set(interval)
    try:
        yield
    finally:
        _interval.reset(token)


class CheckpointClock:
    """Tells when a checkpoint is due, from the start of a call or from the last checkpoint."""

    def __init__(self) -> None:
        self._interval = _interval.get()
        self._epochs = 0
        self._since = time.monotonic()

    def is_due(self, *, last: bool) -> bool:
        """Return whether the epoch that has just ended is to be kept; the last one of a call always is."""
        self._epochs += 1
        seconds = self._interval.seconds
        passed = self._epochs >= self._interval.epochs if seconds is None else time.monotonic() - self._since >= seconds
        if not (passed or last):
            return False
        self._epochs, self._since = 0, time.monotonic()
        return True
