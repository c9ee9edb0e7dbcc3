"""From the bytes of an image file to ``size x size x 3`` uint8 RGB: decode, orient, flatten, fit, resize."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from trainables.data.source import Pixels

DECODER_VERSION = 2
"""Raised whenever a change of the code changes pixels, or which images and labels are read; part of fingerprints."""

MAX_PIXELS = 50_000_000
"""Larger images are refused before they are decoded: a small file can hold a picture that fills the memory."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000")
"""Raster formats decoded inside Pillow. Others (EPS starts Ghostscript) are not for images from elsewhere."""

Fit = Literal["crop", "pad", "stretch"]

# What Pillow's readers raise on broken bytes; anything else is a bug of ours and must be seen.
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
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)

_WHITE = (255, 255, 255)
_SIXTEEN_BIT_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class UndecodableImageError(ValueError):
    """The bytes are not an image that can be used; the message says why."""


def decode_image(data: bytes, size: int, fit: Fit) -> Pixels:
    """Decode an image file to RGB at ``size x size``.

    EXIF orientation is applied, transparency is laid on white, grey, palette, CMYK and 16-bit images become 8-bit RGB.
    ``crop`` takes the central square, ``pad`` adds white borders, ``stretch`` ignores the proportions; the resize is
    antialiased (Lanczos).

    Returns:
        uint8 array (size, size, 3).

    Raises:
        UndecodableImageError: the bytes are broken, of an unsupported format, or hold more than ``MAX_PIXELS``.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _refuse_huge(image)
            # JPEG only: decode at the smallest eighth of the scale that still leaves three times the wanted pixels.
            image.draft(None, (3 * size, 3 * size))
            return np.asarray(_fit(_to_rgb(ImageOps.exif_transpose(image)), size, fit))
    except UndecodableImageError:
        raise
    except _DECODING_ERRORS as error:
        raise UndecodableImageError(f"{type(error).__name__}: {error}") from error


def _refuse_huge(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise UndecodableImageError(f"{image.width} x {image.height} pixels are more than the {MAX_PIXELS} allowed")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_MODES:  # Pillow would clip, not scale
        grey = np.asarray(image).astype(np.int64).clip(0, 65535) >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise UndecodableImageError("floating-point pixels have no defined range")
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
