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
    ("form", "arms"),
    [
        ("shift_only", ["all+shift_only"]),  # looks neither at the initialization nor at the activation
        ("gates", [f"all{start}+gates{end}" for start in ("", "+normal(1,0.1)") for end in ("", "+none")]),
    ],
)
def test_levels_that_a_form_ignores_are_no_arms_of_their_own(form: str, arms: list[str]) -> None:
    block = {"placement": "all", "form": form, "initialization": ["ones", "normal"], "activation": ["relu", "none"]}
    plan = compile_plan(_definition(block))
    assert sorted(planned.arm.name for planned in plan.arms) == sorted(arms)
    assert plan.duplicates == 4 - len(arms)


@pytest.mark.usefixtures("outside_pack")
def test_a_form_declares_its_number_and_that_one_group_is_the_shared_network() -> None:
    block = {"placement": "all", "form": ["bottleneck", "bottleneck(2)", "bottleneck(3)"], "grouping": "per_task"}
    plan = compile_plan(_definition(block))
    assert [planned.arm.name for planned in plan.arms] == ["all+bottleneck(2)", "all+bottleneck(3)"]
    assert [planned.config.modulation.size for planned in plan.arms] == [2, 3]
    (bare,) = compile_plan(_definition({"placement": "all", "form": "bottleneck", "grouping": "shared"})).arms
    assert bare.arm.name == "shared"


@pytest.mark.usefixtures("outside_pack")
def test_an_entry_point_that_is_no_form_is_refused() -> None:
    with pytest.raises(UserError, match=r"form 'no_form': expected a subclass of Modulation, got <function tiny"):
        compile_plan(_definition({"form": "no_form"}))


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
