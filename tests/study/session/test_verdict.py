"""What a run says at its end of trials without a result, and how to train them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.definition.model import StudyDefinition
from study.layout import RunFolder
from study.session.running import _verdict
from study.session.target import Target
from study.tune.runner import RunSummary
from tests.study.conftest import SETTINGS


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(StudyDefinition.model_validate(SETTINGS), None, RunFolder(tmp_path), Path("shoes.yaml"))


def ended(**counts: int | tuple[str, ...]) -> RunSummary:
    none = {"completed": 4, "pruned": 1, "diverged": 0, "failed": 0, "waiting": 0}
    return RunSummary(**{**none, "arms_without_choice": (), "interrupted": False, **counts})


def test_nothing_is_said_of_a_run_whose_trials_all_have_results(target):
    assert not list(_verdict(target, ended()))


def test_trials_without_a_result_are_counted_with_the_command_that_names_causes(target):
    found = list(_verdict(target, ended(diverged=3, infeasible=1, arms_without_choice=("late",))))
    assert found == [
        "late: none of its tune trials ended with a finite objective, so it has no confirm trials",
        (
            "3 diverged and 1 infeasible: these trials have no result, and the sampler was told; causes: modstudy"
            " status shoes.yaml"
        ),
    ]


def test_an_infeasible_arm_is_trained_again_by_the_command_or_in_a_store_under_another_name(target, tmp_path):
    summary = ended(infeasible=2, arms_without_choice=("late",), infeasible_arms=("late",))
    assert "modstudy run shoes.yaml --retrain)" in next(_verdict(target, summary))
    stored = Target(target.definition, None, RunFolder(tmp_path, "s3://bucket/runs/shoes"), Path("shoes.yaml"))
    line = next(_verdict(stored, summary))
    assert "once the cause is mended: run the study under another name (--retrain works in a folder only)" in line
