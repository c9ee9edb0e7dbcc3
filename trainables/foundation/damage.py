"""Damaged files: what parsing them raises, checksums, and where they are kept."""

from __future__ import annotations

import io
import logging
import lzma
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

_log = logging.getLogger(__name__)

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    pickle.UnpicklingError,
    OSError,  # a seek outside the bytes; the disk itself is read before
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    MemoryError,  # a length that was damaged
    EOFError,
    SyntaxError,  # numpy parses the header of an array
)
"""What parsing bytes raises that are not what was written."""


def set_aside(path: Path, what: str, damage: BaseException) -> None:
    """Rename a damaged file to ``<name>.unreadable`` and log a warning: what was in it is computed again."""
    aside = path.with_name(f"{path.name}.unreadable")
    path.replace(aside)
    _log.warning("%s %s cannot be read (%s); kept as %s, the trial starts over", what, path, damage, aside.name)


def compare_checksums(content: bytes) -> None:
    """Compare what ``torch.save`` wrote with its checksums; ``torch.load`` looks at none.

    Raises:
        ValueError: a checksum does not match.
        zipfile.BadZipFile: and others of ``DAMAGE``, where it is no whole archive.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(f"checksum of {broken} does not match")
