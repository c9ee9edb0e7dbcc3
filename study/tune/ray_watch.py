"""Watches the Ray instance of a run: a driver whose Ray has died would wait forever, or end in Ray's forty lines."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

_FORCED_AFTER_S = 20.0
"""Calls of Ray that wait for a lost head end after a minute, with the process, and hear no signal until then."""

_SERVERS = ("raylet", "gcs_server")
_EVERY_S = 0.5
_ENDED = 2  # as for every end that the user can mend
_KNOCK_S = 5.0
_REFUSALS = 3
_SILENT_S = 20.0
"""A machine that answers nothing may be back; Ray itself gives up after a minute."""


class _Door:
    """A port of a server of a cluster, which may run on another machine."""

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name = name
        self._address = (host, port)
        self._heard, self._refusals = time.monotonic(), 0

    @property
    def refuses(self) -> bool:
        """Whether it refused the last connection."""
        return self._refusals > 0

    def is_closed(self) -> bool:
        """Return whether it refused several connections in a row, or was silent for too long."""
        try:
            socket.create_connection(self._address, timeout=_KNOCK_S).close()
        except ConnectionRefusedError:
            self._refusals += 1
        except OSError:
            self._refusals = 0
        else:
            self._heard, self._refusals = time.monotonic(), 0
        return self._refusals >= _REFUSALS or time.monotonic() - self._heard > _SILENT_S


class RayWatch:
    """The servers that a run depends on: those of a Ray of its own; of a cluster, the raylet here and the head."""

    def __init__(self) -> None:
        children = psutil.Process().children()
        self._servers = {process: process.name() for process in children if process.name() in _SERVERS}
        self._doors = [] if self._servers else _doors_of_cluster()
        self._lost = ""

    def lost(self) -> str:
        """Return which server is gone, empty while all are there."""
        gone = [f"Ray's process {name}" for process, name in self._servers.items() if not _is_alive(process)]
        gone += [door.name for door in self._doors if not self._lost and door.is_closed()]
        self._lost = self._lost or next(iter(gone), "")
        return self._lost

    def lost_after_all(self) -> str:
        """Return which server is gone, after asking as often as it takes to be sure: an error may be the first sign."""
        while not self.lost() and any(door.refuses for door in self._doors):
            time.sleep(_EVERY_S)
        return self._lost


@contextmanager
def watched() -> Iterator[RayWatch]:
    """Interrupt this process, as Ctrl-C would, when its Ray goes while the block runs; ``lost`` then says so."""
    _over.clear()
    watch = RayWatch()

    def look() -> bool:
        if lost := watch.lost():
            threading.Thread(target=_end_by_force, args=(lost,), name="end-by-force", daemon=True).start()
            os.kill(os.getpid(), signal.SIGTERM)
        return bool(lost)

    with repeated(look, _EVERY_S, "ray-watch"):
        yield watch


@contextmanager
def repeated(look: Callable[[], object], every_s: float, name: str) -> Iterator[None]:
    """Call ``look`` in a thread every so many seconds while the block runs, until it returns something true."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(every_s) and not look():
            pass

    thread = threading.Thread(target=loop, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


_over = threading.Event()


def disconnected() -> None:
    """Take note that Ray has been left in order, so that nothing need be ended by force."""
    _over.set()


def line_of(lost: str) -> str:
    """Return what the user is told of a server that is gone."""
    return (
        f"{lost} ended during the run: it was killed, or memory ran out; nothing is lost, and the same command resumes"
    )


def _end_by_force(lost: str) -> None:
    if not _over.wait(_FORCED_AFTER_S):
        os.write(2, f"error: {line_of(lost)}\n".encode())
        os._exit(_ENDED)


def _doors_of_cluster() -> list[_Door]:
    import ray

    here = ray.get_runtime_context()
    host, _, port = here.gcs_address.rpartition(":")
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    own = next(node for node in nodes if node["NodeID"] == here.get_node_id())
    return [
        _Door(f"the head of the cluster at {here.gcs_address}", host.strip("[]"), int(port)),
        _Door("this machine's node of the cluster (its raylet)", own["NodeManagerAddress"], own["NodeManagerPort"]),
    ]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
