"""What ``status`` says of a run whose driver was stopped, killed, or lives on another machine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from study.cli import app
from study.definition.halving import HalvingSection
from study.definition.loading import dump_study
from study.journal.index import read_states
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import StudyPlan, compile_plan
from study.run_folder.driver import driver_of
from study.run_folder.run_lock import run_lock
from study.schedule.dispatch import Dispatcher
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of, read_progress
from study.status.status import study_status

HOLD = """
import sys, time
from pathlib import Path
from study.layout import RunFolder
from study.run_folder.run_lock import run_lock
with run_lock(RunFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def a_driver(folder: RunFolder) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the run as ``modstudy run`` does."""
    command = [sys.executable, "-c", HOLD, str(folder.path)]
    root = Path(__file__).resolve().parents[3]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)  # noqa: S603
    try:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "held\n"
        yield driver
    finally:
        driver.kill()
        driver.communicate()


def status_as_printed(folder: RunFolder) -> str:
    result = CliRunner().invoke(app, ["status", str(folder.path)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def begun(plan: StudyPlan, folder: RunFolder, journaling: Any) -> RunFolder:
    """A run whose first trial has done one of its two epochs."""
    folder.definition.write_text(dump_study(plan.definition))
    journaling.start(progress_of(plan, {}, DrawnRounds()).arms[0][1].tune[0], epochs=1)
    return folder


def test_a_trial_whose_driver_was_killed_is_interrupted_at_once(begun: RunFolder) -> None:
    with a_driver(begun) as driver:
        alive = status_as_printed(begun)
        assert "running: shared tune 0" in alive
        assert "1 of 2 epochs done, last line" in alive
        assert "interrupted" not in alive
        driver.kill()
        driver.wait()
        gone = status_as_printed(begun)
    assert "interrupted: shared tune 0" in gone
    assert "running: " not in gone
    assert "nothing is running; resume with: modstudy run" in gone
    document = json.loads(CliRunner().invoke(app, ["status", str(begun.path), "--json"]).output)
    arm = document["arms"][0]
    assert (arm["running"], arm["interrupted"], document["running"], len(document["interrupted"])) == (0, 1, [], 1)


def test_a_run_that_was_never_driven_or_said_goodbye_is_interrupted(begun: RunFolder) -> None:
    assert driver_of(begun) == "gone"
    with run_lock(begun):
        assert driver_of(begun) == "alive"
    assert driver_of(begun) == "gone"
    assert "interrupted: shared tune 0" in status_as_printed(begun)


def test_a_driver_on_another_machine_whose_lock_cannot_be_seen_may_live(begun: RunFolder) -> None:
    begun.lock.write_text(json.dumps({"pid": 7, "host": "node-7", "since": time.time()}))
    assert driver_of(begun) == "unknown"
    assert "running: shared tune 0" in status_as_printed(begun)


def test_looking_at_a_run_is_not_in_the_way_of_a_driver(begun: RunFolder) -> None:
    with a_driver(begun):
        for _ in range(20):
            assert driver_of(begun) == "alive"
        assert json.loads(begun.lock.read_text())["pid"]  # looking leaves the holder's name


def test_pruned_trials_count_as_done_and_as_part_of_the_total_wherever_both_are_said(
    tmp_path: Path, plan: StudyPlan, journaling: Any
) -> None:
    search = plan.definition.search.model_copy(
        update={"round_size": 3, "halving": HalvingSection(rungs=(1,), keep=0.3)}
    )
    halved = compile_plan(plan.definition.model_copy(update={"search": search}))
    folder = RunFolder(tmp_path / "halved")
    write_plan(halved, folder)
    folder.definition.write_text(dump_study(halved.definition))
    own = type(journaling)(folder)
    for trial in progress_of(halved, {}, DrawnRounds()).arms[0][1].tune:
        own.start(trial, epochs=1)
        own.append(trial, "paused", epoch=1, objective=own.accuracy(trial))
    dispatcher = Dispatcher(halved, folder, read_states(folder))
    workload, progress = dispatcher.workload(), read_progress(folder)
    status = study_status(progress, time.time())
    assert status.arms[0].pruned == 2
    assert (status.done, status.total, status.done_last_hour) == (2, 15, 2)
    assert (workload.trials_done, workload.trials_total) == (progress.done, progress.total) == (2, 15)
    assert "2 of 15 trials done, 2 of them in the last hour" in status_as_printed(folder)
    document = json.loads(CliRunner().invoke(app, ["plan", str(folder.path), "--json"]).output)
    assert (document["trials_done"], document["trials"]) == (2, 15)
