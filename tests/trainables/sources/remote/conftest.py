"""Buckets on servers of this machine: moto's for S3, and an emulator of Google's storage."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from benchmarks.s3_server import S3Server
from trainables.foundation.objects import requests
from trainables.sources.remote import mirror


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the test a cache of its own and a process that has asked for nothing yet."""
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(requests, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(mirror, "_mirrored", {})
    return tmp_path / "cache"


@pytest.fixture
def bucket(s3: S3Server) -> str:
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    fsspec.filesystem("s3").mkdir(name)
    return f"s3://{name}"


def put(url: str, files: dict[str, bytes]) -> None:
    """Put objects below a URL."""
    system = fsspec.filesystem(url.partition("://")[0], use_listings_cache=False)
    for key, content in files.items():
        system.pipe_file(f"{url.partition('://')[2]}/{key}", content)


@pytest.fixture(name="put")
def putting() -> Callable[[str, dict[str, bytes]], None]:
    return put
