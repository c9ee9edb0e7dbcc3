"""Locks that hold among all processes that see a file, whatever storage it is on.

On a local disk, and on network file systems whose ``flock`` is known to hold among nodes, a lock is ``flock``: it ends
with its process. On the others, and wherever ``flock`` is refused, it is a lease in a folder beside the lock's file: it
is renewed while the block runs, and a holder that says nothing for the whole time of its lease is succeeded. Such a
holder, stopped and woken, must not write on: see ``Guard``.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from trainables.foundation.files import gated, write_atomically
from trainables.foundation.locks.file_systems import mount_of
from trainables.foundation.locks.folder_store import FolderStore
from trainables.foundation.locks.lease import Hold, Lease, LeaseHeldError, LeaseRecord, held
from trainables.foundation.locks.process import is_gone, this_process

LEASE_S = 30.0
"""After so long without a word from its holder, another may take a lock that is a lease."""

NO_FLOCK = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})
"""What a file system answers that has no ``flock``."""


class LockHeldError(TimeoutError):
    """Another process, or thread, holds the lock."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.ETIMEDOUT, "another process holds this lock", str(path))


@dataclass(frozen=True)
class Guard:
    """What must not be written by one who has lost a lease; ``flock`` cannot be lost.

    Attributes:
        folder: nothing is written below it by ``files.write_atomically`` or a journal once the lease is lost.
        appended: files that the holder appends to. A successor gives them a new inode, so that what a stopped holder
            writes when it wakes goes into a file without a name.
        lost: is called once when the lease is lost, perhaps in another thread.
    """

    folder: Path
    appended: tuple[Path, ...] = ()
    lost: Callable[[], None] = lambda: None


class Held:
    """A lock that is held."""

    def __init__(self, hold: Hold | None = None) -> None:
        self._hold = hold

    @property
    def lost(self) -> bool:
        """Whether another has taken it."""
        return self._hold is not None and self._hold.lost

    def require(self) -> None:
        """Make sure that the lock is held.

        Raises:
            LeaseLostError: another has taken it.
        """
        if self._hold is not None:
            self._hold.require()


@contextmanager
def locked(path: Path, timeout: float = -1, guard: Guard | None = None, lease_s: float = LEASE_S) -> Iterator[Held]:
    """Hold the lock of a file while the block runs.

    Args:
        path: of the lock; its mere presence means nothing.
        timeout: seconds to wait for a holder that is alive; negative for as long as it takes. One who holds a lease and
            says nothing is watched for the whole time of the lease in any case.
        guard: what depends on it beside the block itself.
        lease_s: the time of a lease, if it is one.

    Raises:
        LockHeldError: another holds it.
        OSError: the file cannot be written.
    """
    with ExitStack() as stack:
        if rests_on_lease(path) or not _flocked(path, timeout, stack):
            yield Held(_leased(path, timeout, guard, lease_s, stack))
        else:
            yield Held()


def rests_on_lease(path: Path) -> bool:
    """Return whether the mount that a lock is on does not clearly give ``flock`` among nodes."""
    mount = mount_of(path)
    return mount is not None and not mount.flock_holds


def lease_of(path: Path) -> LeaseRecord | None:
    """Return the lease of a lock whose holder has neither given it back nor is known to be gone."""
    _, record = _lease(path, LEASE_S).current()
    return None if record is None or record.released or is_gone(record.process) else record


def lease_folder(path: Path) -> Path:
    """Return the folder of the records of a lock that is a lease."""
    return path.with_name(f".{path.name.lstrip('.')}.lease")


def remove_lock(path: Path) -> None:
    """Remove what a lock has left, in a folder that nobody else knows."""
    path.unlink(missing_ok=True)
    shutil.rmtree(lease_folder(path), ignore_errors=True)


def _flocked(path: Path, timeout: float, stack: ExitStack) -> bool:
    """Take the lock by ``flock``; return False where there is none."""
    lock = FileLock(path, timeout=timeout, fallback_to_soft=False)  # a soft lock outlives its process
    try:
        lock.acquire()
    except Timeout:
        raise LockHeldError(path) from None
    except OSError as error:
        if error.errno in NO_FLOCK:
            return False
        raise
    stack.callback(lock.release)
    return True


def _leased(path: Path, timeout: float, guard: Guard | None, lease_s: float, stack: ExitStack) -> Hold:
    lease, begun = _lease(path, lease_s), time.monotonic()
    lost = guard.lost if guard else lambda: None
    while True:
        try:
            hold = stack.enter_context(held(lease, lost, lambda record: is_gone(record.process)))
            break
        except LeaseHeldError:
            if 0 <= timeout <= time.monotonic() - begun:
                raise LockHeldError(path) from None
    if guard:
        stack.enter_context(gated(guard.folder, hold.require))
        if hold.succeeds_silent:
            for file in guard.appended:
                _give_new_inode(file)
    return hold


def _lease(path: Path, lease_s: float) -> Lease:
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    return Lease(FolderStore(path.parent), lease_folder(path).name, holder, lease_s, this_process())


def _give_new_inode(path: Path) -> None:
    if path.is_file():
        content = path.read_bytes()
        write_atomically(path, lambda file: file.write(content))
