"""A form, a balancing method and a backbone from another package: planned, counted, trained and reported like ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from study.definition.model import StudyDefinition
from study.errors import UserError
from study.plan.plan import compile_plan, plan_trial
from trainables.run import run_trial


def _definition(block: dict[str, Any], **sections: Any) -> StudyDefinition:
    return StudyDefinition.model_validate(
        {
            "name": "outside",
            "data": {
                "source": {"kind": "generated", "train_images": 24, "validation_images": 16, "test_images": 16},
                "tasks": ("Smiling", "Hat"),
                "image_size": 48,
            },
            "network": {"backbone": "tiny"},
            "batches": {"batch_size": 12},
            "optimization": {"epochs": 1, "steps_per_epoch": 2},
            "evaluation": {"triplets_per_task": 20},
            "compute": {"device": "cpu"},
            "space": {"blocks": [block]},
            **sections,
        }
    )


@pytest.mark.usefixtures("outside_pack")
def test_what_another_package_brings_is_studied_like_our_own(tmp_path: Path) -> None:
    plan = compile_plan(_definition({"placement": "all", "form": "shift_only", "balancing": "worst_only"}))
    (arm,) = plan.arms
    assert arm.arm.name == "all+shift_only+worst_only"
    assert arm.storage.added_parameters == 2 * (4 + 8)
    trial = plan_trial(plan, arm, stage="tune", round_=0, index=0, nuisance={}, train_seed=0)
    epochs: list[Any] = []
    outcome = run_trial(trial.config, report=epochs.append, workspace=tmp_path / "work", cache=tmp_path / "cache")
    assert outcome.finished
    weights = [value for name, value in epochs[0].metrics.items() if name.startswith("balancing/weight/")]
    assert sum(weights) == pytest.approx(1)


@pytest.mark.usefixtures("outside_pack")
@pytest.mark.parametrize(
    ("block", "network", "message"),
    [
        ({"form": "shift_onli"}, "tiny", r"^space.blocks\[0\].form: unknown form 'shift_onli'"),
        ({"balancing": "pcgard"}, "tiny", r"balancing.method: unknown 'pcgard'; did you mean 'pcgrad'\?"),
        ({}, "tinny", r"network.backbone: unknown 'tinny'"),
    ],
)
def test_a_name_that_nobody_brings_is_refused(block: dict[str, Any], network: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        compile_plan(_definition(block, network={"backbone": network}))
