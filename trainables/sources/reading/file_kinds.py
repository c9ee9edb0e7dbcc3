"""Identifies a file by its first bytes, for messages about unexpected files."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

_CONVERT = "convert it to JPEG or PNG"
_UNPACK = "unpack it"
_STILL = "take a still picture from it, as JPEG or PNG"
_EXPORT = "export it from there as JPEG or PNG"
_SAVE_CSV = "save it as CSV in UTF-8"

_IMAGES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WEBP"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    *((0, b"P%d%c" % (digit, blank), "PPM") for digit in range(1, 7) for blank in b" \t\r\n#"),
)
"""Offset, bytes, and Pillow's name of the format."""

_OTHERS = (
    (0, b"version https://git-lfs.github.com/spec/", "a Git LFS pointer", "fetch the actual file: git lfs pull"),
    (0, b"/annex/objects/", "a git-annex pointer", "fetch the actual file: git annex get"),
    (0, b"\xff\x0a", "a JPEG XL image", _CONVERT),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image", _CONVERT),
    (4, b"ftyphei", "a HEIC image", _CONVERT),
    (4, b"ftyphev", "a HEIC image", _CONVERT),
    (4, b"ftypmif1", "a HEIC image", _CONVERT),
    (4, b"ftypmsf1", "a HEIC image", _CONVERT),
    (4, b"ftypcrx", "a camera's raw file", _EXPORT),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file", _EXPORT),
    (4, b"ftyp", "a video", _STILL),
    (0, b"\x1aE\xdf\xa3", "a video", _STILL),
    (8, b"AVI ", "a video", _STILL),
    (0, b"8BPS", "a Photoshop file", _EXPORT),
    (0, b"gimp xcf", "a GIMP file", _EXPORT),
    (0, b"%PDF-", "a PDF", "extract the picture as JPEG or PNG"),
    (0, b"%!PS", "PostScript", _CONVERT),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript", _CONVERT),
    (0, b"\0\0\x01\0", "an icon (ICO)", _CONVERT),
    (0, b"DDS ", "a DDS texture", _CONVERT),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR image", _CONVERT),
    (0, b"#?RADIANCE", "a Radiance HDR image", _CONVERT),
    (0, b"SIMPLE  =", "a FITS image", _CONVERT),
    (128, b"DICM", "a DICOM image", _EXPORT),
    (0, b"PAR1", "a Parquet file", "read it with the kind 'parquet'"),
    (0, b"ARROW1", "an Arrow file", "save it as Parquet"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", "store each picture as JPEG or PNG"),
    (0, b"\x93NUMPY", "a NumPy array", "store each picture as JPEG or PNG"),
    (0, b"\x80\x04\x95", "a Python pickle", "store each picture as JPEG or PNG"),
    (0, b"PK\x03\x04", "a zip archive (or a spreadsheet, which has the same format)", f"{_UNPACK}, or {_SAVE_CSV}"),
    (0, b"\xd0\xcf\x11\xe0", "an old Office document", _SAVE_CSV),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (0, b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
)

_ANSWERS = (
    (re.compile(rb"<!doctype html|<html|<head", re.IGNORECASE), "a web page"),
    (re.compile(rb"<\?xml|<error>", re.IGNORECASE), "an XML document"),
)
"""Server responses that may replace a file."""

_SVG = re.compile(rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype svg[^>]*>\s*)?<svg", re.IGNORECASE | re.DOTALL)
_TEXTS = (
    (_SVG, "an SVG", _CONVERT),
    (re.compile(rb"data:image/"), "a data URL", "store the decoded bytes of the image"),
    (re.compile(rb"/9j/|iVBORw0KGgo|R0lGOD|UklGR"), "an image in base64", "store the decoded bytes of the image"),
    (re.compile(rb"[a-z0-9+]+://\S+\s*\Z", re.IGNORECASE), "an address", "fetch the image; nothing is downloaded here"),
    (re.compile(rb"[\[{]"), "JSON", "give the image itself"),
)
"""Texts sometimes found in place of image files."""

_LOOKED_AT = 1024


@dataclass(frozen=True)
class FileKind:
    """The kind of a file, with its article, and how to proceed."""

    name: str
    advice: str

    def __str__(self) -> str:
        return f"{self.name}; {self.advice}"


def foreign_kind(data: bytes) -> FileKind | None:
    """Return the kind of a file that begins with ``data``, None for supported images, plain text or unknown kinds."""
    if not data:
        return FileKind("an empty file", "fetch or copy it again")
    if not data.strip(b"\0"):
        return FileKind("nothing but zero bytes", "copy it again; an interrupted copy leaves such files")
    for offset, magic, name, advice in _OTHERS:
        if data.startswith(magic, offset):
            return FileKind(name, advice)
    text = _begin(data)
    sent = next((name for start, name in _ANSWERS if start.match(text)), None)
    return None if sent is None else FileKind(sent, "download the file again; a server may have sent this instead")


def image_format(data: bytes) -> str | None:
    """Return Pillow's name for the image format that begins with ``data``, None if it is not a known one."""
    return next((name for offset, magic, name in _IMAGES if data.startswith(magic, offset)), None)


def not_an_image(data: bytes, formats: Collection[str]) -> str:
    """Return what a file is that Pillow does not identify as an image, and how to proceed.

    Args:
        data: the bytes of the file.
        formats: the supported formats, by Pillow's names.
    """
    named = image_format(data)
    if named in formats:
        return f"begins as {named}, but the header is cut or damaged; fetch or copy it again"
    if named is not None:
        return f"{named}, which this build of Pillow does not decode; {_CONVERT}"
    text = _begin(data)
    found = next((FileKind(name, advice) for start, name, advice in _TEXTS if start.match(text)), foreign_kind(data))
    if found is not None:
        return f"not a decodable image but {found}"
    if _is_text(data):
        return f"not an image but text ({data[:30].decode('utf-8-sig', 'replace')!r}); give the bytes of an image file"
    return f"unknown image format (begins with {data[:8].hex(' ')}); {_CONVERT}"


def _begin(data: bytes) -> bytes:
    return data[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip()


def _is_text(data: bytes) -> bool:
    try:
        return (
            data[:_LOOKED_AT].decode("utf-8-sig").replace("\n", " ").replace("\t", " ").replace("\r", " ").isprintable()
        )
    except UnicodeDecodeError as error:
        return error.start > _LOOKED_AT - 4 and error.reason == "unexpected end of data"
