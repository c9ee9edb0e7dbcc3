from __future__ import annotations

import base64
import gzip
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from PIL import Image

from trainables.data import data_fingerprint, describe_dataset, prepare_dataset
from trainables.sources.reading.pixels import UndecodableImageError, decode_image, stored_sides


def encoded(fmt: str = "PNG", size: tuple[int, int] = (12, 12)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(buffer, fmt)
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", encoded())
    return buffer.getvalue()


def saved_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((4, 4, 3)))
    return buffer.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    ("data", "kind", "advice"),
    [
        (b"", "an empty file", "copy it again"),
        (bytes(500), "nothing but zero bytes", "copy it again"),
        (POINTER, "a Git LFS pointer", "git lfs pull"),
        (b"/annex/objects/SHA256E-s1--aa.jpg\n", "a git-annex pointer", "git annex get"),
        (b"\n<!DOCTYPE html><html><title>404</title>", "a web page", "download the file again"),
        (
            b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
            "an XML document",
            "download the file again",
        ),
        (b'<?xml version="1.0"?>\n<!-- by hand -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG", "convert it"),
        (b"%PDF-1.7\n", "a PDF", "extract the picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC image", "convert it to JPEG or PNG"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC image", "convert it to JPEG or PNG"),
        (b"\xff\x0a" + bytes(20), "a JPEG XL image", "convert it to JPEG or PNG"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a video", "still picture"),
        (b"8BPS\0\x01", "a Photoshop file", "export it"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript", "convert it"),
        (zipped(), "a zip archive", "unpack it"),
        (gzip.compress(encoded()), "a gzip archive", "unpack it"),
        (saved_array(), "a NumPy array", "store each picture as JPEG or PNG"),
        (pickle.dumps({"pixels": list(range(999))}), "a Python pickle", "store each picture as JPEG or PNG"),
        (base64.b64encode(encoded("JPEG")), "an image in base64", "store the decoded bytes"),
        (b"data:image/png;base64," + base64.b64encode(encoded()), "a data URL", "store the decoded bytes"),
        (b"https://somewhere.org/a.jpg\n", "an address", "nothing is downloaded"),
        (json.dumps({"image": "a.jpg"}).encode(), "JSON", "give the image itself"),
        (b"pictures/a.jpg", "not an image but text ('pictures/a.jpg')", "give the bytes of an image file"),
        (b"\xef\xbb\xbfpictures/a.jpg", "not an image but text ('pictures/a.jpg')", "give the bytes of an image file"),
        (encoded("JPEG")[:4], "begins as JPEG", "header is cut or damaged"),
        (encoded("PNG")[:9], "begins as PNG", "header is cut or damaged"),
        (encoded("AVIF")[:40], "begins as AVIF", "header is cut or damaged"),
        (
            b"\xf0\x9f\x00\x01\x02\x03\x04\x05",
            "unknown image format (begins with f0 9f 00 01 02 03 04 05)",
            "convert it",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_a_file_that_is_no_image_is_called_what_it_is(data, kind, advice):
    with pytest.raises(UndecodableImageError) as caught:
        decode_image(data, 8, "crop")
    message = str(caught.value)
    assert kind in message
    assert advice in message
    assert " at 0x" not in message


def test_a_pointer_among_the_images_is_named_where_the_data_is_described(write_folder, config_of, tmp_path):
    folder = write_folder(train=[POINTER, *[encoded()] * 5])
    (corrupt,) = describe_dataset(config_of(folder), 0, tmp_path / "cache").corrupt_images
    assert str(corrupt) == "train-00000-of-00001.parquet, row 0"
    assert corrupt.reason == ("not a decodable image but a Git LFS pointer; fetch the actual file: git lfs pull")


def test_avif_is_an_image():
    assert decode_image(encoded("AVIF"), 8, "crop")[4, 4].tolist() == pytest.approx([200, 100, 50], abs=4)


def test_the_limit_of_pixels_has_a_key_and_counts_only_where_it_acts(write_folder, config_of, tmp_path):
    folder = write_folder(train=[encoded(size=(30, 20)), *[encoded()] * 5])  # the others have 10 x 12 and 12 x 12
    usual, idle = (config_of(folder, **more) for more in ({}, {"max_pixels": 600}))
    strict = config_of(folder, max_pixels=599, max_corrupt_share=0.2)
    assert data_fingerprint(idle, 0) == data_fingerprint(usual, 0) != data_fingerprint(strict, 0)
    assert len(prepare_dataset(usual, 0, tmp_path / "cache").splits["train"]) == 6
    assert len(prepare_dataset(strict, 0, tmp_path / "cache").splits["train"]) == 5
    (corrupt,) = describe_dataset(strict, 0, tmp_path / "cache").corrupt_images
    assert corrupt.reason.startswith("30 x 20 pixels exceed data.max_pixels (599); raise it")


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("fmt", ["AVIF", "TIFF", "PNG", "JPEG", "WEBP", "JPEG2000"])
def test_an_image_of_any_damage_has_a_size_or_none(fmt):
    draw = np.random.default_rng(0)
    whole = encoded(fmt)
    assert stored_sides(whole) == (12, 12)
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(3):
            data[draw.integers(4, min(len(data), 400))] = draw.integers(256)
        width, height = stored_sides(bytes(data))
        assert (width > 0) == (height > 0)
