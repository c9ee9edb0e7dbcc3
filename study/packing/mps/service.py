"""The Multi-Process Service of one run on one node, from its start to its end."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from study.packing.mps.control import (
    MpsPlace,
    MpsUnavailableError,
    daemon_already_here,
    end_daemon,
    process_started,
    start_daemon,
)

_LOG = logging.getLogger(__name__)

_EARLIER_RUN_S = 20.0
"""Time in which the process of an earlier run of the same folder has gone."""

_END_S = 40.0
_UNFINISHED_S = 60.0
"""Age up to which a place without a note of its owner may be one that is just being made."""


@dataclass(frozen=True)
class Owner:
    """A process for which a daemon runs; its start tells it from a later one of the same id."""

    host: str
    pid: int
    started: int

    @classmethod
    def this_process(cls) -> Owner:
        """Return this process."""
        return cls(socket.gethostname(), os.getpid(), process_started(os.getpid()) or 0)

    @property
    def is_alive(self) -> bool:
        """Whether it still runs, as far as this machine can tell."""
        return self.host != socket.gethostname() or process_started(self.pid) == self.started


class MpsService:
    """The service at a place, from ``start`` to ``end`` or to the end of this process, however it comes."""

    def __init__(self, place: MpsPlace) -> None:
        self._place = place
        self._lifeline: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon; one that runs already, of this user or of root, is used instead and left alone.

        Ends the daemons of this user's runs that are dead first.

        Raises:
            MpsUnavailableError: says why it cannot be used.
        """
        place = self._place
        _own_folder(place.folder.parent)
        _end_leftovers(place.folder.parent)
        _wait_for_earlier_run(place)
        here = daemon_already_here()
        place.folder.mkdir(mode=0o700)
        place.owner.write_text(json.dumps(asdict(Owner.this_process())), encoding="utf-8")
        place.logs.mkdir()
        self._lifeline = _watched(place)  # first, so that at no moment a daemon has nobody who would end it
        if here is not None:
            place.pipes.symlink_to(here.absolute())
            return
        place.pipes.mkdir()
        try:
            start_daemon(place)
        except MpsUnavailableError:
            self.end()
            raise

    def end(self) -> None:
        """End the daemon, if this run started it, and remove its folder."""
        if self._lifeline is None:
            return
        assert self._lifeline.stdin is not None  # noqa: S101 - it is a pipe
        self._lifeline.stdin.close()  # the watchdog does the rest, as it does when this process is killed
        self._lifeline = None
        deadline = time.monotonic() + _END_S
        while self._place.folder.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        if self._place.folder.exists():  # the watchdog was killed
            clear(self._place)


def clear(place: MpsPlace) -> None:
    """End the daemon of a place and remove the place."""
    end_daemon(place)
    shutil.rmtree(place.folder, ignore_errors=True)


def _watched(place: MpsPlace) -> subprocess.Popen[bytes]:
    """Start the watchdog, which lives in a session of its own and has no parent, so nothing ends it with this process.

    Its standard input ends with this process.
    """
    owner = Owner.this_process()
    watchdog = subprocess.Popen(  # noqa: S603 - this interpreter and our own module
        [sys.executable, "-m", "study.packing.mps.watchdog", str(place.folder), str(owner.pid), str(owner.started)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    watchdog.wait()  # it goes on in a process that is nobody's child
    return watchdog


def _own_folder(root: Path) -> None:
    """Make the folder of this user's places.

    Raises:
        MpsUnavailableError: somebody else has made it.
    """
    root.mkdir(mode=0o700, exist_ok=True)
    found = root.lstat()
    if root.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise MpsUnavailableError(f"{root} is not this user's own folder")


def _end_leftovers(root: Path) -> None:
    """End the daemons whose runs have died together with their watchdogs."""
    for folder in root.iterdir():
        place = MpsPlace(folder)
        if not _in_use(place):
            clear(place)
            _LOG.warning("%s: ended what a run that has died left of the Multi-Process Service", folder)


def _in_use(place: MpsPlace) -> bool:
    try:
        return Owner(**json.loads(place.owner.read_text(encoding="utf-8"))).is_alive
    except (OSError, ValueError, TypeError):  # no note, or a damaged one
        return place.folder.exists() and time.time() - place.folder.stat().st_mtime < _UNFINISHED_S


def _wait_for_earlier_run(place: MpsPlace) -> None:
    deadline = time.monotonic() + _EARLIER_RUN_S
    while place.folder.exists():
        if not _in_use(place):
            clear(place)
        elif time.monotonic() > deadline:
            raise MpsUnavailableError(f"{place.folder} is in use by another process of the same run")
        else:
            time.sleep(0.2)
