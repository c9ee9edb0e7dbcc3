"""Opens the file system of a URL, and repeats requests that fail for the moment."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from trainables.foundation.pulse import beat

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
"""Protocol -> package. Those whose ``mode="create"`` is one conditional request, not a look and then a write."""

_EXTRA_OF = {"s3fs": "s3", "gcsfs": "gcs"}

NO_ACCESS = errno.EKEYREJECTED
NO_BUCKET = errno.ENXIO

_WITHOUT_LOGIN = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
        "DefaultCredentialsError",
        "RefreshError",
    }
)
"""What botocore and google-auth raise before they ask, by name: neither package need be there."""

_REFUSED = (401, 403)

_OF_THIS_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
_TRIES = 6
_FIRST_PAUSE_S = 0.2
_REPEATED_BY_PACKAGE = ("gs://", "gcs://")
"""gcsfs itself repeats a request for half a minute, and cannot be told not to."""

T = TypeVar("T")


class StoreError(OSError):
    """A store does not answer, or does not do what is asked of it.

    Its ``errno`` is ``NO_ACCESS``, ``NO_BUCKET`` or, for all else, ``EIO``.
    """

    def __init__(self, place: str, reason: str, code: int = errno.EIO) -> None:
        super().__init__(code, reason, place)


def open_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path that the URL has in it.

    Raises:
        ValueError: the protocol is unknown, or its package is missing.
    """
    protocol, _, rest = url.partition("://")
    package = PACKAGES.get(protocol)
    if package is None:
        raise ValueError(
            f"{url}: no store of this kind is known; known: {', '.join(f'{name}://' for name in PACKAGES)}"
        )
    try:
        import fsspec

        system = fsspec.filesystem(protocol, use_listings_cache=False)
        if package == "gcsfs":
            logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # what it logs with tracebacks it also raises
    except ImportError as error:
        raise ValueError(
            f"{url}: needs the package {package}: pip install 'modulation-study[{_EXTRA_OF[package]}]'"
        ) from error
    return system, rest


def tried(place: str, request: Callable[[], T]) -> T:
    """Return what a request gives; one that fails for the moment is repeated for some seconds.

    Args:
        place: what is asked, for messages.
        request: may be called several times.

    Raises:
        StoreError: access is denied, there is no such bucket, or the store does not answer.
        FileNotFoundError: as the request raises it; likewise ``FileExistsError`` and errors of this machine's disk.
    """
    pause = _FIRST_PAUSE_S
    tries = 1 if place.startswith(_REPEATED_BY_PACKAGE) else _TRIES
    for attempt in range(1, tries + 1):
        try:
            return request()
        except FileNotFoundError as error:
            if _lacks_bucket(error):
                raise StoreError(place, "the bucket does not exist", NO_BUCKET) from error
            raise
        except (FileExistsError, TypeError, NotImplementedError):  # an answer, or a bug of ours
            raise
        except Exception as error:  # beside OSError, the packages of stores raise kinds of their own
            if isinstance(error, OSError) and error.errno in _OF_THIS_DISK:
                raise
            if _is_denied(error):
                raise StoreError(place, f"access is denied: {_first_line(error)}", NO_ACCESS) from error
            if attempt == tries:
                raise StoreError(place, f"the store does not answer: {_first_line(error)}") from error
            time.sleep(pause)
            beat()
            pause *= 2
    raise AssertionError("the last try returns or raises")


def _lacks_bucket(error: FileNotFoundError) -> bool:
    return bool(getattr(error.__cause__, "response", {}).get("Error", {}).get("Code") == "NoSuchBucket")


def _is_denied(error: Exception) -> bool:
    return (
        isinstance(error, PermissionError)
        or type(error).__name__ in _WITHOUT_LOGIN
        or getattr(error, "code", None) in _REFUSED
        or str(error).startswith("Forbidden: ")  # as gcsfs words it
    )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
