"""Small copies of images, which an index keeps to show what it found when the images are elsewhere."""

from __future__ import annotations

import io

from PIL import Image

from trainables.sources.reading.pixels import decode_image
from trainables.sources.source import MAX_PIXELS

_QUALITY = 85


def small_copy(content: bytes, side: int, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Return the image in a file as a square of ``side`` pixels, the whole of it, with white borders.

    Raises:
        UndecodableImageError: It is no usable image.
    """
    return Image.fromarray(decode_image(content, side, "pad", max_pixels))


def thumbnail(content: bytes, side: int, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return ``small_copy`` as the bytes of a JPEG file; none for a side of 0."""
    if not side:
        return b""
    out = io.BytesIO()
    small_copy(content, side, max_pixels).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
