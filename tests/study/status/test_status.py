from __future__ import annotations

import time
from typing import Any

import pytest

from study.journal.index import read_states
from study.layout import RunFolder
from study.plan.plan import StudyPlan
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of, read_progress
from study.status.status import StudyStatus, study_status
from study.terminal.display import duration, scaled


def status_of(folder: RunFolder, after: float = 0.0) -> StudyStatus:
    return study_status(read_progress(folder), time.time() + after)


def test_nothing_has_begun(folder: RunFolder) -> None:
    status = status_of(folder)
    assert (status.done, status.total, status.complete) == (0, 15, False)
    assert [arm.waiting for arm in status.arms] == [5, 5, 5]
    assert status.seconds_left is None


def test_a_trial_in_every_state(plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    (shared, separate, late) = (state.tune for _, state in progress_of(plan, {}, DrawnRounds()).arms)
    journaling.start(shared[0], epochs=2)
    journaling.end(shared[0])
    journaling.start(shared[1], epochs=1)
    journaling.start(separate[0], epochs=1)
    journaling.append(separate[0], "failed", kind="out_of_memory", message="too\nlarge", traceback="")
    journaling.start(separate[1], epochs=1)
    journaling.append(separate[1], "failed", kind="diverged", message="nan", traceback="")
    journaling.start(late[0], epochs=1)
    journaling.append(late[0], "paused", epoch=1, objective=0.6)
    with folder.trial(late[0].trial_id).journal.open("ab") as file:
        file.write(b'{"eve')
    status = status_of(folder)
    one, two, three = status.arms
    assert (one.tune_done, one.tune_total, one.running, one.waiting) == (1, 3, 1, 3)
    assert one.objective == journaling.accuracy(shared[0])
    assert status.objective == "validation triplet accuracy (mean over queries and tasks)"
    assert (two.tune_done, two.failed, two.waiting) == (1, 1, 3)  # a diverged trial is done
    assert (three.paused, three.waiting) == (1, 4)
    assert (status.done, status.torn_lines, status.done_last_hour) == (2, 1, 2)
    (running,) = status.running
    assert (running.arm, running.stage, running.epoch, running.epochs, running.stalled) == (
        "shared",
        "tune",
        1,
        2,
        False,
    )
    assert [(failed.kind, failed.message, failed.final) for failed in status.failed] == [
        ("out_of_memory", "too large", False),
        ("diverged", "nan", True),
    ]
    assert status.seconds_left is None  # of the arm with two networks no trial has ended


def test_a_quiet_journal_is_stalled(plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    trial = progress_of(plan, {}, DrawnRounds()).arms[0][1].tune[0]
    journaling.start(trial, epochs=1)
    assert not status_of(folder, after=50).running[0].stalled
    assert status_of(folder, after=70).running[0].stalled


def test_an_arm_whose_trials_all_diverged_has_no_confirm_trials(
    plan: StudyPlan, folder: RunFolder, journaling: Any
) -> None:
    while tune := [u.trial for u in progress_of_folder(plan, folder) if u.trial.stage == "tune"]:
        journaling.start(tune[0], epochs=0)
        journaling.append(tune[0], "failed", kind="diverged", message="nan", traceback="")
    arm = status_of(folder).arms[0]
    assert (arm.tune_done, arm.confirm_total) == (3, 0)
    assert "3 tune trials" in arm.problem


def progress_of_folder(plan: StudyPlan, folder: RunFolder) -> tuple[Any, ...]:
    return progress_of(plan, read_states(folder), DrawnRounds(folder)).arms[0][1].ready


def test_a_finished_study(plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    journaling.play(plan)
    status = status_of(folder)
    assert status.complete
    assert status.done == status.total == 15
    assert status.seconds_left == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273600, "3 d 4 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (2600, "2.6 k"), (18_406_576, "18.4 M"), (1.2e9, "1.2 G"), (5e12, "5 T")],
)
def test_scaled_numbers(value: float, text: str) -> None:
    assert scaled(value) == text
