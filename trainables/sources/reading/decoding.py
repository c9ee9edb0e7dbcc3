"""The thread pool that reads and decodes images; Pillow releases the GIL."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor


def decoding_pool() -> ThreadPoolExecutor:
    """Return a pool with one thread per core available to this process."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(usable)
