"""The note of a worker at work; that one is ended for a hang is in ``tests/study/tune/test_runner.py``."""

from __future__ import annotations

import os

import pytest

from study.schedule.hang_watch import ended_when_hung, read_hang
from trainables.foundation.pulse import beat


@pytest.mark.parametrize("after_s", [60.0, None], ids=["with a limit", "without one"])
def test_a_worker_at_work_gives_signs_of_life(after_s, tmp_path):
    note = tmp_path / "hang.txt"
    with ended_when_hung(note, after_s):
        os.utime(note, (0, 0))
        beat()
        assert note.stat().st_mtime > 0
        assert read_hang(note) is None
    assert not note.exists()
