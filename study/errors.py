"""Errors a user can act on, and the errors of the system behind them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FREE_SPACE = "free some space there; nothing is lost, and the same command goes on"
_WRITABLE = "let it be read and written, or name another place"
_WAYS_OUT = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EROFS: _WRITABLE,
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
    errno.EMFILE: "allow more open files (ulimit -n); nothing is lost, and the same command goes on",
    errno.ENFILE: "too many files are open on this machine; nothing is lost, and the same command goes on",
    errno.ENOMEM: "free some memory; nothing is lost, and the same command goes on",
    errno.EAGAIN: "allow more processes (ulimit -u); nothing is lost, and the same command goes on",
    errno.EIO: "look after the disk or the network it hangs on; the same command goes on",
    errno.ESTALE: "look after the network's storage; the same command goes on",
}
"""What the user can do about an error of the system."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
"""Errors of storage that takes nothing more; whoever tries again gets the same one."""


class UserError(Exception):
    """Something the user can put right. The message names the file, the key, the value and the rule."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors of the system say where they arose: ``write`` and ``fsync`` do not know their file."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror or os.strerror(error.errno), str(path)) from error


def system_error_line(error: OSError) -> str:
    """Return an error of the system on one line: where, what, and what can be done about it."""
    way_out = _WAYS_OUT.get(error.errno or 0)
    what = error.strerror or str(error) or type(error).__name__
    parts = [os.fsdecode(error.filename)] if isinstance(error.filename, str | bytes | os.PathLike) else []
    return ": ".join([*parts, " ".join(what.split())]) + (f"; {way_out}" if way_out else "")


def system_error_behind(error: BaseException) -> OSError | None:
    """Return the error of the system that an error of a library came of, if one did."""
    return next((cause for cause in causes(error) if isinstance(cause, OSError)), None)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what it came of, what that came of, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
