"""The note of a worker at work; that one is ended for a hang is in ``tests/study/tune/test_runner.py``."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys

import pytest

from study.schedule.hang_watch import ended_when_hung, read_note
from trainables.foundation.pulse import beat


@pytest.mark.parametrize("after_s", [60.0, None], ids=["with a limit", "without one"])
def test_a_worker_at_work_gives_signs_of_life(after_s, tmp_path):
    note = tmp_path / "hang.txt"
    with ended_when_hung(note, after_s):
        os.utime(note, (0, 0))
        beat()
        assert note.stat().st_mtime > 0
        assert read_note(note) is None
    assert not note.exists()


FAULTS = """
import ctypes, os, sys, threading
from pathlib import Path
from study.schedule.hang_watch import ended_when_hung

def at_fault():
    ctypes.string_at(8)

def aborting():
    os.abort()

with ended_when_hung(Path(sys.argv[1]), 60.0):
    waiting = threading.Thread(target=threading.Event().wait, daemon=True)
    waiting.start()
    {"wrong": at_fault, "abort": aborting}[sys.argv[2]]()
"""


@pytest.mark.parametrize(
    ("which", "ended_by", "told", "where"),
    [
        ("wrong", signal.SIGSEGV, "Segmentation fault", "string_at"),
        ("abort", signal.SIGABRT, "Aborted", "aborting"),
    ],
)
def test_a_fault_of_the_process_is_noted_with_its_place(which, ended_by, told, where, tmp_path):
    note = tmp_path / "hang.txt"
    command = [sys.executable, "-c", FAULTS, str(note), which]
    ended = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own code
    assert ended.returncode == -ended_by
    found = read_note(note)
    assert found is not None
    assert found.fault == told
    assert found.place.endswith(f"in {where}"), "the newest frame of the thread, and not of the one that waits"


def test_faults_are_told_as_before_once_the_work_is_over(tmp_path):
    faulthandler.enable(file=sys.__stderr__)
    with ended_when_hung(tmp_path / "hang.txt", 60.0):
        pass
    assert faulthandler.is_enabled()
    faulthandler.disable()
    with ended_when_hung(tmp_path / "hang.txt", 60.0):
        assert faulthandler.is_enabled()
    assert not faulthandler.is_enabled()
