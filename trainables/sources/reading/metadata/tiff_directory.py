"""Reads TIFF directories, which EXIF uses as well: their tags, and the orientation of the picture.

Nothing here raises: a truncated or damaged directory yields the entries that can be read.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

ORIENTATION = 0x0112
_XMP = 700
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_WHOLE = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
"""TIFF's integer types as ``struct`` format characters."""

_PIXEL_TAGS = frozenset(
    [
        *range(256, 260),  # width, height, bits per sample, compression
        262,  # photometric interpretation
        266,  # fill order
        *(273, 277, 278, 279),  # strips
        284,  # planes
        *(292, 293),  # fax
        *(317, 320),  # predictor, palette
        *range(322, 326),  # tiles
        *(332, 334, 338, 339),  # inks, alpha, sample format
        *(347, *range(512, 522)),  # JPEG inside TIFF
        *range(529, 533),  # YCbCr
        *(48129, 50674),  # Windows Media Photo (refused), LERC
    ]
)
"""The tags that determine the pixels."""


@dataclass(frozen=True)
class _Form:
    """Byte order and field sizes of a directory: classic TIFF or BigTIFF."""

    order: str
    big: bool

    @property
    def entry_size(self) -> int:
        return 20 if self.big else 12

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        return self.order + ("HHQ8s" if self.big else "HHI4s")

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")


@dataclass(frozen=True)
class _Entry:
    tag: int
    kind: int
    count: int
    value: bytes
    raw: bytes


def exif_orientation(exif: bytes) -> int | None:
    """Return the orientation in EXIF (1 to 8), None if there is none or it is damaged."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    found = _find(exif)
    return None if found is None else _orientation(found[0], list(_entries(exif, *found)))


def xmp_orientation(xmp: bytes) -> int | None:
    """Return the orientation in XMP, None if there is none."""
    found = _XMP_ORIENTATION.search(xmp)
    return int(found[1]) if found else None


def bare_tiff(data: bytes) -> tuple[bytes, int | None]:
    """Return a TIFF file whose first directory contains only what the pixels need, and its orientation."""
    found = _find(data)
    if found is None:
        return data, None
    form, start = found
    entries = list(_entries(data, form, start))
    xmp = next((_bytes_of(data, form, entry) for entry in entries if entry.tag == _XMP), b"")
    kept = [entry.raw for entry in entries if entry.tag in _PIXEL_TAGS]
    directory = struct.pack(form.count, len(kept)) + b"".join(kept) + struct.pack(form.offset, 0)
    bare = data[:start] + directory + data[start + len(directory) :]
    return bare, _orientation(form, entries) or xmp_orientation(xmp)


def _find(data: bytes) -> tuple[_Form, int] | None:
    """Return the form and the offset of the first directory."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    version = struct.unpack_from(order + "H", data, 2)[0]
    if version not in (42, 43):
        return None
    form = _Form(order, version == 43)
    start = int(struct.unpack_from(form.offset, data, 8 if form.big else 4)[0])
    return (form, start) if 0 < start <= len(data) - struct.calcsize(form.count) else None


def _entries(data: bytes, form: _Form, start: int) -> Iterator[_Entry]:
    (count,) = struct.unpack_from(form.count, data, start)
    first = start + struct.calcsize(form.count)
    for place in range(first, min(first + count * form.entry_size, len(data) - form.entry_size + 1), form.entry_size):
        raw = data[place : place + form.entry_size]
        tag, kind, amount, value = struct.unpack(form.entry, raw)
        yield _Entry(tag, kind, amount, value, raw)


def _orientation(form: _Form, entries: list[_Entry]) -> int | None:
    found = None
    for entry in entries:
        if entry.tag == ORIENTATION and entry.count == 1 and entry.kind in _WHOLE:
            (found,) = struct.unpack_from(form.order + _WHOLE[entry.kind], entry.value)
    return found


def _bytes_of(data: bytes, form: _Form, entry: _Entry) -> bytes:
    if entry.count <= len(entry.value):
        return entry.value[: entry.count]
    (place,) = struct.unpack(form.offset, entry.value)
    return data[place : place + entry.count]
