"""Damaged files: the errors that parsing them raises, checksums, and setting them aside."""

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
    OSError,  # a seek outside the bytes; the disk has already been read
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    MemoryError,  # a damaged length
    EOFError,
    SyntaxError,  # numpy parses the header of an array
)
"""The errors that parsing damaged bytes raises."""


def set_aside(path: Path, what: str, damage: BaseException) -> None:
    """Rename a damaged file to ``<name>.unreadable`` and log a warning; its content will be recomputed."""
    aside = path.with_name(f"{path.name}.unreadable")
    path.replace(aside)
    _log.warning("%s %s cannot be read (%s); kept as %s, the trial starts over", what, path, damage, aside.name)


def compare_checksums(content: bytes) -> None:
    """Verify the checksums of a ``torch.save`` file, which ``torch.load`` ignores.

    Raises:
        ValueError: a checksum does not match.
        zipfile.BadZipFile: or another error of ``DAMAGE``: the archive is not intact.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(f"checksum of {broken} does not match")
