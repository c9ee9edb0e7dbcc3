"""What is stored beside a picture turns it at most: it never decides whether the picture can be read."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin

from trainables.sources.reading.metadata.bare_images import bare_image
from trainables.sources.reading.pixels import UndecodableImageError, decode_image

SIDE = 16
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<?xpacket begin=""?><x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'
COMMENT = b"taken by somebody, somewhere"


def exif(orientation: int | None = None, resolution: tuple[int, int] = (72, 1)) -> bytes:
    """A directory as cameras write it: names, resolutions (signed, so that they may be -1/0), and a place of GPS."""
    tags = [(0x010F, 2, b"Maker\0"), (0x0110, 2, b"Model 1\0"), (0x011A, 10, struct.pack("<ii", *resolution))]
    tags += [] if orientation is None else [(0x0112, 3, struct.pack("<HH", orientation, 0))]
    tags += [(0x011B, 10, struct.pack("<ii", *resolution)), (0x8825, 4, struct.pack("<I", 8))]
    values, entries = b"", b""
    start = 8 + 2 + 12 * len(tags) + 4
    for tag, kind, value in sorted(tags):
        count = len(value) if kind == 2 else 1
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", start + len(values))
        values += b"" if len(value) <= 4 else value
        entries += struct.pack("<HHI4s", tag, kind, count, place)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + values


def encoded(fmt: str, **options) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, fmt, **options)
    return buffer.getvalue()


def jpeg_with(*segments: tuple[int, bytes]) -> bytes:
    plain = encoded("JPEG", quality=95, dpi=(72, 72))
    added = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    first = 4 + int.from_bytes(plain[4:6], "big")
    return plain[:first] + added + plain[first:]


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    plain = encoded("PNG")
    added = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return plain[:33] + added + plain[33:]


IPTC = b"Photoshop 3.0\0" + b"8BIM\x03\xed\0\0\0\0\0\x10" + bytes(16) + b"8BIM\x04\x04\0\0\0\0\0\x06\x1c\x02x\0\x01a"
MPF = (
    b"MPF\0"
    b"II*\0\x08\0\0\0\x03\0"
    + b"".join(
        struct.pack("<HHI4s", *entry)
        for entry in ((0xB000, 7, 4, b"0100"), (0xB001, 4, 1, b"\2\0\0\0"), (0xB002, 7, 32, struct.pack("<I", 50)))
    )
    + bytes(36)
)
JFIF = 14
SEGMENTS = {
    "EXIF": (0xE1, b"Exif\0\0" + exif()),
    "XMP": (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP % 1),
    "profile": (0xE2, b"ICC_PROFILE\0\x01\x01" + PROFILE),
    "IPTC": (0xED, IPTC),
    "MPO": (0xE2, MPF),
    "comment": (0xFE, COMMENT),
    "FlashPix": (0xE2, b"FPXR\0" + bytes(20)),
}
CHUNKS = {
    "EXIF": (b"eXIf", exif()),
    "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP % 1),
    "profile": (b"iCCP", b"sRGB\0\0" + zlib.compress(PROFILE)),
    "text": (b"tEXt", b"Comment\0" + COMMENT),
    "packed text": (b"zTXt", b"Comment\0\0" + zlib.compress(COMMENT)),
    "raw EXIF": (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n  30\n" + exif().hex().encode())),
    "resolution": (b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
    "gamma": (b"gAMA", struct.pack(">I", 45455)),
    "time": (b"tIME", struct.pack(">HBBBBB", 2020, 1, 1, 1, 1, 1)),
    "animation": (b"acTL", struct.pack(">II", 1, 0)),
    "suggested palette": (b"sPLT", b"name\0\x08" + bytes(6)),
}


def tiff_with_everything() -> tuple[bytes, list[range]]:
    """A TIFF with metadata, and where in it these lie: entries but their tags, and values."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[270], info[305], info[282], info[283], info[296] = COMMENT.decode(), "Software", 72.0, 72.0, 2
    info[33723], info[34377], info[700] = IPTC, IPTC, XMP % 1
    data = encoded("TIFF", tiffinfo=info, icc_profile=PROFILE)
    start = int.from_bytes(data[4:8], "little")
    places = [range(data.index(value), data.index(value) + len(value)) for value in (COMMENT, PROFILE, IPTC, XMP % 1)]
    for entry in range(start + 2, start + 2 + 12 * int.from_bytes(data[start : start + 2], "little"), 12):
        metadata = {270, 282, 283, 296, 305, 700, 33723, 34377, 34675}
        places += [range(entry + 2, entry + 12)] * (int.from_bytes(data[entry : entry + 2], "little") in metadata)
    return data, places


def body_of(data: bytes, body: bytes) -> tuple[bytes, list[range]]:
    return data, [range(data.index(body), data.index(body) + len(body))]


def beside(fmt: str, **options: bytes) -> tuple[bytes, list[range]]:
    data = encoded(fmt, **options)
    return data, [range(data.index(body[6:]), data.index(body[6:]) + len(body) - 6) for body in options.values()]


FILES: dict[str, Callable[[], tuple[bytes, list[range]]]] = {
    **{f"JPEG {name}": (lambda s=segment: body_of(jpeg_with(s), s[1])) for name, segment in SEGMENTS.items()},
    "JPEG resolution": lambda: (jpeg_with(), [range(6, 6 + JFIF)]),
    "JPEG all": lambda: body_of(jpeg_with(*SEGMENTS.values()), COMMENT),
    **{f"PNG {name}": (lambda c=chunk: body_of(png_with(c), c[1])) for name, chunk in CHUNKS.items()},
    "WEBP": lambda: beside("WEBP", exif=b"Exif\0\0" + exif(), xmp=XMP % 1, icc_profile=PROFILE),
    "TIFF": tiff_with_everything,
    "AVIF": lambda: beside("AVIF", exif=b"Exif\0\0" + exif(), xmp=XMP % 1, icc_profile=PROFILE),
}


def jpeg_2000_with(body: bytes) -> tuple[bytes, list[range]]:
    """A JPEG 2000 file with a resolution in its header."""
    data = encoded("JPEG2000")
    start = data.index(b"jp2h") - 4
    end = start + int.from_bytes(data[start : start + 4], "big")
    box = struct.pack(">I4s", len(body) + 8, b"res ") + body
    length = struct.pack(">I", end - start + len(box))
    return data[:start] + length + data[start + 4 : end] + box + data[end:], [range(end + 8, end + len(box))]


FILES["JPEG2000"] = lambda: jpeg_2000_with(struct.pack(">I4s", 18, b"resc") + struct.pack(">HHHHBB", 1, 1, 1, 1, 2, 2))


def turned(pixels: np.ndarray) -> list[np.ndarray]:
    """A picture in its eight orientations."""
    return [np.rot90(side, times) for side in (pixels, pixels[:, ::-1]) for times in range(4)]


@pytest.mark.parametrize("name", FILES)
def test_damaged_metadata_never_refuses_a_picture(name):
    data, places = FILES[name]()
    wanted = turned(decode_image(data, SIDE, "crop"))
    dice = np.random.default_rng(1)
    bytes_of_metadata = [place for span in places for place in span]
    for _ in range(150):
        broken = bytearray(data)
        for place in dice.choice(bytes_of_metadata, dice.integers(1, 4)):
            broken[place] = dice.integers(256)
        found = decode_image(bytes(broken), SIDE, "crop")
        assert any(np.array_equal(found, one) for one in wanted)


def test_a_wrong_length_of_metadata_is_passed_over():
    preview = encoded("JPEG", quality=20)
    with_preview = (0xE1, b"Exif\0\0" + exif() + preview.replace(b"\0\x10\0\x10\x03", b"\0\x08\0\x08\x03"))
    jpeg, png = jpeg_with(with_preview, *SEGMENTS.values()), png_with(*CHUNKS.values())
    webp = encoded("WEBP", exif=b"Exif\0\0" + exif(), xmp=XMP % 1)
    lengths = [(jpeg, place) for body in (with_preview[1], COMMENT, IPTC) for place in [jpeg.index(body) - 2]]
    lengths += [(jpeg, place + 1) for _, place in lengths]
    lengths += [(png, png.index(body) - place) for _, body in CHUNKS.values() for place in range(5, 9)]
    lengths += [(webp, webp.index(kind) + place) for kind in (b"EXIF", b"XMP ") for place in range(4, 8)]
    for data, place in lengths:
        wanted = decode_image(data, SIDE, "crop")
        for value in (0, 1, 7, 60, 129, 255):
            broken = data[:place] + bytes([value]) + data[place + 1 :]
            assert np.array_equal(decode_image(broken, SIDE, "crop"), wanted)


@pytest.mark.parametrize("resolution", [(-1, 0), (0, 0), (1, 0), (2**31 - 1, -1)])
@pytest.mark.parametrize("orientation", [None, 1, 6])
def test_a_resolution_that_is_none_leaves_picture_and_orientation(resolution, orientation):
    body = b"Exif\0\0" + exif(orientation, resolution)
    plain = decode_image(jpeg_with(), SIDE, "crop")
    wanted = np.rot90(plain, -1) if orientation == 6 else plain
    assert np.array_equal(decode_image(jpeg_with((0xE1, body)), SIDE, "crop"), wanted)


@pytest.mark.parametrize("orientation", range(10))
def test_pictures_are_turned_as_pillow_turns_them_wherever_the_orientation_stands(orientation):
    own = exif(orientation)
    raw = zlib.compress(b"\nexif\n  30\n" + own.hex().encode())
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x0112] = orientation
    description = TiffImagePlugin.ImageFileDirectory_v2()
    description[700] = XMP % orientation
    files = [
        jpeg_with((0xE1, b"Exif\0\0" + own)),
        jpeg_with((0xE1, b"Exif\0\0" + own[:60]), (0xE1, b"Exif\0\0" + own[60:])),
        jpeg_with((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP % orientation)),
        jpeg_with((0xE1, b"Exif\0\0" + exif(3)), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP % orientation)),
        png_with((b"eXIf", own)),
        png_with((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP % orientation)),
        png_with((b"zTXt", b"Raw profile type exif\0\0" + raw)),
        encoded("WEBP", exif=own, lossless=True),
        encoded("WEBP", xmp=XMP % orientation, lossless=True),
        encoded("TIFF", tiffinfo=tags),
        encoded("TIFF", tiffinfo=tags, big_tiff=True),
        encoded("TIFF", tiffinfo=tags, compression="tiff_deflate" if 1 <= orientation <= 8 else None),
        encoded("TIFF", tiffinfo=description),
    ]
    for data in files:
        with Image.open(io.BytesIO(data)) as image:
            wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        assert np.array_equal(decode_image(data, SIDE, "crop"), wanted)


@pytest.mark.parametrize(
    ("fmt", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("JPEG", {"quality": 30, "subsampling": 0}),
        ("JPEG", {"keep_rgb": True}),
        ("MPO", {"save_all": True, "append_images": [PICTURE.rotate(90)]}),
        ("PNG", {"save_all": True, "append_images": [PICTURE.rotate(90)]}),
        ("PNG", {"save_all": True, "append_images": [PICTURE.rotate(90)], "default_image": True}),
        *(("TIFF", {"compression": name}) for name in ("tiff_lzw", "jpeg", "packbits", "tiff_deflate")),
        ("TIFF", {"save_all": True, "append_images": [PICTURE.rotate(90)]}),
        ("JPEG2000", {}),
        ("AVIF", {"exif": exif(6)}),
    ],
)
def test_what_belongs_to_the_picture_is_left(fmt, options):
    data = encoded(fmt, **options)
    with Image.open(io.BytesIO(data)) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert np.array_equal(decode_image(data, SIDE, "crop"), wanted)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr", "I;16", "LAB"])
def test_every_mode_keeps_its_pixels(mode):
    image = PICTURE.convert("RGB" if mode == "LAB" else "L" if mode == "I;16" else mode)
    if mode == "LAB":
        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    elif mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) << 8)
    for fmt in ("TIFF", "JPEG", "PNG", "WEBP"):
        buffer = io.BytesIO()
        try:
            image.save(buffer, fmt)
        except (OSError, ValueError):
            continue  # no such mode in this format
        with Image.open(io.BytesIO(buffer.getvalue())) as plain:
            if plain.mode.startswith("I"):
                wanted = np.asarray(PICTURE.convert("L").convert("RGB"))
            elif plain.has_transparency_data:
                white = Image.new("RGBA", plain.size, (255, 255, 255, 255))
                wanted = np.asarray(Image.alpha_composite(white, plain.convert("RGBA")).convert("RGB"))
            else:
                wanted = np.asarray(plain.convert("RGB"))
        assert np.array_equal(decode_image(buffer.getvalue(), SIDE, "crop"), wanted)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "JPEG2000"])
def test_bytes_of_any_kind_are_stripped_without_an_error_and_soon(fmt):
    whole = encoded(fmt) if fmt == "JPEG2000" else encoded(fmt, exif=exif(6))
    dice = np.random.default_rng(2)
    for _ in range(600):
        broken = bytearray(whole[: dice.integers(len(whole) + 1)])
        for _ in range(min(len(broken), dice.integers(8))):
            broken[dice.integers(min(len(broken), 160))] = dice.choice([0, 1, 255, dice.integers(256)])
        bare_image(bytes(broken))
    start = time.process_time()
    bare_image(b"\xff\xd8\xff\xe1\x00\x08abcdefx" + b"\xff\xdb\x00\x02" * 20_000)  # tables that never end
    bare_image(b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\x01abcd" + b"IDAT\x00\x00\x00\x04" * 20_000)
    assert time.process_time() - start < 2


def test_a_picture_with_a_broken_frame_is_refused_in_words_and_not_by_an_address():
    whole = jpeg_with(*SEGMENTS.values())
    for cut in (2, 4, 21, 60, len(whole) // 2):
        with pytest.raises(UndecodableImageError) as caught:
            decode_image(whole[:cut], SIDE, "crop")
        assert " at 0x" not in str(caught.value)
