"""The mirror of a bucket, on a real server of the S3 protocol."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import time

import fsspec
import pytest

from trainables.sources.remote import mirror as module
from trainables.sources.remote.listing import refuse_keys
from trainables.sources.remote.mirror import mirror
from trainables.sources.remote.place import checked_address

FILES = {"a.txt": b"one", "deep/er/b.txt": b"two", "deep/c.txt": b"three"}


@pytest.fixture
def again(monkeypatch, own_cache):
    """Mirror as another process on the same node would."""

    def ask(url):
        monkeypatch.setattr(module, "_mirrored", {})
        return mirror(url, own_cache)

    return ask


def read(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fetched(s3):
    """The keys that the server was asked for since the last time."""
    found = sorted(path.split("/", 3)[3] for verb, path in s3.seen if verb == "GET" and path.count("/") >= 3)
    s3.seen.clear()
    return found


def test_a_process_asks_once_and_the_next_fetches_only_what_changed(bucket, put, s3, again, own_cache):
    put(f"{bucket}/x", FILES)
    s3.seen.clear()
    folder = again(f"{bucket}/x")
    assert read(folder) == FILES
    assert folder.name == "x"
    assert fetched(s3) == sorted(FILES)
    assert mirror(f"{bucket}/x", own_cache) == folder
    assert s3.seen == []
    again(f"{bucket}/x")
    assert fetched(s3) == []
    put(f"{bucket}/x", {"a.txt": b"new", "d": b"four"})
    fsspec.filesystem("s3").rm(f"{bucket}/x/deep/er/b.txt")
    s3.seen.clear()
    assert read(again(f"{bucket}/x")) == {"a.txt": b"new", "deep/c.txt": b"three", "d": b"four"}
    assert fetched(s3) == ["a.txt", "d"]
    assert not (folder / "deep" / "er").exists()


def test_a_file_that_was_damaged_here_is_fetched_again(bucket, put, s3, again):
    put(f"{bucket}/x", FILES)
    folder = again(f"{bucket}/x")
    (folder / "a.txt").write_bytes(b"two")
    (folder / "deep" / "c.txt").unlink()
    (folder / "no object").write_bytes(b"")
    s3.seen.clear()
    assert read(again(f"{bucket}/x")) == FILES
    assert fetched(s3) == ["a.txt", "deep/c.txt"]


def test_an_interrupted_mirror_goes_on(bucket, put, s3, again, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    files = {f"{number:02}": b"%d" % number for number in range(12)}
    put(f"{bucket}/x", files)
    s3.answers[:] = [200] * 7 + [403] * 20
    with pytest.raises(ValueError, match=r"x: '\d\d': access is denied"):
        again(f"{bucket}/x")
    s3.calm()
    notes = next(path for path in module_home().rglob(".fetched.jsonl"))
    done = [json.loads(line)[0] for line in notes.read_text().splitlines()]
    assert 0 < len(done) < 12
    with notes.open("a") as file:
        file.write('["11", 2, "cut')  # by a kill
    assert read(again(f"{bucket}/x")) == files
    assert fetched(s3) == sorted(set(files) - set(done))
    assert not list(module_home().rglob(".parts"))


def test_a_killed_process_leaves_a_mirror_that_goes_on(bucket, put, s3, again, own_cache):
    files = {f"{number:02}": b"%d" % number for number in range(60)}
    put(f"{bucket}/x", files)
    s3.delay_s = 0.1
    code = "import sys, pathlib; from trainables.sources.remote.mirror import mirror; "
    code += "mirror(sys.argv[1], pathlib.Path(sys.argv[2]))"
    killed = subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", code, f"{bucket}/x", str(own_cache)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    notes, end = [], time.monotonic() + 60
    while not any(path.stat().st_size for path in notes) and time.monotonic() < end:
        time.sleep(0.01)
        notes = list(own_cache.rglob(".fetched.jsonl"))
    killed.kill()
    killed.wait()
    s3.calm()
    assert read(again(f"{bucket}/x")) == files
    assert set(fetched(s3)) < set(files)


def module_home():
    from trainables.sources.remote.place import node_cache

    return node_cache() / module.MIRRORS


def test_an_object_becomes_a_folder_and_a_folder_an_object(bucket, put, again):
    put(f"{bucket}/x", {"a": b"1", "b/c": b"2"})
    again(f"{bucket}/x")
    fsspec.filesystem("s3").rm([f"{bucket}/x/a", f"{bucket}/x/b/c"])
    put(f"{bucket}/x", {"a/d": b"3", "b": b"4"})
    assert read(again(f"{bucket}/x")) == {"a/d": b"3", "b": b"4"}


def test_one_object_is_a_file(bucket, put, again):
    put(bucket, {"lists/shoes.csv": b"file,kind\n", "lists/shoes.csv.old": b"", "other": b"2"})
    path = again(f"{bucket}/lists/shoes.csv")
    assert path.name == "shoes.csv"
    assert path.read_bytes() == b"file,kind\n"
    assert read(path.parent) == {"shoes.csv": b"file,kind\n"}
    assert again(f"{bucket}/lists/shoes.csv") == path


def test_a_failing_server_is_asked_again_and_one_that_stays_away_is_one_line(bucket, put, s3, again):
    put(f"{bucket}/x", FILES)
    s3.answers[:] = [500, 200, 503, 200, 500]
    assert read(again(f"{bucket}/x")) == FILES
    s3.answers[:] = [500] * 50
    with pytest.raises(ValueError, match=f"^{bucket}/x: the store does not answer: ") as caught:
        again(f"{bucket}/x")
    assert "\n" not in str(caught.value)
    s3.answers[:] = [403] * 50
    with pytest.raises(ValueError, match=f"^{bucket}/x: access is denied"):
        again(f"{bucket}/x")


@pytest.mark.parametrize("end", ["/nothing", "-of-nobody/x"])
def test_an_empty_prefix_and_a_missing_bucket_are_one_line(bucket, again, end):
    with pytest.raises(ValueError, match=f"^{bucket}{end}: no such bucket, or nothing below this URL$"):
        again(bucket + end)


def test_keys_that_cannot_be_files_are_refused_before_anything_is_fetched(bucket, put, again, s3, tmp_path):
    put(f"{bucket}/x", {"a": b"1", "a/b": b"2"})
    s3.seen.clear()
    with pytest.raises(ValueError, match="key 'a' is an object and the folder of 'a/b'"):
        again(f"{bucket}/x")
    assert fetched(s3) == []
    put(f"{bucket}/y", {"a": b"1", "../../../../out": b"2"})
    with pytest.raises(ValueError, match=r"key '\.\./\.\./\.\./\.\./out' is no path inside a folder"):
        again(f"{bucket}/y")
    assert not list(tmp_path.rglob("out"))


@pytest.mark.parametrize("key", ["../x", "a/../x", "/x", "a//x", "./x", "a\0", "a/" + "x" * 256])
def test_unsafe_keys(key):
    with pytest.raises(ValueError, match="s3://b: key ") as caught:
        refuse_keys("s3://b", ["fine", key])
    assert repr(key) in str(caught.value)


def test_a_disk_without_space_is_one_line_before_anything_is_fetched(bucket, put, s3, again, monkeypatch):
    put(f"{bucket}/x", FILES)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(9, 9, 10))
    s3.seen.clear()
    with pytest.raises(OSError, match=r"of s3://.*/x are to be fetched, and 1e-08 GB are free here") as caught:
        again(f"{bucket}/x")
    assert caught.value.errno == errno.ENOSPC
    assert fetched(s3) == []


def test_a_disk_that_fills_up_meanwhile_is_the_systems_error_at_once(bucket, put, s3, again):
    put(f"{bucket}/x", {"large": b"x" * 2_000_000})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    s3.seen.clear()
    try:
        with pytest.raises(OSError, match="File too large"):
            again(f"{bucket}/x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(fetched(s3)) == 1
    assert again(f"{bucket}/x").joinpath("large").stat().st_size == 2_000_000


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("s4://bucket/x", r"no store of kind s4:// is known; known: s3://"),
        ("s3://key:hidden@bucket/x", "no login and no query"),
        ("s3://bucket/x?X-Amz-Signature=hidden", "no login and no query"),
        ("s3://bucket/../x", "must not be empty, '.' or '..'"),
    ],
)
def test_addresses_that_are_refused(url, rule):
    with pytest.raises(ValueError, match=rule) as caught:
        checked_address(url)
    assert "hidden" not in str(caught.value)


def test_a_missing_package_is_one_line(monkeypatch, again):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "gs", raising=False)
    with pytest.raises(ValueError, match=r"gs://bucket/x: needs the package gcsfs: pip install 'modul.*\[gcs\]'"):
        again("gs://bucket/x")


def test_googles_protocol(google, put, again):
    put(f"{google}/x", FILES)
    folder = again(f"{google}/x")
    assert read(folder) == FILES
    kept = (folder / "deep" / "c.txt").stat()
    put(f"{google}/x", {"a.txt": b"new"})
    fsspec.filesystem("gs").rm(f"{google}/x/deep/er/b.txt")
    assert read(again(f"{google}/x")) == {"a.txt": b"new", "deep/c.txt": b"three"}
    assert (folder / "deep" / "c.txt").stat() == kept
    with pytest.raises(ValueError, match="no such bucket, or nothing below this URL"):
        again("gs://of-nobody/x")
