"""The Multi-Process Service with a program that stands in for NVIDIA's: the real daemon needs a GPU."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from study.packing.mps.control import CONTROL, MpsPlace, MpsUnavailableError, daemons_of, end_daemon, place_of
from study.packing.mps.service import MpsService

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def root():
    """A folder with a short name, since sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="mps-"))
    yield folder
    for place in map(MpsPlace, folder.iterdir()):
        for process in daemons_of(place):
            process.kill()
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch, root):
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(root.parent / "no-mps-daemon-here"))


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more; where process 1 of a container reaps nobody, a zombie stays."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


DRIVER = """
import sys, time
from pathlib import Path
from study.packing.mps.control import MpsPlace
from study.packing.mps.service import MpsService

service = MpsService(MpsPlace(Path(sys.argv[1])))
service.start()
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture
def driver(root):
    """Start the service in another process, and return it with its place."""
    place = MpsPlace(root / "driver")
    process = subprocess.Popen([sys.executable, "-c", DRIVER, str(place.folder)], stdout=subprocess.PIPE)  # noqa: S603
    with process:
        assert process.stdout.readline() == b"started\n"
        yield process, place
        process.kill()
        wait_for(lambda: not place.folder.exists())  # its watchdog removes it, and nobody else may do so meanwhile


def test_the_daemon_starts_serves_and_ends_with_the_run(root):
    place = MpsPlace(root / "run")
    service = MpsService(place)
    service.start()
    (daemon,) = daemons_of(place)
    assert daemon.pid == int((place.pipes / f"{CONTROL}.pid").read_text())
    assert place.environment["CUDA_MPS_PIPE_DIRECTORY"] == str(place.pipes)
    service.end()
    assert has_ended(daemon)
    assert list(root.iterdir()) == []
    service.end()  # a second time changes nothing


def test_the_daemon_ends_when_its_driver_is_killed(driver):
    process, place = driver
    (daemon,) = daemons_of(place)
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not place.folder.exists())
    assert has_ended(daemon)


def test_the_next_run_ends_what_a_dead_run_and_its_watchdog_left(driver, root, caplog):
    process, left = driver
    (watchdog,) = (each for each in psutil.process_iter() if _watches(each, left))
    watchdog.kill()
    process.kill()
    process.wait()
    (daemon,) = daemons_of(left)
    service = MpsService(MpsPlace(root / "next"))
    service.start()
    assert has_ended(daemon)
    assert not left.folder.exists()
    assert f"{left.folder}: ended what a run that has died left" in caplog.text
    service.end()


def _watches(process: psutil.Process, place: MpsPlace) -> bool:
    try:
        return str(place.folder) in process.cmdline() and "study.packing.mps.watchdog" in process.cmdline()
    except psutil.Error:
        return False


def test_runs_side_by_side_leave_each_other_alone(driver, root):
    process, other = driver
    service = MpsService(MpsPlace(root / "run"))
    service.start()
    service.end()
    assert len(daemons_of(other)) == 1
    assert process.poll() is None


def test_a_daemon_that_does_not_obey_is_ended_all_the_same(root, monkeypatch):
    monkeypatch.setenv("STANDIN_DEAF", "1")
    monkeypatch.setattr("study.packing.mps.control._PATIENCE_S", 2.0)
    place = MpsPlace(root / "run")
    service = MpsService(place)
    service.start()
    (daemon,) = daemons_of(place)
    end_daemon(place)
    assert has_ended(daemon)
    service.end()


def test_a_daemon_that_runs_already_is_used_and_left_alone(driver, root, monkeypatch):
    _, theirs = driver
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(theirs.pipes))
    place = MpsPlace(root / "run")
    service = MpsService(place)
    service.start()
    assert place.pipes.resolve() == theirs.pipes
    assert daemons_of(place) == []
    service.end()
    assert len(daemons_of(theirs)) == 1
    assert not place.folder.exists()


def test_what_prevents_it_is_said(root, monkeypatch, tmp_path):
    service = MpsService(MpsPlace(root / "run"))
    (tmp_path / "refusal").write_text("permission denied\nand more")
    monkeypatch.setenv("STANDIN_REFUSAL", str(tmp_path / "refusal"))
    with pytest.raises(MpsUnavailableError, match=r"^nvidia-cuda-mps-control does not start: permission denied$"):
        service.start()
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(MpsUnavailableError, match=r"^nvidia-cuda-mps-control is not installed$"):
        service.start()
    (root / CONTROL).write_text("#!/bin/sh\n")  # nobody may run it
    with pytest.raises(MpsUnavailableError, match=r"^nvidia-cuda-mps-control may not be run by this user$"):
        service.start()
    (root / CONTROL).unlink()
    assert list(root.iterdir()) == []


def test_a_folder_that_others_may_enter_is_not_used(root):
    root.chmod(0o755)
    with pytest.raises(MpsUnavailableError, match="is not this user's own folder"):
        MpsService(MpsPlace(root / "run")).start()


def test_the_place_of_a_run_is_short_and_its_own(tmp_path):
    one, two = place_of(tmp_path / "one"), place_of(tmp_path / "two")
    assert one.folder.parent == two.folder.parent
    assert one != two
    assert len(str(one.pipes / "control")) < 60
