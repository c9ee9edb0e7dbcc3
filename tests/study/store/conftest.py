"""A real S3 server on loopback, which can be told to fail."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from benchmarks.s3_server import S3Server
from study.store import working_copy
from study.store.objects import ObjectStore
from trainables.foundation.objects import requests


@pytest.fixture
def s3_url(s3: S3Server) -> str:
    import s3fs

    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    s3fs.S3FileSystem().mkdir(bucket)
    return f"s3://{bucket}/runs/shoes"


@pytest.fixture
def store(s3_url: str) -> ObjectStore:
    return ObjectStore(s3_url)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give the test its own cache, and forget its copies at the end."""
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(requests, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(working_copy, "_copies", {})
