"""What a run notes about its start, and the page's lines about it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from study.layout import RunFolder
from study.run_folder.provenance import note_start, read_starts

CODE = Path(__file__).resolve().parents[3]


def test_a_start_names_code_packages_and_machine(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert read_starts(folder) == ()
    note_start(folder)
    (start,) = read_starts(folder)
    if (CODE / ".git").exists():
        command = ["git", "-C", str(CODE), "rev-parse", "HEAD"]
        head = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        assert start.commit == head.stdout.strip()
    assert start.packages["numpy"]
    assert len(start.lock) == 16
    assert int(start.machine["cores"]) > 0


def test_every_start_is_kept_and_damaged_lines_are_left_out(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    note_start(folder)
    with folder.provenance.open("a") as file:
        file.write('{"time": 1}\nno json\n')
    note_start(folder)
    first, second = read_starts(folder)
    assert first.time <= second.time
    assert first.lock == second.lock
