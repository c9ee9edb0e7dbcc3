"""Watches the Ray instance of a run, since a driver whose Ray has died would wait forever."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

_SERVERS = ("raylet", "gcs_server")
_EVERY_S = 0.5


class RayWatch:
    """The servers of this process's own Ray; a cluster's belong to others, and Ray itself speaks up for them."""

    def __init__(self) -> None:
        children = psutil.Process().children()
        self._servers = {process: process.name() for process in children if process.name() in _SERVERS}

    def lost(self) -> str:
        """Return which server is gone, empty while all are there."""
        gone = [name for process, name in self._servers.items() if not _is_alive(process)]
        return gone[0] if gone else ""


@contextmanager
def watched() -> Iterator[RayWatch]:
    """Interrupt this process, as Ctrl-C would, when its Ray goes while the block runs; ``lost`` then says so."""
    watch, stop = RayWatch(), threading.Event()

    def look() -> None:
        while not stop.wait(_EVERY_S):
            if watch.lost():
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=look, name="ray-watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
