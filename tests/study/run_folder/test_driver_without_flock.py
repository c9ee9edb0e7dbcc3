"""Two drivers of one run folder on storage that has no ``flock``."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from study.errors import UserError
from study.layout import RunFolder
from study.run_folder.driver import driver_of
from study.run_folder.run_lock import run_lock
from trainables.foundation.locks.lock import lease_of

HOLD = """
import sys, time
from pathlib import Path
from study.errors import UserError
from study.layout import RunFolder
from study.run_folder.run_lock import run_lock
try:
    with run_lock(RunFolder(Path(sys.argv[1])), float(sys.argv[2])):
        print("held", flush=True)
        try:
            time.sleep(120)
        except KeyboardInterrupt:
            print("ends", flush=True)  # as a run does, which returns how far it came
except UserError as error:
    print(error, flush=True)
"""


@contextmanager
def a_driver(folder: RunFolder, lease_s: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(folder.path), str(lease_s)]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program
    try:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "held\n"
        yield driver
    finally:
        driver.send_signal(signal.SIGCONT)
        driver.kill()
        driver.communicate()


@pytest.fixture
def unlocked(refuse_flock, tmp_path) -> RunFolder:
    refuse_flock()
    return RunFolder(tmp_path / "run")


def test_the_second_is_refused_with_the_same_words_and_readers_know(unlocked, caplog):
    assert driver_of(unlocked) == "gone"
    with a_driver(unlocked, 1.0) as driver:
        assert driver_of(unlocked) == "alive"
        with pytest.raises(UserError, match=f"this study is already being run by process {driver.pid} on "):
            run_lock(unlocked, 1.0).__enter__()
        assert f"process {driver.pid} on " in caplog.text
        assert "waiting 1 s for a sign of life" in caplog.text
    assert driver_of(unlocked) == "gone", "it was killed, on this machine"
    caplog.clear()
    with run_lock(unlocked, 600):
        assert driver_of(unlocked) == "alive"
    assert driver_of(unlocked) == "gone"
    assert not caplog.text


def test_a_driver_that_was_stopped_for_too_long_ends_with_one_line_and_leaves_the_folder_alone(unlocked):
    with a_driver(unlocked, 1.0) as driver:
        driver.send_signal(signal.SIGSTOP)
        with run_lock(unlocked, 1.0) as held:
            note = unlocked.lock.read_text()
            driver.send_signal(signal.SIGCONT)
            assert driver.stdout.readline() == "ends\n"
            assert driver.stdout.readline() == (
                f"{unlocked.path}: another process has taken over this study, or its storage has not answered for 1 s;"
                " this one ends\n"
            )
            assert driver.wait(60) == 0
            held.require()
            assert unlocked.lock.read_text() == note


def test_a_driver_elsewhere_that_says_nothing_for_long_may_live(unlocked, monkeypatch):
    with a_driver(unlocked, 60), monkeypatch.context() as elsewhere:
        elsewhere.setattr("trainables.foundation.locks.process._machine", lambda: "another one")
        assert lease_of(unlocked.lock) is not None
        now = time.time()
        elsewhere.setattr(time, "time", lambda: now + 200)
        assert driver_of(unlocked) == "unknown"


def test_storage_whose_flock_does_not_reach_other_nodes_is_asked_for_leases(tmp_path, monkeypatch):
    from types import SimpleNamespace

    import psutil

    mounts = [SimpleNamespace(mountpoint="/", fstype="nfs", opts="rw,vers=3,nolock,local_lock=all")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    folder = RunFolder(Path(tmp_path) / "run")
    with run_lock(folder):
        assert lease_of(folder.lock) is not None
        assert driver_of(folder) == "alive"
    assert driver_of(folder) == "gone"
