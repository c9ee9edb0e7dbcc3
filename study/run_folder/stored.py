"""Drives the run of a study that is in a store."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from study.errors import UserError, system_error_line
from study.layout import RunFolder, dataset_cache
from study.run_folder.driver import LEASE
from study.store.working_copy import copy_of, open_copy
from trainables.foundation.files import write_text_atomically
from trainables.foundation.locks.lease import Lease, LeaseHeldError, LeaseRecord, held
from trainables.foundation.locks.lock import LockHeldError, locked
from trainables.foundation.objects.requests import StoreError

_LOG = logging.getLogger(__name__)


@contextmanager
def driven(folder: RunFolder, lease_s: float = 30.0) -> Iterator[RunFolder]:
    """Drive the run of a study: in a folder as it is, in a store with the lease and a copy of the driver's own.

    Everything that was committed is in the store when the block is left, however it is left.

    Args:
        folder: of the run, or a copy of it for reading.
        lease_s: after so long without a word from its driver, another may take the study.

    Raises:
        UserError: another process runs the study, has taken it meanwhile, or the store does not answer.
    """
    if not folder.url:
        yield folder
        return
    lost = threading.Event()

    def stop() -> None:
        lost.set()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    copy = open_copy(folder.url, "driver", dataset_cache())
    lease = Lease(copy.store, LEASE, f"process {os.getpid()} on {socket.gethostname()}", lease_s)
    try:
        with _alone_here(copy.path, lease) as killed:
            _say_if_it_takes_time(folder, lease, killed)
            with held(lease, stop, lambda record: record.token == killed):
                copy.fetch()
                try:
                    yield replace(folder, path=copy.path)
                finally:
                    if not lost.is_set():
                        copy.put_rest()
    except LeaseHeldError as error:
        raise UserError(_already_run(folder, error.record)) from error
    except StoreError as error:
        raise UserError(system_error_line(error)) from error
    except KeyboardInterrupt as error:
        if lost.is_set():
            raise UserError(
                f"{folder.url}: another process has taken over this study, or its store has not answered for"
                f" {lease_s:g} s; this one ends"
            ) from error
        raise


def publish(folder: RunFolder) -> None:
    """Put the driver's files that have changed to the store, if the study is in one."""
    if folder.url and (copy := copy_of(folder.path)):
        copy.put_rest()


@contextmanager
def _alone_here(place: Path, lease: Lease) -> Iterator[str]:
    """Hold the lock of this machine's driver; yield the token of the lease of the last one, who is no more.

    The lock ends with its process, so after ``kill -9`` nobody need wait until the lease is over. Cache folders may be
    shared with machines that do not see the lock, so the last driver's host must be this one.

    Raises:
        LeaseHeldError: a driver is at work here.
    """
    note, host = place / ".driver", socket.gethostname()
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(place / "driver.lock", 0))
        except LockHeldError:
            _, record = lease.current()
            raise LeaseHeldError(record or LeaseRecord(f"another process on {host}", "", lease.seconds, 0)) from None
        killed = _token_of_last(note, host)
        write_text_atomically(note, json.dumps([host, lease.token]))
        yield killed


def _token_of_last(note: Path, host: str) -> str:
    try:
        last, token = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, TypeError):  # none yet, or damaged: then its lease is watched
        return ""
    return str(token) if last == host else ""


def _say_if_it_takes_time(folder: RunFolder, lease: Lease, killed: str) -> None:
    _, record = lease.current()
    if record is not None and not record.released and record.token != killed:
        _LOG.warning(
            "%s: %s drives this study, or was killed; waiting %g s for a sign of life",
            folder.url,
            record.holder,
            record.seconds,
        )


def _already_run(folder: RunFolder, record: LeaseRecord) -> str:
    return f"{folder.url}: this study is already being run by {record.holder}"
