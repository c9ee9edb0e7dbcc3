"""The mirror's process: with a real store, killed, left by its driver, asked by it, and with one that never answers."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from study.definition.tracking_address import store_address
from study.layout import RunFolder
from study.tracking.background.process import MirrorProcess
from study.tracking.background.protocol import Assignment

PATIENCE_S = 120  # on a machine that is busy with other things
SOON_S = 10

DRIVER = """
import sys, time
from pathlib import Path
from study.definition.tracking_address import store_address
from study.layout import RunFolder
from study.tracking.background.process import MirrorProcess

folder = RunFolder(Path(sys.argv[1]))
mirror = MirrorProcess(store_address(folder, sys.argv[2] or None), "tiny", folder, every_s=0.05)
mirror.start()
print(mirror.pid, flush=True)
print(mirror.catch_up() if not sys.argv[2] else "", flush=True)
assert not {"mlflow", "sqlalchemy", "pandas"} & sys.modules.keys()
time.sleep(600)
"""


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


def _mirror(folder: RunFolder, uri: str | None = None, **options: float) -> MirrorProcess:
    return MirrorProcess(store_address(folder, uri), "tiny", folder, every_s=0.05, **options)


def _driver(folder: RunFolder, uri: str = "") -> tuple[subprocess.Popen[str], psutil.Process]:
    """Start a driver, and return it with its mirror once that has made a pass, or has been told to."""
    command = [sys.executable, "-c", DRIVER, str(folder.path), uri]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - the code is this file's
    assert driver.stdout is not None
    mirror = psutil.Process(int(driver.stdout.readline()))
    assert driver.stdout.readline() in {"True\n", "\n"}
    driver.stdout.close()
    return driver, mirror


def _is_connected(process: psutil.Process, uri: str) -> bool:
    port = int(uri.rpartition(":")[2])
    return any(found.raddr and found.raddr.port == port for found in process.net_connections("tcp"))


def _wait_for(condition) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.02)


def test_a_killed_mirror_is_said_once_and_a_sync_completes_it(folder, play, caplog):
    play.start(folder, "t1")
    mirror = _mirror(folder)
    mirror.start()
    assert mirror.catch_up()
    assert mirror.lacking() == ""
    assert play.runs(folder.mlflow_store)["trial:t1"].info.status == "RUNNING"
    assert caplog.text == ""
    os.kill(mirror.pid, signal.SIGKILL)
    play.finish(folder, "t1")
    assert not mirror.catch_up()
    assert not mirror.catch_up()
    assert mirror.lacking() == ""  # unknown
    mirror.stop()
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith("the MLflow mirror has ended (killed by signal 9); trials continue without it")
    assert play.tracker(folder).sync(folder).trials_updated == 1
    assert play.runs(folder.mlflow_store)["trial:t1"].info.status == "FINISHED"


def test_a_mirror_that_cannot_start_says_why_without_a_password(folder, tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2-hunter2")
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "__init__.py").write_text("raise ImportError('torn by hunter2-hunter2')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    mirror = _mirror(folder)
    mirror.start()
    assert not mirror.catch_up()
    mirror.stop()
    (said,) = (record.getMessage() for record in caplog.records)
    assert "has ended (status 1: " in said
    assert "ImportError: torn by ***); trials continue" in said


def test_signals_of_a_job_do_not_end_it_and_its_command_line_holds_no_address(folder, play, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2-hunter2")
    play.start(folder, "t1")
    mirror = _mirror(folder)
    mirror.start()
    assert mirror.catch_up()
    process = psutil.Process(mirror.pid)
    assert process.cmdline()[1:] == ["-m", "study.tracking.background.child"]
    assert os.getsid(mirror.pid) == mirror.pid
    assert process.nice() == min(19, psutil.Process().nice() + 5)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
    assert mirror.catch_up()
    mirror.stop()
    assert not process.is_running()


def test_a_driver_that_is_killed_takes_its_mirror_with_it_and_the_next_one_doubles_nothing(folder, play):
    play.start(folder, "t1")
    driver, process = _driver(folder)
    driver.kill()
    driver.wait()
    play.finish(folder, "t1")
    mirror = _mirror(folder)  # at once: the other may still be there
    mirror.start()
    process.wait(SOON_S)
    assert mirror.catch_up()
    mirror.stop()
    runs = play.runs(folder.mlflow_store)
    assert len(runs) == 3
    assert runs["trial:t1"].info.status == "FINISHED"


def test_a_mirror_ends_with_its_driver_while_a_request_hangs(folder, silent):
    driver, process = _driver(folder, silent)
    _wait_for(lambda: _is_connected(process, silent))
    driver.kill()
    driver.wait()
    process.wait(SOON_S)


def test_a_store_that_falls_silent_holds_up_neither_the_end_nor_ctrl_c(folder, play, silent, caplog):
    play.start(folder, "t1")
    mirror = _mirror(folder, silent, patience_s=0.5)
    mirror.start()
    begun = time.monotonic()
    assert not mirror.catch_up()
    assert not mirror.catch_up()
    mirror.stop()
    assert time.monotonic() - begun < SOON_S
    at_ctrl_c = _mirror(folder, silent)
    at_ctrl_c.start()
    _wait_for(lambda: _is_connected(psutil.Process(at_ctrl_c.pid), silent))
    begun = time.monotonic()
    at_ctrl_c.stop()
    assert time.monotonic() - begun < SOON_S
    first, second = (record.getMessage() for record in caplog.records)
    assert "has not answered in time: after " in first
    assert "after 5 s it lacks 1 trial (t1); the next run" in second


def test_an_assignment_arrives_as_it_was_sent(tmp_path):
    folder = RunFolder(Path(os.fsdecode(b"/odd/\xff")), "s3://bucket/runs/odd")
    for uri in (None, "postgresql://ann:s3cr3t@db/runs", "http://server"):
        sent = Assignment(folder, store_address(RunFolder(tmp_path), uri), "an \u540d name", 2.5)
        assert "s3cr3t" not in repr(sent)
        assert Assignment.from_line(sent.to_line()) == sent
