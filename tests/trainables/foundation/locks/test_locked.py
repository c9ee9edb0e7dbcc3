"""The lock of a file in real processes, with ``flock`` and where the file system has none."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from trainables.foundation.files import write_text_atomically
from trainables.foundation.locks.folder_store import FolderStore
from trainables.foundation.locks.lease import Lease, LeaseLostError
from trainables.foundation.locks.lock import Guard, LockHeldError, lease_folder, lease_of, locked, remove_lock

pytestmark = pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="the hook looks paths up in /proc")

ROOT = Path(__file__).resolve().parents[4]
SHORT_S = 1.0

HOLD = """
import os, sys
from pathlib import Path
from trainables.foundation.files import write_text_atomically
from trainables.foundation.locks.lock import Guard, locked
from study.journal.journal import JournalWriter

folder = Path(sys.argv[1])
guard = Guard(folder, (folder / "journal.jsonl",))
with locked(folder / "x.lock", 0, guard, float(sys.argv[2])), JournalWriter(folder / "journal.jsonl") as journal:
    print("held", flush=True)
    for order in map(str.strip, sys.stdin):
        if order == "end":
            break
        try:
            if order == "append":
                journal.append("note", of="mine")
            elif order == "raw":  # as one that was stopped between its last look and the write
                os.write(journal._descriptor, b"stale\\n")
            else:
                write_text_atomically(folder / "file", "mine")
            print("written", flush=True)
        except OSError as error:
            print(type(error).__name__, flush=True)
"""


@pytest.fixture
def leases(refuse_flock, tmp_path):
    refuse_flock()
    return tmp_path


@contextmanager
def holder(folder: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(folder), str(seconds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **pipes)  # noqa: S603 - our own interpreter and program
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


def answer(process: subprocess.Popen[str], order: str) -> str:
    process.stdin.write(order + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_on_a_disk_with_flock_no_lease_is_written(tmp_path):
    path = tmp_path / "x.lock"
    with holder(tmp_path, 30) as other:
        with pytest.raises(LockHeldError), locked(path, 0):
            raise AssertionError("never")
        other.kill()
        other.wait()
        with locked(path, 0) as held:
            held.require()
    assert lease_of(path) is None
    assert not lease_folder(path).exists()


@pytest.mark.parametrize("error", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_without_flock_the_second_is_refused_and_takes_it_when_the_first_has_ended(error, refuse_flock, tmp_path):
    refuse_flock(error)
    path = tmp_path / "x.lock"
    with holder(tmp_path, SHORT_S) as other:
        assert answer(other, "append") == "written"
        with pytest.raises(LockHeldError, match="another process holds this lock"), locked(path, 0):
            raise AssertionError("never")
        assert lease_of(path).holder.startswith(f"process {other.pid} on ")
        other.stdin.write("end\n")
        other.stdin.flush()
        assert other.wait() == 0
        begun = time.monotonic()
        with locked(path, 0, lease_s=60):
            assert time.monotonic() - begun < 10, "it was given back, so there is nothing to watch"
    assert lease_of(path) is None


def test_without_flock_a_killed_holder_of_this_machine_is_succeeded_at_once(leases):
    path = leases / "x.lock"
    with holder(leases, 600) as other:
        other.kill()
        other.wait()
        assert lease_of(path) is None
        with locked(path, 0, lease_s=600) as held:
            held.require()


def test_a_stopped_holder_is_succeeded_and_writes_nothing_when_it_wakes(leases):
    journal = leases / "journal.jsonl"
    with holder(leases, SHORT_S) as other:
        assert answer(other, "append") == "written"
        assert answer(other, "file") == "written"
        other.send_signal(signal.SIGSTOP)
        with locked(leases / "x.lock", 60, Guard(leases, (journal,)), SHORT_S) as held:
            write_text_atomically(leases / "file", "successor")
            before = journal.read_bytes()
            other.send_signal(signal.SIGCONT)
            assert answer(other, "raw") == "written", "it has looked before it was stopped"
            assert answer(other, "append") == "LeaseLostError"
            assert answer(other, "file") == "LeaseLostError"
            assert journal.read_bytes() == before
            assert b"mine" in before
            assert (leases / "file").read_text() == "successor"
            held.require()
            assert not held.lost


def test_a_lease_is_judged_by_watching_it_not_by_its_time(leases):
    path, ahead = leases / "x.lock", time.time() + 10**6
    for since in (ahead, time.time() - 10**6):
        record = Lease(FolderStore(leases), lease_folder(path).name, "process 1 on node-7", 0.5)
        with pytest.MonkeyPatch.context() as skewed:
            skewed.setattr(time, "time", lambda since=since: since)
            record.take()
        begun = time.monotonic()
        with locked(path, 0, lease_s=0.5):
            assert time.monotonic() - begun >= 0.5


def test_a_holder_that_loses_its_lease_is_told_once_and_gives_nothing_back(leases):
    told, path = [], leases / "x.lock"
    with locked(path, 0, Guard(leases, lost=lambda: told.append(1)), 60) as held:
        store, folder = FolderStore(leases), lease_folder(path).name
        (key,) = store.keys(folder)
        thief = key.replace("00000001", "00000002")
        assert store.create(thief, b'{"holder": "thief", "token": "t", "seconds": 60, "since": 0}')
        hold = held._hold
        assert not hold.renew()
        assert not hold.renew()
        with pytest.raises(LeaseLostError, match="another process has taken over"):
            held.require()
        with pytest.raises(LeaseLostError):
            write_text_atomically(leases / "deep" / "file", "mine")
    assert told == [1]
    assert lease_of(path).holder == "thief"
    write_text_atomically(leases / "deep" / "file", "of the next one")


def test_a_mount_without_flock_among_nodes_gets_a_lease_though_flock_would_answer(tmp_path, monkeypatch):
    mounts = [SimpleNamespace(mountpoint="/", fstype="lustre", opts="rw,localflock")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    path = tmp_path / "x.lock"
    with locked(path, 0):
        assert lease_of(path) is not None
    assert not path.exists()
    remove_lock(path)
    assert not list(tmp_path.iterdir())
    mounts[0].opts = "rw,flock"
    with locked(path, 0):
        assert lease_of(path) is None


def test_other_errors_of_a_lock_are_not_taken_for_a_lack_of_flock(tmp_path, refuse_flock):
    refuse_flock("EIO")
    with pytest.raises(OSError, match="no flock here"), locked(tmp_path / "x.lock", 0):
        raise AssertionError("never")
