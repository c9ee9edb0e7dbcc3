"""Signs of life of a worker in a store, for a driver that sees nothing else of it between two lines of the journal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from study.store.working_copy import copy_of
from trainables.foundation.objects.requests import StoreError


@contextmanager
def telling_the_store(note: Path, every_s: float | None) -> Iterator[Callable[[], None]]:
    """Yield what the work in the block calls while it goes on; in a store, it writes the object of a note that changes.

    Trials that end sooner than ``every_s`` write none. The object goes when the block is left.

    Args:
        note: a file of a trial; in a folder the function does nothing.
        every_s: seconds between two writes; None for none at all.
    """
    copy = copy_of(note)
    if copy is None or every_s is None:
        yield lambda: None
        return
    began = last = time.monotonic()

    def tell() -> None:
        nonlocal last
        if time.monotonic() - last >= every_s:
            last = math.inf  # a request that is repeated is a sign of life itself, and must not write another one
            with suppress(StoreError):  # whether the store is away is for the next line of the journal to say
                copy.write(note, str(time.time_ns()).encode())
            last = time.monotonic()

    try:
        yield tell
    finally:
        if last != began:
            with suppress(StoreError):
                copy.delete(note)
