from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from study.errors import UserError, system_error_line
from study.store.objects import ObjectStore
from trainables.foundation.locks.folder_store import FolderStore
from trainables.foundation.objects import requests
from trainables.foundation.objects.address import address_of, shown
from trainables.foundation.objects.requests import StoreError


@pytest.fixture(params=["folder", "s3"])
def any_store(request, tmp_path):
    return FolderStore(tmp_path) if request.param == "folder" else request.getfixturevalue("store")


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(requests, "_FIRST_PAUSE_S", 0.01)


def test_a_store_reads_what_was_written_and_lists_what_is_there(any_store):
    assert any_store.read("a/b") is None
    assert any_store.keys("a") == []
    any_store.write("a/b", b"1")
    any_store.write("a/b", b"2")
    any_store.write("a/c/d", b"3")
    assert any_store.read("a/b") == b"2"
    assert any_store.keys("a") == ["a/b", "a/c/d"]
    assert any_store.keys("") == ["a/b", "a/c/d"]
    any_store.delete("a/b")
    any_store.delete("a/b")
    assert any_store.keys("a") == ["a/c/d"]


def test_of_writers_who_create_one_object_one_succeeds(any_store):
    won, start = [], threading.Barrier(6)

    def create(number: int) -> None:
        start.wait()
        if any_store.create("one", f"writer {number}".encode()):
            won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert any_store.read("one") == f"writer {won[0]}".encode()
    assert any_store.keys("") == ["one"]


def test_a_server_that_fails_for_a_while_is_asked_again_and_one_that_stays_away_is_an_error_in_one_line(store, s3):
    s3.answers[:] = [500, 503, 500]
    store.write("a", b"1")
    s3.answers[:] = [500]
    assert store.read("a") == b"1"
    s3.answers[:] = [500] * 50
    with pytest.raises(StoreError, match="the store does not answer") as caught:
        store.read("a")
    assert caught.value.filename == store.place


def test_a_store_that_denies_access_is_not_asked_again(store, s3):
    s3.seen.clear()
    s3.answers[:] = [403] * 50
    with pytest.raises(StoreError, match="access is denied") as caught:
        store.read("a")
    assert caught.value.filename == store.place
    assert "check the login (for S3 the AWS_ variables, on every node)" in system_error_line(caught.value)
    assert len(s3.seen) == 1


def test_a_missing_login_is_told_from_a_store_that_is_away(s3, monkeypatch):
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()  # a client keeps the login with which it was made
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(StoreError, match="access is denied: Unable to locate credentials") as caught:
        ObjectStore("s3://bucket/runs").keys("")
    s3fs.S3FileSystem.clear_instance_cache()
    assert "check the login" in system_error_line(caught.value)
    assert not s3.seen


def test_a_bug_of_ours_is_no_store_that_does_not_answer(store):
    with pytest.raises(TypeError):
        store.write("a", None)


def test_a_creation_that_took_effect_before_the_server_failed_is_ours(store, s3):
    s3.answers[:], s3.applied_first = [500], True
    assert store.create("a", b"mine")
    assert not store.create("a", b"another's")
    assert store.read("a") == b"mine"


def test_a_store_that_ignores_the_condition_is_refused(store, monkeypatch):
    store.refuse_unconditional()
    assert store.keys("") == []
    monkeypatch.setattr(store, "create", lambda _key, _content: True)
    with pytest.raises(UserError, match=r"two writers create the same object \(it ignores If-None-Match"):
        store.refuse_unconditional()


def test_an_unknown_protocol_and_a_missing_package_are_one_line_each(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "gs", raising=False)
    with pytest.raises(UserError, match="no store of this kind is known; known: s3://"):
        ObjectStore("ftp://host/runs")
    with pytest.raises(UserError, match=r"needs the package gcsfs: pip install 'modulation-study\[gcs\]'"):
        ObjectStore("gs://bucket/runs")


def test_addresses_and_paths():
    assert address_of("s3://bucket/runs/") == address_of(Path("s3://bucket/runs")) == "s3://bucket/runs"
    assert [address_of(place) for place in ("runs", "/abs/runs", "./a:b", "~/x", "C")] == [None] * 5
    assert shown(Path("s3://bucket/a")) == "s3://bucket/a"
    assert shown(Path("runs/a")) == "runs/a"


def test_the_probe_refuses_googles_emulator_which_ignores_the_condition(google):
    store = ObjectStore(f"{google}/runs/shoes")
    store.write("a/b", b"1")
    assert store.read("a/b") == b"1"
    assert store.keys("a") == ["a/b"]
    store.delete("a/b")
    assert store.read("a/b") is None
    with pytest.raises(UserError, match="two writers create the same object"):
        store.refuse_unconditional()
