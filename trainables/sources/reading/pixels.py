"""Converts an image file to ``size x size x 3`` uint8 RGB: decode, orient, flatten, fit, resize."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from trainables.sources.reading.file_kinds import not_an_image
from trainables.sources.reading.metadata.bare_images import bare_image
from trainables.sources.reading.metadata.tiff_directory import exif_orientation, xmp_orientation
from trainables.sources.source import MAX_PIXELS, Pixels

DECODER_VERSION = 2
"""Increment when a code change alters pixels, or which images and labels are read; part of fingerprints."""

FORMATS = (
    *("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000"),
    *(("AVIF",) if features.check("avif") else ()),
)
"""Raster formats that Pillow decodes itself. Others are unsafe for untrusted images (EPS starts Ghostscript)."""

# Pillow's own limit is fixed and process-wide. This module checks ``max_pixels`` before decoding.
Image.MAX_IMAGE_PIXELS = None

Fit = Literal["crop", "pad", "stretch"]

# What Pillow's readers raise on corrupt bytes; any other error is our own bug and must surface.
_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    NotImplementedError,
    RuntimeError,  # of the reader of AVIF
    struct.error,
    zlib.error,
)

# The transpose that undoes each EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_WHITE = (255, 255, 255)
_SIXTEEN_BIT_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class UndecodableImageError(ValueError):
    """The bytes are not a usable image; the message gives the reason."""


def decode_image(data: bytes, size: int, fit: Fit, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode an image file to RGB at ``size x size``.

    Applies the orientation from EXIF or XMP and ignores all other metadata, including profiles, comments and
    resolutions. Composites transparency onto white; converts grey, palette, CMYK and 16-bit images to 8-bit RGB.
    ``crop`` takes the central square, ``pad`` adds white borders, ``stretch`` changes the aspect ratio; the resize is
    antialiased (Lanczos).

    Returns:
        uint8 array (size, size, 3).

    Raises:
        UndecodableImageError: the bytes are corrupt, of an unsupported format, or have more than ``max_pixels``.
    """
    bare = bare_image(data)
    try:
        with Image.open(io.BytesIO(bare.data), formats=FORMATS) as image:
            _refuse_huge(image, max_pixels)
            orientation = bare.orientation or _orientation(image)
            # JPEG only: decode at the smallest multiple of 1/8 scale that still gives three times the required size.
            image.draft(None, (3 * size, 3 * size))
            return np.asarray(_fit(_to_rgb(_turned(image, orientation)), size, fit))
    except UndecodableImageError:
        raise
    except UnidentifiedImageError as error:
        raise UndecodableImageError(not_an_image(data, FORMATS)) from error
    except _DECODING_ERRORS as error:
        raise UndecodableImageError(f"{type(error).__name__}: {error}") from error


def square_image(image: Image.Image, size: int, fit: Fit, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Convert an image that Pillow has opened as ``decode_image`` converts a file, but for JPEG's own reduction.

    A JPEG file of more than three times the required size is decoded at a reduced scale by ``decode_image`` alone.

    Returns:
        uint8 array (size, size, 3).

    Raises:
        UndecodableImageError: the image is corrupt, or has more than ``max_pixels``.
    """
    try:
        _refuse_huge(image, max_pixels)
        return np.asarray(_fit(_to_rgb(_turned(image, _orientation(image))), size, fit))
    except UndecodableImageError:
        raise
    except _DECODING_ERRORS as error:
        raise UndecodableImageError(f"{type(error).__name__}: {error}") from error


def stored_sides(data: bytes, formats: tuple[str, ...] = FORMATS) -> tuple[int, int]:
    """Return width and height from an image file's header, 0 and 0 if it is unreadable or of another format."""
    try:
        with Image.open(io.BytesIO(bare_image(data).data), formats=formats) as image:
            return image.size
    except _DECODING_ERRORS:  # decoding will report it as corrupt
        return 0, 0


def _refuse_huge(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise UndecodableImageError(
            f"{image.width} x {image.height} pixels exceed data.max_pixels ({max_pixels}); raise it to decode the "
            "image, at 3 bytes a pixel or more"
        )


def _orientation(image: Image.Image) -> int | None:
    """Return the orientation from the EXIF or XMP data that Pillow found."""
    exif, xmp = image.info.get("exif"), image.info.get("xmp")
    found = exif_orientation(exif) if isinstance(exif, bytes) else None
    if found is None and isinstance(xmp, bytes) and image.format != "AVIF":  # AVIF keeps it in its own boxes
        found = xmp_orientation(xmp)
    return found


def _turned(image: Image.Image, orientation: int | None) -> Image.Image:
    turn = _TURNS.get(orientation or 1)
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_MODES:  # Pillow would clip instead of scaling
        grey = np.asarray(image).astype(np.int64).clip(0, 65535) >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise UndecodableImageError("floating-point pixels have no defined value range")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (*_WHITE, 255)), layer).convert("RGB")
    return image.convert("RGB")


def _fit(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    width, height = image.size
    if fit == "pad":
        scale = size / max(width, height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = Image.new("RGB", (size, size), _WHITE)
        canvas.paste(_resize(image, inner, (0, 0, width, height)), ((size - inner[0]) // 2, (size - inner[1]) // 2))
        return canvas
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side) if fit == "crop" else (0.0, 0.0, float(width), float(height))
    return _resize(image, (size, size), box)


def _resize(image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
