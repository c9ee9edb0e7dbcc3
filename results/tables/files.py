"""Replacing files whole: readers see the old file or the new one, never a half."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write to; on success it is forced to the disk and takes its name.

    When the body fails, the temporary file is removed and ``path`` stays as it was. The suffix is kept, since writers
    choose their format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def digest_of(file: BufferedReader) -> str:
    """Return a digest of the content of an open file."""
    return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
