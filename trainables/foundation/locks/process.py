"""Names a process so that another one on the same machine can tell that it is gone; on Linux alone."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> str:
    """Return the boot, the namespace of process ids, the id and the start of this process; "" where unknown.

    The namespace is part of it because containers on one machine share its boot, not its process ids.
    """
    start = _start_of(os.getpid())
    return f"{_machine()} {os.getpid()} {start}" if start is not None and _machine() else ""


def is_gone(process: str) -> bool:
    """Return whether a process is known to be gone; one of another machine or container never is.

    Args:
        process: as ``this_process`` returned it there.
    """
    place, _, start = process.rpartition(" ")
    machine, _, pid = place.rpartition(" ")
    if not (machine and pid.isdecimal()) or machine != _machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # of another user, whose processes /proc may hide
        return False
    found = _start_of(int(pid))
    return found is not None and found != start


def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _start_of(pid: int) -> str | None:
    """Return when a process started, in ticks since the boot (proc(5), field 22 of ``stat``); "" for a zombie."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return "" if fields[0] in "ZX" else fields[19]
