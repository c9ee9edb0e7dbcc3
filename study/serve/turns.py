"""Work in a few threads: so many at once, so many waiting, each for so long. The event loop stays free."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from prometheus_client import Gauge

from study.serve.refusals import busy

Answer = TypeVar("Answer")


class Turns:
    """A thread that has begun cannot be stopped: its place stays taken until it ends, whether or not anyone waits."""

    def __init__(self, at_once: int, waiting: int, seconds: float, gauge: Gauge) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="search")
        self._free = at_once + waiting
        self._seconds = seconds
        self._lock = threading.Lock()
        self._gauge = gauge

    async def take(self, work: Callable[[], Answer]) -> Answer:
        """Return what the work returns.

        Raises:
            Refusal: All places are taken, or the answer took too long.
        """
        with self._lock:
            if not self._free:
                raise busy("too many searches at once")
            self._free -= 1
        self._gauge.inc()
        future = self._threads.submit(work)
        future.add_done_callback(self._leave)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError:
            raise busy(f"no answer within {self._seconds:g} s") from None

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _: Future[Answer]) -> None:
        self._gauge.dec()
        with self._lock:
            self._free += 1
