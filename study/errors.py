"""Errors that a user can fix, and the system errors behind them."""

from __future__ import annotations

import errno
import os

from trainables.failures import causes
from trainables.foundation.objects.requests import NO_ACCESS, NO_BUCKET

_FREE_SPACE = "free some space there; nothing is lost, and the same command resumes"
_WRITABLE = "make it readable and writable, or choose another location"
_WAYS_OUT = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EROFS: _WRITABLE,
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
    errno.EMFILE: "allow more open files (ulimit -n); nothing is lost, and the same command resumes",
    errno.ENFILE: "too many files are open on this machine; nothing is lost, and the same command resumes",
    errno.ENOMEM: "free some memory; nothing is lost, and the same command resumes",
    errno.EAGAIN: "allow more processes (ulimit -u); nothing is lost, and the same command resumes",
    errno.EIO: "check the disk or its network connection; the same command resumes",
    NO_ACCESS: "check the login (for S3 the AWS_ variables, on every node) and its rights; the same command resumes",
    NO_BUCKET: "create it, or correct the address",
    errno.ESTALE: "check the network storage; the same command resumes",
}
"""What the user can do about a system error."""


class UserError(Exception):
    """An error that the user can fix. The message names the file, the key, the value and the rule.

    Example:
        >>> from study import Study, UserError
        >>> try:
        ...     Study("no-such-study.yaml")
        ... except UserError as error:
        ...     print(error)
        no-such-study.yaml: no such study file; known: csn, default, modern, released, smoke
    """


def system_error_line(error: OSError) -> str:
    """Return a system error on one line: where, what, and how to fix it."""
    way_out = _WAYS_OUT.get(error.errno or 0)
    what = error.strerror or str(error) or type(error).__name__
    parts = [os.fsdecode(error.filename)] if isinstance(error.filename, str | bytes | os.PathLike) else []
    return ": ".join([*parts, " ".join(what.split())]) + (f"; {way_out}" if way_out else "")


def system_error_behind(error: BaseException) -> OSError | None:
    """Return the system error that caused a library's error, if any."""
    return next((cause for cause in causes(error) if isinstance(cause, OSError)), None)
