"""A form, a balancing method and a backbone that the packages know nothing of, from a study file to a trained trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

from study.definition.loading import load_study
from study.errors import UserError
from study.plan.plan import StudyPlan, compile_plan, plan_trial
from trainables.losses.balancing import BALANCERS, register_balancer
from trainables.networks.modulation import FORMS, register_form
from trainables.outcome import EpochRecord
from trainables.run import run_trial

PlanOf = Callable[..., StudyPlan]
BLOCK = {"form": ["shift_only"], "balancing": ["worst_only"]}


@pytest.fixture
def plan_of(tmp_path: Path, tiny_study: Any) -> PlanOf:
    """Plan a study file with this block and network."""

    def plan(block: dict[str, Any], **network: Any) -> StudyPlan:
        document = tiny_study(compute={"device": "cpu"}) | {"network": network, "space": {"blocks": [block]}}
        path = tmp_path / "extended.yaml"
        path.write_text(yaml.safe_dump(document))
        return compile_plan(load_study(path))

    return plan


def assert_trained_like_our_own(plan: StudyPlan, points: list[str], folder: Path) -> None:
    (arm,) = plan.arms
    planned = plan_trial(plan, arm, stage="confirm", round_=0, index=0, nuisance={}, train_seed=1)
    told: list[EpochRecord] = []
    outcome = run_trial(planned.config, report=told.append, workspace=folder / "trial", cache=folder / "cache")
    assert outcome.finished
    assert {row.split for row in outcome.task_metrics} == {"validation", "test"}
    weights = [value for name, value in told[0].metrics.items() if name.startswith("balancing/weight/")]
    assert sum(weights) == pytest.approx(1)
    saved = load_file(folder / "trial" / "weights.safetensors")
    shifts = {name: tensor for name, tensor in saved.items() if name.endswith(".shifts")}
    assert set(shifts) == {f"networks.0.modulations.{point}.shifts" for point in points}
    assert all((tensor != 0).any() for tensor in shifts.values())
    again = run_trial(planned.config, report=told.append, workspace=folder / "trial", cache=folder / "cache")
    assert again.task_metrics == outcome.task_metrics


@pytest.mark.usefixtures("installed")
def test_what_an_installed_package_brings_is_planned_counted_and_trained(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(BLOCK | {"placement": ["all"]}, backbone="tiny")
    (arm,) = plan.arms
    assert arm.arm.name == "all+shift_only+worst_only"
    assert arm.storage.added_parameters == 2 * (4 + 8)
    assert_trained_like_our_own(plan, ["stem", "head"], tmp_path)


@pytest.mark.usefixtures("registered")
def test_what_is_registered_is_planned_counted_and_trained(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(BLOCK | {"placement": [["res4", "fc"]]}, width=0.0625)
    (arm,) = plan.arms
    assert arm.arm.name == "res4,fc+shift_only+worst_only"
    assert arm.storage.added_parameters == 2 * (8 + 16)  # two tasks, res4 and fc at this width
    assert_trained_like_our_own(plan, ["res4", "fc"], tmp_path)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("form", "arms"),
    [
        ("shift_only", ["all+shift_only"]),  # looks neither at the initialization nor at the activation
        ("gates", [f"all{start}+gates{end}" for start in ("", "+normal(1,0.1)") for end in ("", "+none")]),
    ],
)
def test_levels_that_a_form_ignores_are_no_arms_of_their_own(form: str, arms: list[str], plan_of: PlanOf) -> None:
    block = {"placement": "all", "form": form, "initialization": ["ones", "normal"], "activation": ["relu", "none"]}
    plan = plan_of(block, backbone="tiny")
    assert sorted(planned.arm.name for planned in plan.arms) == sorted(arms)
    assert plan.duplicates == 4 - len(arms)


@pytest.mark.usefixtures("installed")
def test_a_form_declares_its_number_and_that_one_group_is_the_shared_network(plan_of: PlanOf) -> None:
    block = {"placement": "all", "form": ["bottleneck", "bottleneck(2)", "bottleneck(3)"], "grouping": "per_task"}
    plan = plan_of(block, backbone="tiny")
    assert [planned.arm.name for planned in plan.arms] == ["all+bottleneck(2)", "all+bottleneck(3)"]
    assert [planned.config.modulation.size for planned in plan.arms] == [2, 3]
    (bare,) = plan_of({"placement": "all", "form": "bottleneck", "grouping": "shared"}, backbone="tiny").arms
    assert bare.arm.name == "shared"


@pytest.mark.usefixtures("installed")
def test_an_entry_point_that_is_no_form_is_refused(plan_of: PlanOf) -> None:
    with pytest.raises(UserError, match=r"form 'no_form': expected a subclass of Modulation, got <function tiny"):
        plan_of({"form": "no_form"}, backbone="tiny")


@pytest.mark.parametrize("way", ["installed", "registered"])
@pytest.mark.parametrize(
    ("block", "backbone", "problem"),
    [
        (
            {"form": ["shift_onli"]},
            "tiny",
            r"^space.blocks\[0\].form: unknown form 'shift_onli'; did you mean 'shift_only'\?",
        ),
        ({"form": ["scales"]}, "tiny", r"space.blocks\[0\].form: unknown form 'scales'; did you mean 'scale'\?"),
        ({"balancing": ["worst_onli"]}, "tiny", r"unknown 'worst_onli'; did you mean 'worst_only'\?"),
        ({"balancing": ["pcgrat"]}, "tiny", r"balancing.method: unknown 'pcgrat'; did you mean 'pcgrad'\?"),
        ({}, "tinny", r"network.backbone: unknown 'tinny'; did you mean 'tiny'\?"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_trained(
    way: str, block: dict[str, Any], backbone: str, problem: str, plan_of: PlanOf, *, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(way)
    with pytest.raises(UserError, match=problem):
        plan_of(block, backbone=backbone)


def test_after_it_is_gone_the_name_is_unknown(plan_of: PlanOf) -> None:
    with pytest.raises(UserError, match="unknown form 'shift_only'"):
        plan_of({"form": ["shift_only"]}, width=0.0625)


def test_a_taken_name_is_refused(registered: ModuleType) -> None:
    with pytest.raises(ValueError, match="form 'shift_only' is registered already"):
        register_form("shift_only", FORMS["scale"])
    with pytest.raises(ValueError, match="balancing method 'pcgrad' is registered already"):
        register_balancer("pcgrad")(registered.WorstOnly)
    assert BALANCERS["pcgrad"] is not registered.WorstOnly
