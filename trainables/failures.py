"""The ways a trial fails: each is an error of its own, raised or translated where it arises. No torch.

Everything else that ends a trial is an error of the code, ours or the user's, and is passed on as it is.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
"""Errors of storage that takes nothing more; another attempt meets the same one."""

_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|std::bad_alloc")
_NO_DEVICE_MEMORY = re.compile(r"CUDA\b.* out of memory|CU\w+_STATUS_\w*ALLOC\w*_FAILED")
"""What torch and the CUDA libraries write in a ``RuntimeError`` when an allocation fails."""


class TrialFailure(Exception):  # noqa: N818 - the name of the family; its members end in Error
    """A trial failed for a cause that has a name; ``kind`` is the name in journals and tables."""

    kind: ClassVar[Literal["diverged", "out_of_memory", "disk_full", "data"]]


class DivergedError(TrialFailure, RuntimeError):
    """The loss or an embedding is not finite: a result of the trial's settings, so repeating it is of no use."""

    kind = "diverged"


class OutOfMemoryError(TrialFailure, MemoryError):
    """The process or the device has no memory left."""

    kind = "out_of_memory"


class DeviceOutOfMemoryError(OutOfMemoryError):
    """The GPU, or the trial's share of it, has no memory left."""


class DiskFullError(TrialFailure, OSError):
    """The storage takes nothing more; carries ``errno``, ``strerror`` and ``filename`` of the system's error."""

    kind = "disk_full"


class DataError(TrialFailure, ValueError):
    """Images or labels cannot be read, or are not those the trial was planned on."""

    kind = "data"


@contextmanager
def typed_failures(*of_a_device: type[BaseException]) -> Iterator[None]:
    """Translate failed allocations and full storage, however libraries report them.

    Args:
        of_a_device: Errors that tell of a device without memory, such as torch's own.

    Raises:
        OutOfMemoryError: An allocation failed; ``DeviceOutOfMemoryError`` for one on a device.
        DiskFullError: The storage takes nothing more.
    """
    try:
        yield
    except TrialFailure:
        raise
    except Exception as error:
        found = shortage(error, *of_a_device)
        if found is None:
            raise
        raise found from error


@contextmanager
def reading_data() -> Iterator[None]:
    """Translate every error of a source of images, which may be the user's own, except for shortages.

    Raises:
        DataError: The data cannot be read; the cause is the source's own error.
        OutOfMemoryError: An allocation failed.
        DiskFullError: The storage takes nothing more.
    """
    try:
        yield
    except TrialFailure:
        raise
    except Exception as error:
        told = isinstance(error, ValueError | OSError) and str(error)
        raise (shortage(error) or DataError(told or f"{type(error).__name__}: {error}")) from error


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what it came of, what that came of, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def shortage(error: BaseException, *of_a_device: type[BaseException]) -> TrialFailure | None:
    """Return the failure if an error, or one of its causes, is a failed allocation or full storage; else None.

    Args:
        error: Any error.
        of_a_device: Errors that tell of a device without memory, such as torch's own.
    """
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in FULL:
            return DiskFullError(cause.errno, cause.strerror, cause.filename)
        message = str(cause) or type(cause).__name__
        told = message if isinstance(cause, RuntimeError) else ""
        if _NO_DEVICE_MEMORY.search(told) or isinstance(cause, of_a_device):
            return DeviceOutOfMemoryError(message)
        if _NO_MEMORY.search(told) or isinstance(cause, MemoryError):
            return OutOfMemoryError(message)
    return None
