"""Image files without what does not belong to the picture: EXIF, XMP, IPTC, profiles, comments, resolutions, previews.

Readers of images stumble over damage in these. What they need not read, they do not get; only the orientation is kept.
The pixels of what is returned are those of the original.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trainables.data.file_kinds import image_format
from trainables.data.tiff_directory import bare_tiff, exif_orientation, xmp_orientation

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_LARGEST_TEXT = 1_000_000
"""Bytes of compressed text that are unpacked in search of the orientation."""


@dataclass(frozen=True)
class BareImage:
    """The file with its pixels alone, and its orientation: 1 to 8 as in EXIF, None where none was found outside it."""

    data: bytes
    orientation: int | None


def bare_image(data: bytes) -> BareImage:
    """Return an image file without its metadata; one of another format, or with a broken frame, as it is."""
    bare = _BARE.get(image_format(data) or "")
    return BareImage(*bare(data)) if bare is not None else BareImage(data, None)


def _bare_jpeg(data: bytes) -> tuple[bytes, int | None]:
    kept, exif, xmp = [data[:2]], b"", b""
    place = 2
    for marker, begin, end in _jpeg_segments(data):
        body = data[begin:end]
        place = end
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            exif += body[6:]
        elif marker == 0xE1 and body.startswith(_JPEG_XMP):
            xmp = body
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            body = _colour_hint(marker, body)
            if not body:
                continue
        kept.append(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body)
    return b"".join(kept) + data[place:], exif_orientation(exif) or xmp_orientation(xmp)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker, begin and end of the body of every segment before the first scan."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # a byte to fill up
            place += 1
            continue
        (length,) = struct.unpack_from(">H", data, place + 2)
        if marker < 0xC0 or 0xD0 <= marker <= 0xDA or length < 2 or place + 2 + length > len(data):
            return
        yield marker, place + 4, place + 2 + length
        place += 2 + length


def _colour_hint(marker: int, body: bytes) -> bytes:
    """Return of an application's segment what tells the model of colours, with all else at a fixed value."""
    if marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 14:
        return b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
    if marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
        return body[:12]
    return b""


def _bare_png(data: bytes) -> tuple[bytes, int | None]:
    kept, exif, xmp = [_PNG_SIGNATURE], b"", b""
    place = len(_PNG_SIGNATURE)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, body, end = data[place + 4 : place + 8], data[place + 8 : place + 8 + length], place + 12 + length
        if end > len(data):
            break
        if kind == b"eXIf":
            exif = body
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, text = body.partition(b"\0")
            if keyword == b"XML:com.adobe.xmp":
                xmp = _international_text(text)
            elif keyword == b"Raw profile type exif":
                exif = exif or _raw_profile(text if kind == b"tEXt" else _unpacked(text[1:]))
        if kind[:1].isupper() or kind == b"tRNS":  # a capital: the picture cannot be drawn without
            kept.append(data[place:end])
        place = end
        if kind == b"IEND":
            return b"".join(kept), exif_orientation(exif) or xmp_orientation(xmp)
    return b"".join(kept) + data[place:], exif_orientation(exif) or xmp_orientation(xmp)


def _international_text(text: bytes) -> bytes:
    packed, rest = text[:1] == b"\x01", text[2:]
    body = rest.partition(b"\0")[2].partition(b"\0")[2]
    return _unpacked(body) if packed else body


def _unpacked(body: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(body, _LARGEST_TEXT)
    except zlib.error:
        return b""


def _raw_profile(text: bytes) -> bytes:
    """Return EXIF as ImageMagick writes it: a name, a length, then hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""


def _bare_jpeg_2000(data: bytes) -> tuple[bytes, int | None]:
    """Call the box of the resolution, inside that of the header, free space."""
    bare = bytearray(data)
    for kind, begin, end in _boxes(data, 0, len(data)):
        if kind == b"jp2h":
            for inner, start, _ in _boxes(data, begin, end):
                if inner == b"res ":
                    bare[start - 4 : start] = b"free"
    return bytes(bare), None


def _bare_avif(data: bytes) -> tuple[bytes, int | None]:
    """Call the item of EXIF free space; how an AVIF is turned is said by boxes of its own, which the reader obeys."""
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
    """Yield the kind, begin and end of the body of every box (ISO base media format)."""
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
    "JPEG": _bare_jpeg,
    "PNG": _bare_png,
    "TIFF": bare_tiff,
    "JPEG2000": _bare_jpeg_2000,
    "AVIF": _bare_avif,
}
