"""The lock of a run folder: one driver at a time."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from study.errors import UserError
from study.layout import RunFolder
from trainables.foundation.files import naming
from trainables.foundation.locks.lock import LEASE_S, Guard, Held, LockHeldError, lease_of, locked

_LOG = logging.getLogger(__name__)
_GLANCE_S = 0.5
"""How long ``study.run_folder.driver.driver_of`` may be in the way of a driver that wants the lock, many times over."""


@contextmanager
def run_lock(folder: RunFolder, lease_s: float = LEASE_S) -> Iterator[Held]:
    """Hold the run folder while the block runs, so that two drivers never feed the same trials.

    Args:
        folder: of the run.
        lease_s: where the storage has no locks, another may take the run after so long without a word from its driver.

    Raises:
        UserError: another process holds it, and its host and pid are named, or has taken it meanwhile.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    guard = Guard(folder.path, (folder.rounds,), lambda: signal.pthread_kill(_main_thread(), signal.SIGINT))
    with ExitStack() as stack:
        _say_if_it_takes_time(folder)
        try:
            held = stack.enter_context(locked(folder.lock, _GLANCE_S, guard, lease_s))
        except LockHeldError:
            raise UserError(f"{folder.shown}: this study is already being run by {_holder(folder.lock)}") from None
        try:
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
            with naming(folder.lock):
                folder.lock.write_text(json.dumps(holder), encoding="utf-8")
            yield held
        except BaseException as error:
            if held.lost:
                raise _taken_over(folder, lease_s) from error
            raise
        if held.lost:
            raise _taken_over(folder, lease_s)
        folder.lock.write_text("", encoding="utf-8")  # a goodbye, for those who cannot see the lock from where they are


def _main_thread() -> int:
    return threading.main_thread().ident or 0


def _taken_over(folder: RunFolder, lease_s: float) -> UserError:
    return UserError(
        f"{folder.shown}: another process has taken over this study, or its storage has not answered for {lease_s:g} s;"
        " this one ends"
    )


def _say_if_it_takes_time(folder: RunFolder) -> None:
    record = lease_of(folder.lock)
    if record is not None:
        _LOG.warning(
            "%s: %s drives this study, or was killed; waiting %g s for a sign of life",
            folder.path,
            record.holder,
            record.seconds,
        )


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # not written yet, or damaged
        return "another process"
