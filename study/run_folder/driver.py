"""Whether a process drives a run, judged by the lock of the run folder, or by a lease where there are no locks."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from typing import Literal

from study.errors import UserError, system_error_line
from study.layout import RunFolder
from study.store.working_copy import copy_of
from trainables.foundation.locks.lease import Lease, LeaseRecord
from trainables.foundation.locks.lock import NO_FLOCK, lease_of, rests_on_lease
from trainables.foundation.objects.requests import StoreError

LEASE = "lease"
"""The key of the lease that the driver of a study in a store holds."""

_SKEWED = 2  # clocks of two machines differ

Driver = Literal["alive", "gone", "unknown"]


def driver_of(folder: RunFolder) -> Driver:
    """Return whether a process drives the run.

    ``unknown``: no process here holds the lock, but the last driver ran on another machine and ended abruptly, and not
    every shared file system shows one machine the locks of another; or a driver with a lease has said nothing for long.

    Raises:
        UserError: the study is in a store that does not answer.
    """
    if folder.url:
        return _holder_of_lease(folder)
    if rests_on_lease(folder.lock):
        return _holder(lease_of(folder.lock))
    try:
        descriptor = os.open(folder.lock, os.O_RDONLY)
    except FileNotFoundError:
        return "gone"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once; ``run_lock`` waits that long
        holder = os.read(descriptor, 4096)
    except BlockingIOError:
        return "alive"
    except OSError as error:
        if error.errno in NO_FLOCK:
            return _holder(lease_of(folder.lock))
        raise
    finally:
        os.close(descriptor)
    return "gone" if _host_of(holder) in (None, socket.gethostname()) else "unknown"


def _holder_of_lease(folder: RunFolder) -> Driver:
    copy = copy_of(folder.path)
    try:
        _, record = Lease(copy.store, LEASE, "a reader").current() if copy else (0, None)
    except StoreError as error:
        raise UserError(system_error_line(error)) from error
    return _holder(record)


def _holder(record: LeaseRecord | None) -> Driver:
    if record is None or record.released:
        return "gone"
    return "alive" if time.time() - record.since < _SKEWED * record.seconds else "unknown"


def _host_of(holder: bytes) -> str | None:
    """Return the machine of a driver that ended abruptly; a clean exit empties the file."""
    try:
        return str(json.loads(holder)["host"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
