"""Waits for the end of the process that started a daemon, then ends the daemon and removes its folder.

Started as ``python -m study.packing.mps.watchdog FOLDER PID STARTED``. Goes on as nobody's child, so that whatever ends
the starting process and its children does not end it too.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

from study.packing.mps.control import MpsPlace, process_started
from study.packing.mps.service import clear

_EVERY_S = 2.0


def main() -> None:
    """Watch the process named on the command line."""
    folder, pid, started = sys.argv[1:]
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    if os.fork():
        os._exit(0)
    while not _has_ended(int(pid), int(started)):
        pass
    clear(MpsPlace(Path(folder)))


def _has_ended(pid: int, started: int) -> bool:
    """Return whether the process has let go of our input, or is gone though somebody else still holds that open."""
    readable, _, _ = select.select([sys.stdin], [], [], _EVERY_S)
    return bool(readable and not os.read(0, 1)) or process_started(pid) != started


if __name__ == "__main__":
    main()
