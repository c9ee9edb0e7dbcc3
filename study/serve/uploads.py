"""Bytes of strangers as pixels. Format and size are read from the header, before anything is decoded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from study.serve.refusals import Refusal
from trainables.packs.manifest import ImageSettings
from trainables.sources.reading.pixels import UndecodableImageError, decode_image, stored_sides

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", *(("AVIF",) if features.check("avif") else ()))
"""What photographs come in. Rarer formats that the index may hold (TIFF, JPEG 2000) are not taken from strangers."""

_TOO_LARGE = "image: has too many pixels"


@contextmanager
def guarding_pillow(pixels: int) -> Iterator[None]:
    """Let Pillow itself refuse images of more pixels while the block runs, also those inside of other images.

    It is a setting of the whole process, which reading images for training turns off; it is restored in the end.
    """
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = pixels  # Pillow warns above this, where we refuse, and refuses above its double
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def pixels_of_upload(data: bytes, settings: ImageSettings, most: int) -> NDArray[np.uint8]:
    """Return an uploaded image as the network reads it, (S, S, 3).

    Raises:
        Refusal: It is no image of an accepted format, is damaged, or has more than ``most`` pixels.
    """
    width, height = _announced(data)
    most = min(most, settings.max_pixels)
    if width * height > most:
        raise Refusal(413, f"image: {width} x {height} pixels, and at most {most / 1e6:g} million are accepted")
    try:
        return decode_image(data, settings.size, settings.fit, most)
    except Image.DecompressionBombError:
        raise Refusal(413, _TOO_LARGE) from None
    except UndecodableImageError:  # its reason may quote what is in the file
        raise Refusal(422, "image: damaged; it cannot be decoded") from None


def _announced(data: bytes) -> tuple[int, int]:
    """Return width and height from the header."""
    if not data:
        raise Refusal(422, "image: is empty")
    try:
        sides = stored_sides(data, FORMATS)
    except Image.DecompressionBombError:
        raise Refusal(413, _TOO_LARGE) from None
    if not all(sides):
        raise Refusal(415, f"image: not a readable image of an accepted format ({', '.join(FORMATS)})")
    return sides
