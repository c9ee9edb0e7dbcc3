"""A trial that was continued on another type of GPU, or by other versions, says so."""

from __future__ import annotations

from typing import Any

import pytest

from study.journal.history import read_history
from study.layout import RunFolder
from study.plan.plan import StudyPlan
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of, read_progress
from study.session.notes import moved_lines

ONE = {"torch": "2.13", "ray": "2.60", "gpu": "NVIDIA A100", "cuda": "13.0"}
OTHER = ONE | {"ray": "2.61", "gpu": "NVIDIA H100"}


@pytest.mark.parametrize(
    ("starts", "moved"),
    [
        ([(0, ONE), (1, ONE)], {}),
        ([(0, ONE), (0, OTHER)], {}),
        ([(0, ONE), (1, OTHER)], {"gpu": ("NVIDIA A100", "NVIDIA H100")}),
        ([(0, ONE), (1, OTHER), (1, ONE)], {"gpu": ("NVIDIA A100", "NVIDIA H100", "NVIDIA A100")}),
        ([(0, {"torch": "2.13"}), (1, OTHER)], {}),
    ],
    ids=["same", "from the start", "moved", "and back", "not recorded"],
)
def test_what_changed_under_a_trial_is_known(
    plan: StudyPlan, folder: RunFolder, journaling: Any, starts: Any, moved: Any
) -> None:
    trial = progress_of(plan, {}, DrawnRounds()).arms[0][1].tune[0]
    with_epoch = {"epoch": 1, "seconds": 0.5, "metrics": {}}
    journaling.append(trial, "planned", **trial.planned_event("tiny"))
    for number, (from_epoch, versions) in enumerate(starts, start=1):
        journaling.append(trial, "started", attempt=number, from_epoch=from_epoch, host="a", versions=versions)
        journaling.append(trial, "epoch", **with_epoch)
    history = read_history(folder.trial(trial.trial_id).journal)
    assert history is not None
    assert history.moved == moved
    lines = moved_lines(read_progress(folder, plan))
    assert bool(lines) == bool(moved)
    for line in lines:
        assert line.startswith(
            "1 trials were continued where other software or another GPU computes (gpu NVIDIA A100 to"
        )
