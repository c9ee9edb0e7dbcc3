"""Drivers of a study in a store: one at a time, and what becomes of the others and of a store that goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study.errors import UserError
from study.layout import RunFolder
from study.run_folder.driver import LEASE, driver_of
from study.run_folder.place import refreshed, run_folder_at
from study.run_folder.stored import driven, publish
from study.store.working_copy import open_copy
from trainables.foundation.locks.lease import Lease

pytestmark = pytest.mark.usefixtures("apart")


def test_two_drivers_the_second_is_refused_and_readers_know(s3_url, tmp_path):
    folder = RunFolder(tmp_path / "reader", s3_url)
    with driven(folder, 1.0) as here:
        (here.path / "plan.json").write_text("{}")
        publish(here)
        read = run_folder_at(Path(s3_url))
        assert (read.plan.read_text(), read.url) == ("{}", s3_url)
        assert driver_of(read) == "alive"
        with (
            pytest.raises(UserError, match=rf"{s3_url}: this study is already being run by process \d+ on "),
            driven(folder, 1.0),
        ):
            raise AssertionError("never")
        (here.path / "study.yaml").write_text("name: shoes")
        here.plan.unlink()
    assert driver_of(read) == "gone"
    assert refreshed(read) is read
    assert read.definition.read_text() == "name: shoes", "what was written last is there when the driver has ended"
    copy = open_copy(s3_url, "driver", tmp_path / "cache")
    assert copy.store.read("plan.json") is None


DRIVER_KILLED = """
import os, signal, sys
from pathlib import Path
from study.layout import RunFolder
from study.run_folder.stored import driven

with driven(RunFolder(Path("reader"), sys.argv[1])) as here:
    (here.path / "study.yaml").write_text("name: shoes")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_a_kill_on_this_machine_the_next_driver_does_not_wait(s3_url, tmp_path, caplog):
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", DRIVER_KILLED, s3_url],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    folder = RunFolder(tmp_path / "reader", s3_url)
    copy = open_copy(s3_url, "driver", tmp_path / "cache")
    _, record = Lease(copy.store, LEASE, "reader").current()
    assert record is not None
    assert not record.released
    started = time.monotonic()
    with driven(folder):
        assert time.monotonic() - started < record.seconds / 2
    assert "sign of life" not in caplog.text
    Lease(copy.store, LEASE, "process 1 on another machine", 0.3).take()
    with driven(folder):
        assert "process 1 on another machine drives this study, or was killed; waiting 0.3 s" in caplog.text


def test_a_store_that_is_gone_ends_the_run_in_one_line(s3, s3_url, tmp_path):
    folder = RunFolder(tmp_path / "reader", s3_url)
    with pytest.raises(UserError, match=rf"^{s3_url}: the store does not answer.*the same command resumes$"):
        _drive_while_it_goes_away(folder, s3)
    s3.answers.clear()


def _drive_while_it_goes_away(folder: RunFolder, s3) -> None:
    with driven(folder) as here:
        (here.path / "study.yaml").write_text("name: shoes")
        s3.answers[:] = [503] * 500
