"""One small index for all tests of the service, and clients of services on it."""

from __future__ import annotations

import asyncio
import functools
import io
import json
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from benchmarks.drawn_index import drawn_image, drawn_index
from study.serve.app import create_app
from study.serve.settings import ServeSettings
from trainables.index import ImageIndex

HOSTILE_NAMES = {
    0: "<img src=x onerror=alert(1)>.png",
    1: "\u202egnp.exe",
    2: "two\nlines.png",
    3: "/srv/private/photos/3.png",
}


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    """Thirty images, three tasks; some have names as an attacker would choose them."""
    return drawn_index(tmp_path_factory.mktemp("served") / "index", 30, HOSTILE_NAMES)


@pytest.fixture(scope="session")
def _journal() -> io.StringIO:
    """What all services write to."""
    return io.StringIO()


@pytest.fixture
def log(_journal: io.StringIO) -> io.StringIO:
    """What the services say during a test."""
    _journal.seek(0)
    _journal.truncate()
    return _journal


@pytest.fixture(scope="module")
def serving(index: ImageIndex, _journal: io.StringIO) -> Iterator[Callable[..., TestClient]]:
    """Gives a client of the service with these settings; a bug of the service is an answer for it, as for everybody.

    A service is started once and runs while the tests of a file do: it sets Pillow's limit for the whole process.
    """
    with ExitStack() as running:

        @functools.cache
        def client(settings: ServeSettings) -> TestClient:
            app = create_app(index, settings, _journal)
            made = TestClient(app, base_url="http://127.0.0.1:8321", raise_server_exceptions=False)
            return running.enter_context(made)

        yield lambda settings=ServeSettings(): client(settings)  # noqa: B008 - frozen


@pytest.fixture
def client(serving: Callable[..., TestClient]) -> TestClient:
    return serving()


@pytest.fixture
def upload() -> Callable[..., dict[str, Any]]:
    """What is posted to search with an image."""

    def form(content: bytes | None = None, name: str = "q.png", **question: Any) -> dict[str, Any]:
        asked = {"rankings": ["type"], **question}
        return {"files": {"image": (name, content or drawn_image(99))}, "data": {"query": json.dumps(asked)}}

    return form


@pytest.fixture
def awaited() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Runs a coroutine in a thread of its own: a browser of other tests keeps a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        yield lambda coroutine: thread.submit(asyncio.run, coroutine).result()


@pytest.fixture(scope="session")
def index_folder(index: ImageIndex) -> Path:
    return index.folder
