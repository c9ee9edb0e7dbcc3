"""A real disk that fills up while a study runs: said in one line, nothing lost, and the same command goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from study.journal.journal import JournalWriter
from trainables.failures import DiskFullError, typed_failures
from trainables.foundation.files import write_text_atomically
from trainables.outcome import EpochRecord
from trainables.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from trainables.training.records import TrialRecords


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB of its own: room for a run of seconds with its report."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    except FileNotFoundError:
        pytest.skip("there is no `mount` here to make a small disk with")
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here (it takes root): {mounted.stderr.strip()}")
    yield path
    subprocess.run([shutil.which("umount") or "umount", "--lazy", str(path)], check=True)  # noqa: S603


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError:
                return


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.xdist_group("ray")
def test_a_full_disk_ends_the_run_in_one_line_and_the_same_command_goes_on_when_there_is_room(
    site, undisturbed, disk, wait_for, assert_same
):
    driver = site.start(str(disk), "--workers", "2")
    wait_for(lambda: site.epochs(str(disk)) >= 3)
    fill(disk)
    outputs = [driver.communicate(timeout=600)[0]]
    assert driver.returncode == 2, outputs
    again = site.start(str(disk), "--workers", "2")  # while it is full still
    outputs.append(again.communicate(timeout=600)[0])
    assert again.returncode == 2, outputs
    for output in outputs:
        assert "Traceback" not in output
        (line,) = [line for line in output.splitlines() if "No space left on device" in line]
        assert line.startswith("error: ")
        assert str(disk) in line
        assert "free some space" in line
    (disk / "ballast").unlink()
    site.run(str(disk), "--workers", "2")
    assert_same(site.tables(str(disk)), undisturbed)


def test_a_file_that_does_not_fit_leaves_the_old_one_and_no_half(disk):
    path = disk / "plan.json"
    write_text_atomically(path, "old")
    fill(disk)
    with pytest.raises(OSError, match=r"No space left on device") as caught:
        write_text_atomically(path, "new" * 10_000)
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert {file.name for file in disk.iterdir()} == {"plan.json", "ballast"}


def test_a_checkpoint_that_does_not_fit_leaves_the_last_one_and_is_a_failure_of_the_disk(disk):
    def checkpoint(epoch: int, size: int) -> Checkpoint:
        model, none = {"weight": torch.zeros(size)}, dict[str, Any]()
        records = TrialRecords([EpochRecord(number, 0.1, {}) for number in range(1, epoch + 1)]).to_dict()
        return Checkpoint("trial", epoch, 1, model, none, none, none, peak_memory_bytes=0, records=records)

    path = disk / "checkpoint.pt"
    save_checkpoint(path, checkpoint(1, 10))
    with pytest.raises(DiskFullError, match="No space left on device"), typed_failures():
        save_checkpoint(path, checkpoint(2, 10_000_000))
    kept = load_checkpoint(path, "trial")
    assert kept is not None
    assert kept.epoch == 1
    assert [file.name for file in disk.iterdir()] == ["checkpoint.pt"]


def test_a_journal_that_met_a_full_disk_goes_on_in_a_line_of_its_own(disk):
    path = disk / "journal.jsonl"
    with JournalWriter(path) as journal:
        journal.append("planned", trial_id="a")
        fill(disk)
        with pytest.raises(OSError, match=r"No space left on device|written in part") as caught:
            journal.append("epoch", metrics=["x"] * 100_000)
        assert caught.value.filename == str(path)
        (disk / "ballast").unlink()
        journal.append("finished")
    first, *_, last = path.read_text().splitlines()
    assert [json.loads(line)["event"] for line in (first, last)] == ["planned", "finished"]
