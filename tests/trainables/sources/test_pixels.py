from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from trainables.sources.reading.pixels import UndecodableImageError, decode_image

RED, BLUE = (255, 0, 0), (0, 0, 255)


def encoded(image: Image.Image, fmt: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def halves(size: tuple[int, int]) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_shape_and_type_whatever_the_proportions(fit):
    for size in ((31, 17), (17, 31), (1, 400), (400, 1), (8, 8)):
        pixels = decode_image(encoded(halves(size)), 16, fit)
        assert pixels.shape == (16, 16, 3)
        assert pixels.dtype == np.uint8


def test_crop_takes_the_central_square():
    image = Image.new("RGB", (60, 20), RED)
    image.paste(BLUE, (20, 0, 40, 20))
    assert (decode_image(encoded(image), 20, "crop") == BLUE).all()


def test_pad_adds_white_and_keeps_proportions():
    pixels = decode_image(encoded(Image.new("RGB", (40, 20), RED)), 20, "pad")
    assert (pixels[:5] == 255).all()
    assert (pixels[-5:] == 255).all()
    assert (pixels[5:15] == RED).all()


def test_stretch_keeps_both_halves():
    pixels = decode_image(encoded(halves((80, 20))), 20, "stretch")
    assert np.abs(pixels[:, :8].astype(int) - RED).max() < 12
    assert np.abs(pixels[:, 12:].astype(int) - BLUE).max() < 12


def test_shrinking_is_antialiased():
    stripes = np.zeros((128, 128), np.uint8)
    stripes[:, ::2] = 255
    pixels = decode_image(encoded(Image.fromarray(stripes)), 16, "crop")
    assert np.abs(pixels.astype(int) - 127).max() < 12


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    pixels = decode_image(encoded(halves((32, 32)), "JPEG", exif=exif, quality=95), 32, "crop")
    assert pixels[16, 4, 2] > 200
    assert pixels[16, 28, 0] > 200


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(mode):
    fmt = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    pixels = decode_image(encoded(Image.new("RGB", (9, 9), (255, 255, 255)).convert(mode), fmt), 8, "crop")
    assert (pixels >= 250).all()


def test_cmyk_jpeg_keeps_its_colour():
    pixels = decode_image(encoded(Image.new("RGB", (16, 16), RED).convert("CMYK"), "JPEG"), 8, "crop")
    assert pixels[..., 0].min() > 240
    assert pixels[..., 1:].max() < 15


def test_transparency_is_laid_on_white():
    assert (decode_image(encoded(Image.new("RGBA", (9, 9), (*RED, 0))), 8, "crop") == 255).all()
    palette = Image.new("P", (9, 9), 0)
    palette.putpalette([0, 0, 0] * 256)
    assert (decode_image(encoded(palette, transparency=0), 8, "crop") == 255).all()


def test_sixteen_bit_grey_is_scaled_not_clipped():
    grey = np.full((9, 9), 0x8000, dtype=np.uint16)
    assert (decode_image(encoded(Image.fromarray(grey)), 8, "crop") == 0x80).all()


def test_large_jpeg_equals_its_plain_resize_nearly():
    ramp = np.linspace(0, 255, 900).astype(np.uint8)
    image = Image.fromarray(np.stack([np.tile(ramp, (900, 1))] * 3, axis=2))
    plain = np.asarray(image.resize((32, 32), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(decode_image(encoded(image, "JPEG", quality=95), 32, "crop") - plain).max() <= 4


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(UndecodableImageError):
        decode_image(data, 8, "crop")


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM"])
def test_broken_bytes_end_as_undecodable_and_as_nothing_else(fmt):
    whole = encoded(halves((40, 30)), fmt)
    dice = np.random.default_rng(0)
    broken = [whole[: len(whole) // 2], whole[:40]]
    for _ in range(150):
        copy = bytearray(whole)
        for _ in range(dice.integers(1, 13)):
            copy[dice.integers(len(copy))] = dice.integers(256)
        broken.append(bytes(copy))
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Pillow on odd but readable tags
        for data in broken:
            try:
                assert decode_image(data, 8, "crop").shape == (8, 8, 3)
            except UndecodableImageError:
                refused += 1
    assert refused


@pytest.mark.parametrize("side", [8_000, 10_000, 40_000])
def test_a_small_file_that_claims_a_huge_picture_is_refused_undecoded(side):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    with pytest.raises(UndecodableImageError, match=r"pixels"):
        decode_image(bomb, 8, "crop")
