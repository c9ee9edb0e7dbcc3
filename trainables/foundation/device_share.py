"""The share of an accelerator's memory that the current trial may take, told by whoever runs it beside others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_share: ContextVar[float] = ContextVar("device_share", default=1.0)


@contextmanager
def sharing_device(share: float) -> Iterator[None]:
    """Let trials in the block take this share of their device's memory, above 0 and at most 1.

    Raises:
        ValueError: the share is out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a trial's share of a device is above 0 and at most 1, got {share}")
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)


def device_share() -> float:
    """Return the share of the current trial; 1 unless ``sharing_device`` says otherwise."""
    return _share.get()
