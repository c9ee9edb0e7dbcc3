"""What lies in a file, in a few digits."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path


def file_hash(path: Path) -> str:
    """Return the BLAKE2b hash of a file's bytes, computed once a process while size and time of change stay."""
    status = path.stat()
    return _hash_once(path.resolve(), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _hash_once(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
