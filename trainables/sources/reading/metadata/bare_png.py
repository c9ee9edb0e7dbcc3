"""Strips PNG files of ancillary chunks: EXIF, texts, profiles, resolutions, animations."""

from __future__ import annotations

import itertools
import re
import struct
import zlib
from collections.abc import Iterator

from trainables.sources.reading.metadata.tiff_directory import exif_orientation, xmp_orientation

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"CgBI")
_MOST_TRIED = 100
"""Maximum number of offsets at which to look for a chunk after a damaged one; each costs a checksum."""

_LARGEST_TEXT = 1_000_000
"""Maximum number of bytes of compressed text to unpack in search of the orientation."""


def bare_png(data: bytes) -> tuple[bytes, int | None]:
    """Return the file with only what the picture needs, and its orientation."""
    kept, exif, xmp = [_SIGNATURE], b"", b""
    for kind, chunk in _chunks(data):
        body = chunk[8:-4]
        if kind in _PICTURE:
            kept.append(chunk)
        elif kind == b"eXIf":
            exif = body
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, text = body.partition(b"\0")
            if keyword == b"XML:com.adobe.xmp":
                xmp = _international_text(text)
            elif keyword == b"Raw profile type exif":
                exif = exif or _raw_profile(text if kind == b"tEXt" else _unpacked(text[1:]))
    return b"".join(kept), exif_orientation(exif) or xmp_orientation(xmp)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the bytes of each chunk; the last may be truncated.

    After an ancillary chunk with a wrong length, it continues with the next chunk that belongs to the picture.
    """
    place = len(_SIGNATURE)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        following = data[end + 4 : end + 8]
        if kind not in _PICTURE and not (len(following) == 4 and following.isalpha()):
            end = next((at for at in _places(data, place + 8) if _is_whole(data, at)), len(data))
        else:
            yield kind, data[place:end]
        place = end
        if kind == b"IEND":
            return


def _places(data: bytes, start: int) -> Iterator[int]:
    """Yield the first offsets after ``start`` where chunks of the picture may begin."""
    found = re.compile(b"|".join(_PICTURE)).finditer(data, start + 4)
    return (kind.start() - 4 for kind in itertools.islice(found, _MOST_TRIED))


def _is_whole(data: bytes, place: int) -> bool:
    """Return whether the chunk at an offset matches its checksum."""
    (length,) = struct.unpack_from(">I", data, place)
    end = place + 8 + length
    return end + 4 <= len(data) and zlib.crc32(data[place + 4 : end]) == int.from_bytes(data[end : end + 4], "big")


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
    """Return EXIF in ImageMagick's format: a name, a length, then hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""
