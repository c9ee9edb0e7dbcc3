"""How a process ends that was told to stop."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys
from study.interruption import hear_signals_in_the_whole_process, keeping_the_exit_status
hear_signals_in_the_whole_process()
with keeping_the_exit_status():
    try:
        exec("os.kill(os.getpid(), signal.SIGINT); raise SystemError")
    except KeyboardInterrupt:
        print("kept", end="")
    sys.exit({status})
"""


@pytest.mark.parametrize("status", [130, 0])
def test_a_signal_heard_in_executed_text_leaves_the_exit_status_as_it_is(tmp_path: Path, status: int) -> None:
    (tmp_path / "program.py").write_text(PROGRAM.format(status=status))
    path = os.pathsep.join((str(tmp_path), str(Path(__file__).resolve().parents[2])))
    command = [sys.executable, "-m", "program"]  # only a module run so is ended by CPython
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)  # noqa: S603
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "kept", "")
