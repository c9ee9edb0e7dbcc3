"""What strangers send is refused in one clear line, without a path and without a trace of what they sent."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient
from typer.testing import CliRunner

from benchmarks.drawn_index import drawn_image
from study.cli import app
from study.serve.guards.bodies import Bodies
from study.serve.settings import TOKEN_VARIABLE, Limits, ServeSettings
from trainables.index import ImageIndex

Upload = Callable[..., dict[str, Any]]
TOKEN = "correct horse battery".replace(" ", "-")


def png_of(width: int, height: int) -> bytes:
    """A PNG file of few bytes that announces any number of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def tiff() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "TIFF")
    return file.getvalue()


BAD_UPLOADS: dict[str, tuple[dict[str, Any], int, str]] = {
    "text": ({"content": b"#!/bin/sh\necho"}, 415, "image: not a readable image of an accepted format (JPEG, PNG,"),
    "format": ({"content": tiff()}, 415, "image: not a readable image"),
    "svg": ({"content": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}, 415, "image: not a readable image"),
    "truncated": ({"content": drawn_image(1)[:250]}, 422, "image: damaged; it cannot be decoded"),
    "bomb": ({"content": png_of(100_000, 100_000)}, 413, "image: has too many pixels"),
    "large": ({"content": png_of(8000, 8000)}, 413, "image: 8000 x 8000 pixels, and at most 50 million are accepted"),
    "bytes": ({"content": bytes(150_000)}, 413, "a request may have 0.1 MB; send a smaller image"),
    "task": ({"rankings": ["hel"]}, 422, "unknown task 'hel'; did you mean 'heel'?"),
    "strange task": ({"rankings": ["\u202e" + "x" * 400]}, 422, "unknown task '\\\\u202exxx"),
    "weight": ({"rankings": [{"heel": 0}]}, 422, "task: heel: a weight should be a number other than 0"),
    "label": ({"where": ["tipe=boot"]}, 422, "where: unknown label 'tipe'; did you mean 'type'?"),
    "source": ({"where": ["source=/home/*"]}, 422, "where: unknown label 'source'"),
    "top": ({"top": 10**9}, 422, "query.top: Input should be less than or equal to 100"),
    "key": ({"path": "/etc/passwd"}, 422, "query.path: Extra inputs are not permitted"),
}


# The running service silences this warning; pytest restores the filters after the test in which it was started.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", BAD_UPLOADS)
def test_a_bad_upload_is_refused_in_one_line(
    serving: Callable[..., Any], log: io.StringIO, upload: Upload, index_folder: Path, case: str
) -> None:
    given, status, line = BAD_UPLOADS[case]
    client = serving(ServeSettings(limits=Limits(upload_bytes=100_000)))
    reply = client.post("/api/search", **upload(name="../../secret.png", **given))
    assert (reply.status_code, set(reply.json())) == (status, {"error"}), reply.text
    assert reply.json()["error"].startswith(line), reply.text
    assert "\n" not in reply.json()["error"]
    for text in (reply.text, log.getvalue()):
        assert str(index_folder) not in text
        assert "secret" not in text
        assert "Traceback" not in text
    assert json.loads(log.getvalue())["status"] == status


def test_other_requests_are_refused_in_one_line(client: TestClient, upload: Upload) -> None:
    json_type = {"content-type": "application/json"}
    broken_form = {"content-type": "multipart/form-data; boundary=x"}
    asked = {"query": "../../etc/passwd", "rankings": ["heel"]}
    for reply, status, line in (
        (client.get("/api/image", params={"id": "/etc/passwd"}), 404, "no image of the index has this id"),
        (client.post("/api/search/indexed", json=asked), 404, "no image of the index has this id"),
        (client.get("/..%2f..%2fetc/passwd"), 404, "no such address; /openapi.json lists them"),
        (client.get("/assets/../page.py"), 404, "no such address; /openapi.json lists them"),
        (client.delete("/api/index"), 405, "this address does not take that method; /openapi.json lists them"),
        (client.post("/api/search/indexed", content="{", headers=json_type), 422, "request: JSON decode error"),
        (client.post("/api/search", content=b"y", headers=broken_form), 400, "the request cannot be read"),
        (client.post("/api/search", data={"query": "{"}), 422, "image: Field required (and 1 more)"),
    ):
        assert (reply.status_code, set(reply.json())) == (status, {"error"}), reply.text
        assert reply.json()["error"].startswith(line), reply.text


def test_only_known_names_and_the_own_page_may_ask(client: TestClient, upload: Upload) -> None:
    assert client.get("/api/index", headers={"host": "rebound.example:8321"}).status_code == 421
    assert client.get("/api/index", headers={"host": "127.0.0.1@evil.example"}).status_code == 421
    assert client.get("/api/index", headers={"host": "[::1]:8321"}).status_code == 200
    for headers, status in (
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://127.0.0.1:8321", "sec-fetch-site": "same-origin"}, 200),
    ):
        assert client.post("/api/search", **upload(), headers=headers).status_code == status, headers


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    for address in ("/", "/page.js", "/view.js", "/page.css", "/icon.svg", "/api/index", "/nowhere", "/metrics"):
        headers = client.get(address).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
    assert client.get("/api/index").headers["cache-control"] == "no-store"


def test_a_token_is_asked_for_and_a_browser_gets_a_cookie_instead(
    serving: Callable[..., Any], log: io.StringIO
) -> None:
    bearer = {"authorization": f"Bearer {TOKEN}"}
    client = serving(ServeSettings("0.0.0.0", token=TOKEN, names=("search.example",)))  # noqa: S104
    for address in ("/", "/page.js", "/healthz", "/readyz"):
        assert client.get(address).status_code == 200, address
    for address in ("/api/index", "/api/image?id=photos/1", "/metrics", "/openapi.json", "/nowhere"):
        refused = client.get(address)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer"), address
    for wrong in ("", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", b"Bearer \xe9"):
        assert client.get("/api/index", headers={"authorization": wrong}).status_code == 401, wrong
    assert client.get("/api/index", headers={**bearer, "host": "search.example"}).status_code == 200
    assert client.post("/api/session").status_code == 401
    cookie = client.post("/api/session", headers=bearer).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert client.get("/api/index").status_code == 200  # with the cookie
    assert TOKEN not in log.getvalue()
    assert TOKEN not in repr(ServeSettings(token=TOKEN))


def test_slow_and_unannounced_bodies_end_in_time_and_are_not_kept(awaited: Callable[..., Any]) -> None:
    async def answer(parts: list[bytes], *, ends: bool) -> int:
        """Send parts to a guard of 1,000 bytes and 50 ms, then nothing; return the status."""
        status = []

        async def receive() -> dict[str, Any]:
            if not parts and not ends:
                await asyncio.sleep(20)
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts) or not ends}

        async def send(message: dict[str, Any]) -> None:
            status.append(message.get("status"))

        async def inner(_: Any, receive: Any, send: Any) -> None:
            body = (await receive())["body"]
            await send({"type": "http.response.start", "status": 200 + len(body), "headers": []})

        guard = Bodies(inner, Limits(upload_bytes=1000, body_seconds=0.05, held_bytes=1500))
        await guard({"type": "http", "headers": []}, receive, send)
        assert guard._held == 0
        return int(status[0] or 0)

    assert awaited(answer([b"abc", b"de"], ends=True)) == 205
    assert awaited(answer([b"abc"], ends=False)) == 408
    assert awaited(answer([bytes(600), bytes(600)], ends=True)) == 413


def test_a_bug_is_answered_without_its_story_and_logged_without_its_message(
    client: TestClient, index: ImageIndex, upload: Upload, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("/home/someone/private.png")

    monkeypatch.setattr(index, "search", broken)
    reply = client.post("/api/search", **upload())
    assert (reply.status_code, reply.json()) == (
        500,
        {"error": "the service met an error of its own; its log says where"},
    )
    crash = json.loads(log.getvalue().splitlines()[0])
    assert (crash["event"], crash["error"], crash["at"][-1].partition(":")[0]) == (
        "crash",
        "RuntimeError",
        "test_refusals.py",
    )
    assert "private" not in log.getvalue()
    assert "modstudy_crashes_total 1.0" in client.get("/metrics").text


def test_the_command_refuses_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = tmp_path / "token"
    short.write_text("abc")
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    for arguments, line in (
        ([tmp_path, "--host", "0.0.0.0"], f"a token is needed: set {TOKEN_VARIABLE}"),  # noqa: S104
        ([tmp_path, "--token-file", short], "a token has at least 16 printable ASCII characters"),
        ([tmp_path, "--token-file", tmp_path / "none"], "No such file or directory"),
        ([tmp_path], "not an index of images"),
    ):
        done = CliRunner().invoke(app, ["serve", *map(str, arguments)])
        assert done.exit_code == 2
        assert line in " ".join(done.output.split())
        assert "abc" not in done.output
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client", None)
    done = CliRunner().invoke(app, ["serve", str(tmp_path)])
    assert "needs the package prometheus-client: pip install 'modulation-study[serve]'" in done.output
