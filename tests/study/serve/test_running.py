"""The command as it runs: the page in a browser, requests made up from its schema, slow clients, and its end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from playwright.sync_api import Browser, Page, expect

from benchmarks.drawn_index import TASKS, drawn_image
from study.serve.settings import TOKEN_VARIABLE

TOKEN = "0123456789abcdef" * 2
REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass
class Running:
    process: subprocess.Popen[str]
    address: str
    log: Path

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", int(re.findall(r":(\d+)/", self.address)[0])), timeout=40)


@pytest.fixture(scope="module")
def running(index_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The command on a free port, with a token."""
    log = tmp_path_factory.mktemp("log") / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "study", "serve", str(index_folder), "--port", "0"],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), TOKEN_VARIABLE: TOKEN},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        yield Running(process, re.findall(r"http://\S+", line)[0], log)
    finally:
        process.kill()
        process.communicate(timeout=30)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes at the end what a test has opened."""
    with ExitStack() as stack:
        yield stack


@dataclass
class Watched:
    """A page, what it complained of and what it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda told: told.type in {"error", "warning"} and self.complaints.append(told.text))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("dialog", lambda shown: self.complaints.append(f"dialog {shown.message}"))

    def neighbours(self, side: str) -> list[str]:
        """Return the ids of a side, once all of them are there."""
        found = self.page.locator(f"[data-side={side}] .neighbours li")
        expect(found).to_have_count(12)
        return [str(one.get_attribute("data-id")) for one in found.all()]

    def settled(self) -> None:
        """Wait until the search under way has been answered."""
        expect(self.page.locator(".panels.busy")).to_have_count(0)

    def named(self, name: str) -> None:
        """Wait until the query is shown under a name."""
        expect(self.page.locator("#shown-name")).to_have_text(name)


@pytest.mark.long
def test_the_page_shows_two_tasks_side_by_side(running: Running, chromium: Browser) -> None:
    context = chromium.new_context(viewport={"width": 360, "height": 800}, color_scheme="dark")
    context.set_default_timeout(60_000)
    seen = Watched(context.new_page())
    page = seen.page
    page.goto(running.address)
    page.locator("#token").fill(TOKEN)
    page.keyboard.press("Enter")
    page.locator("#samples img").first.wait_for()
    assert [one for one in seen.complaints if "401" not in one] == []
    seen.complaints.clear()  # of the status 401 that makes the page ask for the token

    dropped = list(drawn_image(99))
    page.evaluate(
        "bytes => { const files = new DataTransfer(); files.items.add(new File([new Uint8Array(bytes)],"
        " '<b id=broken>\\u202equery.png')); document.getElementById('drop').dispatchEvent("
        "new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true })); }",
        dropped,
    )
    left, right = seen.neighbours("left"), seen.neighbours("right")
    assert left != right
    seen.named("<b id=broken>\\u{202e}query.png")

    page.locator("[data-side=right] [data-control=task]").select_option(TASKS[0])
    expect(page.locator("[data-side=right] .only")).to_have_count(0)
    seen.settled()
    assert seen.neighbours("left") == seen.neighbours("right") == left
    page.locator("[data-side=right] [data-control=unlike]").select_option(TASKS[2])
    expect(page.locator("[data-side=right] .only")).not_to_have_count(0)
    seen.settled()

    page.locator(f"[data-side=left] li[data-id='{left[2]}'] .pick").press("Enter")  # makes it the query
    expect(page.locator(f"[data-side=left] li[data-id='{left[2]}']")).to_have_count(0)
    seen.settled()
    page.locator(".why").first.click()
    expect(page.locator("dialog[open] tbody tr")).to_have_count(12)
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)

    page.locator("#samples button").first.click()  # of the image with a hostile name
    seen.named("<img src=x onerror=alert(1)>.png")
    seen.settled()
    page.locator("#samples button").nth(1).click()
    seen.settled()
    names = " ".join(page.locator(".name").all_inner_texts())
    assert "/srv/private" not in page.content()
    assert "\u202e" not in names
    expect(page.locator("#broken, .neighbours img[src=x]")).to_have_count(0)
    page.locator("#file").set_input_files({"name": "no.png", "mimeType": "image/png", "buffer": b"no image"})
    expect(page.locator("#alert")).to_be_visible()
    expect(page.locator("#alert")).to_contain_text("not a readable image")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert [one for one in seen.complaints if "415" not in one] == []
    assert {address for address in seen.asked if not address.startswith((running.address, "blob:"))} == set()
    context.close()


@pytest.mark.long
def test_requests_made_up_from_the_schema_meet_no_bug(running: Running, opened: ExitStack) -> None:
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    chosen = [not_a_server_error, checks.content_type_conformance, checks.response_schema_conformance]
    chosen.append(checks.status_code_conformance)
    authorized = {"Authorization": f"Bearer {TOKEN}"}
    schema = schemathesis.openapi.from_url(f"{running.address}openapi.json", headers=authorized)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 10

    session = opened.enter_context(requests.Session())
    for operation in operations:

        @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def holds(case: Any) -> None:
            case.call_and_validate(session=session, headers=authorized, checks=chosen)

        holds()


@pytest.mark.long
def test_silent_clients_are_cut_off_and_a_signal_ends_it_after_the_last_answer(
    running: Running, opened: ExitStack
) -> None:
    silent, slow = opened.enter_context(running.connected()), opened.enter_context(running.connected())
    silent.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    slow.sendall(
        b"POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n--x\r\n"
    )
    began = time.monotonic()
    assert silent.recv(100) == b""
    assert time.monotonic() - began < 30
    assert slow.recv(1000).startswith(b"HTTP/1.1 408")

    question = json.dumps({"query": "photos/5", "rankings": list(TASKS), "top": 30}).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    asked = Request(f"{running.address}api/search/indexed", question, headers)  # noqa: S310 - loopback
    late = opened.enter_context(running.connected())
    late.sendall(
        b"POST /api/search/indexed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        + f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(question)}\r\n\r\n".encode()
        + question[:10]
    )
    with urlopen(asked) as answer:  # noqa: S310 - the service has begun to receive the late one by now
        assert answer.status == 200
    running.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    late.sendall(question[10:])
    assert late.recv(1000).startswith(b"HTTP/1.1 200")
    assert running.process.wait(120) == 130
    told = running.log.read_text()
    assert told.splitlines()[-1] == "interrupted; nothing is lost"
    assert all(set(json.loads(line)) >= {"time", "event"} for line in told.splitlines()[:-1])
    assert {json.loads(line)["event"] for line in told.splitlines()[:-1]} == {"request"}
    assert TOKEN not in told
