"""The threads that read and decode images; Pillow releases the interpreter lock."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

_LARGEST_READ_AHEAD = 8


def decoding_pool() -> ThreadPoolExecutor:
    """Return a pool with as many threads as this process may use cores, 8 at most."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(min(_LARGEST_READ_AHEAD, usable))
