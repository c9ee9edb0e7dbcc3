"""Strips image files of metadata: EXIF, XMP, IPTC, profiles, comments, resolutions, previews.

Damaged metadata makes image readers fail, so they do not get to see any; only the orientation is kept. Stripping leaves
the pixels unchanged.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trainables.sources.reading.file_kinds import image_format
from trainables.sources.reading.metadata.bare_jpeg import bare_jpeg
from trainables.sources.reading.metadata.bare_png import bare_png
from trainables.sources.reading.metadata.tiff_directory import bare_tiff, exif_orientation, xmp_orientation

_WEBP_PICTURE = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")


@dataclass(frozen=True)
class BareImage:
    """A file stripped to its pixels, and the orientation found in its metadata: 1 to 8 as in EXIF, None if none."""

    data: bytes
    orientation: int | None


def bare_image(data: bytes) -> BareImage:
    """Return an image file without its metadata; other formats and damaged containers are returned unchanged."""
    bare = _BARE.get(image_format(data) or "")
    return BareImage(*bare(data)) if bare is not None else BareImage(data, None)


def _bare_webp(data: bytes) -> tuple[bytes, int | None]:
    """Remove the EXIF, XMP and profile chunks, and their flags in the header."""
    kept, exif, xmp = [], b"", b""
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        end = min(place + 8 + length + length % 2, len(data))
        if kind == b"EXIF":
            exif = data[place + 8 : place + 8 + length]
        elif kind == b"XMP ":
            xmp = data[place + 8 : place + 8 + length]
        elif kind == b"VP8X" and place + 9 <= end:
            kept.append(data[place : place + 8] + bytes([data[place + 8] & ~0x2C]) + data[place + 9 : end])
        elif kind in _WEBP_PICTURE:
            kept.append(data[place:end])
        place = end
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body, exif_orientation(exif) or xmp_orientation(xmp)


def _bare_jpeg_2000(data: bytes) -> tuple[bytes, int | None]:
    """Mark the resolution box inside the header box as free space."""
    bare = bytearray(data)
    for kind, begin, end in _boxes(data, 0, len(data)):
        if kind == b"jp2h":
            for inner, start, _ in _boxes(data, begin, end):
                if inner == b"res ":
                    bare[start - 4 : start] = b"free"
    return bytes(bare), None


def _bare_avif(data: bytes) -> tuple[bytes, int | None]:
    """Mark the EXIF item as free space; AVIF stores the orientation in its own boxes, which the reader applies."""
    bare = bytearray(data)
    for kind, begin, end in _boxes(data, 0, len(data)):
        if kind != b"meta":
            continue
        for listing, start, stop in _boxes(data, begin + 4, end):
            if listing != b"iinf":
                continue
            for item, place, _ in _boxes(data, start + (6 if data[start : start + 1] == b"\0" else 8), stop):
                kind_at = place + (10 if data[place : place + 1] == b"\x03" else 8)
                if item == b"infe" and bare[kind_at : kind_at + 4] == b"Exif":
                    bare[kind_at : kind_at + 4] = b"free"
    return bytes(bare), None


def _boxes(data: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind, start and end of each box's body (ISO base media format)."""
    while place + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, place)
        begin = place + 8
        if length == 1 and begin + 8 <= end:
            (length,) = struct.unpack_from(">Q", data, begin)
            begin += 8
        stop = end if length == 0 else place + length
        if not begin <= stop <= end:
            return
        yield kind, begin, stop
        place = stop


_BARE: dict[str, Callable[[bytes], tuple[bytes, int | None]]] = {
    "JPEG": bare_jpeg,
    "PNG": bare_png,
    "WEBP": _bare_webp,
    "TIFF": bare_tiff,
    "JPEG2000": _bare_jpeg_2000,
    "AVIF": _bare_avif,
}
