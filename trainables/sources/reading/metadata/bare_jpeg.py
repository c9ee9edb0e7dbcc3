"""Strips JPEG files of application segments and comments: EXIF, XMP, profiles, IPTC, previews."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from trainables.sources.reading.metadata.tiff_directory import exif_orientation, xmp_orientation

_XMP = b"http://ns.adobe.com/xap/1.0/\0"


def bare_jpeg(data: bytes) -> tuple[bytes, int | None]:
    """Return the file with only what the picture needs, and its orientation."""
    kept, exif, xmp = [data[:2]], b"", b""
    place = 2
    for marker, begin, end in _segments(data):
        body = data[begin:end]
        place = end
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            exif += body[6:]
        elif marker == 0xE1 and body.startswith(_XMP):
            xmp = body
        if _is_aside(marker):
            body = _colour_hint(marker, body)
            if not body:
                continue
        kept.append(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body)
    return b"".join(kept) + data[place:], exif_orientation(exif) or xmp_orientation(xmp)


def _is_aside(marker: int) -> bool:
    """Return whether this is an application segment or a comment."""
    return 0xE0 <= marker <= 0xEF or marker == 0xFE


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker, and the start and end of the body, of each segment before the first scan.

    After an application segment with a wrong length, it continues where the picture begins.
    """
    place = 2
    while segment := _segment(data, place):
        marker, begin, end = segment
        if _is_aside(marker) and data[end : end + 1] != b"\xff":
            picture = _picture(data, begin)
            if picture is None:
                return
            yield 0xFE, picture, picture
            place = picture
        else:
            yield marker, begin, end
            place = end


def _segment(data: bytes, place: int) -> tuple[int, int, int] | None:
    """Return the segment at an offset, None at the first scan or if there is no segment."""
    while data[place : place + 2] == b"\xff\xff":  # fill bytes
        place += 1
    if place + 4 > len(data) or data[place] != 0xFF:
        return None
    marker, length = struct.unpack_from(">xBH", data, place)
    end = min(place + 2 + length, len(data)) if _is_aside(marker) else place + 2 + length
    if marker < 0xC0 or 0xD0 <= marker <= 0xDA or length < 2 or end > len(data):
        return None
    return marker, place + 4, end


def _picture(data: bytes, start: int) -> int | None:
    """Return the offset after ``start`` where the largest picture's segments begin; EXIF previews are smaller."""
    best, largest = None, 0
    seen: set[int] = set()  # a chain that joins an earlier one ends where that does
    for found in re.finditer(rb"\xff[\xc0-\xc2\xc4\xdb\xdd\xe0-\xef\xfe]", data[start:]):
        place, pixels = start + found.start(), 0
        while place not in seen and (segment := _segment(data, place)):
            seen.add(place)
            marker, begin, place = segment
            if 0xC0 <= marker <= 0xC2 and begin + 5 <= len(data):
                height, width = struct.unpack_from(">HH", data, begin + 1)
                pixels = height * width
        if pixels > largest and data[place : place + 2] == b"\xff\xda":
            best, largest = start + found.start(), pixels
    return best


def _colour_hint(marker: int, body: bytes) -> bytes:
    """Return the part of an application segment that determines the colour model, the rest set to fixed values."""
    if marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 14:
        return b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
    if marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
        return body[:12]
    return b""
