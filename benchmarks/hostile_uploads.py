"""Uploads as an attacker or a broken client sends them, as raw HTTP, with the statuses that are right for each."""

from __future__ import annotations

import io
import itertools
import json
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable

from PIL import Image

from benchmarks.drawn_index import drawn_image

BOUNDARY = "serve-load"
QUESTION = {"rankings": ["type"]}
CUT_OFF = 0
"""The service closed the connection without an answer, as it does for headers that do not come."""

Answer = tuple[int, bytes]
Sender = Callable[[socket.socket], Answer]

_numbers = itertools.count()


def form(image: bytes, question: object = QUESTION, name: str = "q.png") -> tuple[bytes, str]:
    """Return the body of an upload and its content type."""
    asked = question if isinstance(question, str) else json.dumps(question)
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="query"\r\n\r\n{asked}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        "Content-Type: image/png\r\n\r\n"
    ).encode("utf-8", "surrogateescape")
    return body + image + f"\r\n--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


def png_of(width: int, height: int, rows: int = 0) -> bytes:
    """Return a PNG file that announces a size, with the pixels of its first rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(rows * (1 + 3 * width)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _headers(kind: str, length: int) -> bytes:
    head = ("POST /api/search HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}", f"Content-Length: {length}")
    return "\r\n".join((*head, "", "")).encode()


def _answered(connection: socket.socket) -> Answer:
    """Read the whole answer."""
    told = b""
    while b"\r\n\r\n" not in told:
        part = connection.recv(65536)
        if not part:
            return CUT_OFF, told
        told += part
    head, _, body = told.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line), 0)
    while len(body) < length and (part := connection.recv(65536)):
        body += part
    return int(head.split()[1]), body


def _sent(body: bytes, kind: str) -> Sender:
    def send(connection: socket.socket) -> Answer:
        connection.sendall(_headers(kind, len(body)) + body)
        return _answered(connection)

    return send


def _upload(image: Callable[[], bytes], **given: str) -> Sender:
    def send(connection: socket.socket) -> Answer:
        return _sent(*form(image(), **given))(connection)

    return send


def _truncated() -> bytes:
    whole = drawn_image(next(_numbers), 200, "JPEG" if next(_numbers) % 2 else "PNG")
    return whole[: 150 + next(_numbers) % (len(whole) // 2)]


def _tiff() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "TIFF")
    return file.getvalue()


def _slow_body(connection: socket.socket) -> Answer:
    body, kind = form(drawn_image(1))
    connection.sendall(_headers(kind, len(body)))
    for byte in body[:40]:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)
    return _answered(connection)


def _slow_headers(connection: socket.socket) -> Answer:
    connection.sendall(b"POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow:")
    return _answered(connection)


def _broken_off(connection: socket.socket) -> Answer:
    body, kind = form(drawn_image(1))
    connection.sendall(_headers(kind, len(body)) + body[: len(body) // 2])
    connection.shutdown(socket.SHUT_WR)
    return _answered(connection)


def _endless(connection: socket.socket) -> Answer:
    connection.sendall(_headers(f"multipart/form-data; boundary={BOUNDARY}", 10**12))
    return _answered(connection)


def _chunked(connection: socket.socket) -> Answer:
    head = _headers(f"multipart/form-data; boundary={BOUNDARY}", 0).replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked"
    )
    connection.sendall(head)
    block = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    for _ in range(24):  # more than is accepted
        connection.sendall(block)
    return _answered(connection)


_MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"

HOSTILE: tuple[tuple[str, Sender, tuple[int, ...]], ...] = (
    ("truncated", _upload(_truncated), (415, 422, 200)),  # Pillow decodes a JPEG file that lacks its last rows
    ("noise", _upload(lambda: os.urandom(5000)), (415,)),
    ("bomb by header", _upload(lambda: png_of(100_000, 100_000)), (413,)),
    ("bomb of 60 million pixels", _upload(lambda: png_of(10_000, 6_000, 10)), (413,)),
    ("lies about its rows", _upload(lambda: png_of(3_000, 3_000, 10)), (200, 422)),
    ("text", _upload(lambda: b"<?php system($_GET[0]); ?>"), (415,)),
    ("svg", _upload(lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"), (415,)),
    ("tiff", _upload(_tiff), (415,)),
    ("nothing", _upload(lambda: b""), (422,)),
    ("giant name", _upload(lambda: drawn_image(1), name="../" * 20_000 + "x.png"), (200, 400)),
    ("name of a path", _upload(lambda: drawn_image(1), name="../../../../etc/passwd\x00.png"), (200, 400)),
    (
        "question of a megabyte",
        _upload(lambda: drawn_image(1), question='{"rankings": ["' + "x" * 10**6 + '"]}'),
        (400, 422),
    ),
    ("deep question", _upload(lambda: drawn_image(1), question="[" * 50_000), (422,)),
    ("no form", _sent(b"x" * 1000, _MULTIPART), (400,)),
    ("no boundary", _sent(b"x" * 1000, "multipart/form-data"), (400,)),
    ("wrong type", _sent(b"x" * 1000, "application/x-unknown"), (422,)),
    (
        "thousands of parts",
        _sent(
            b"".join(
                f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{i}"\r\n\r\n\r\n'.encode() for i in range(5000)
            )
            + f"--{BOUNDARY}--\r\n".encode(),
            _MULTIPART,
        ),
        (400,),
    ),
    ("endless by header", _endless, (413,)),
    ("chunks without end", _chunked, (413,)),
    ("broken off", _broken_off, (CUT_OFF, 400)),
    ("slow body", _slow_body, (408,)),
    ("slow headers", _slow_headers, (CUT_OFF,)),
)
"""Name, sender, and the statuses that are right."""
