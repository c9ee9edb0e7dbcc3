"""Arms that cost more than a study allows are left out of its plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from study.definition.model import StudyDefinition
from study.errors import UserError
from study.layout import RunFolder
from study.plan.document import read_plan, write_plan
from study.plan.plan import StudyPlan, compile_plan


def budget_of(definition: StudyDefinition, **limits: Any) -> StudyDefinition:
    space = {**definition.to_dict()["space"], "budget": limits}
    return StudyDefinition.model_validate({**definition.to_dict(), "space": space})


@pytest.mark.parametrize(
    ("name", "limit", "left"),
    [
        ("added_parameters", 200, ["shared", "late"]),
        ("added_parameters", 0, ["shared"]),
        ("bytes", 30_000, ["shared", "late"]),
        ("multiply_adds", "1e6", ["shared", "late"]),
        ("multiply_adds", None, ["shared", "separate", "late"]),
    ],
)
def test_arms_over_the_budget_are_left_out_and_named(plan: StudyPlan, name: str, limit: Any, left: list[str]) -> None:
    found = compile_plan(budget_of(plan.definition, **{name: limit}))
    assert [arm.arm.name for arm in found.arms] == left
    assert [arm.name for arm in found.over_budget] == [arm.arm.name for arm in plan.arms if arm.arm.name not in left]
    cost = {"added_parameters": "added_parameters", "bytes": "bytes_fp32", "multiply_adds": "multiply_adds_per_image"}
    for arm in found.over_budget:
        storage = next(planned.storage for planned in plan.arms if planned.arm.name == arm.name)
        assert arm.exceeded == (f"{name} {getattr(storage, cost[name]):,} > {float(limit):,.0f}",)
    assert found.trials == len(left) * (3 + len(plan.definition.confirm.seeds))


def test_a_budget_that_admits_no_arm_is_refused(plan: StudyPlan) -> None:
    with pytest.raises(UserError, match=r"^space\.budget: every arm exceeds it, even shared \(bytes .* > 10\); raise"):
        compile_plan(budget_of(plan.definition, bytes=10))
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        budget_of(plan.definition, bytes=-1)


def test_the_plan_file_keeps_what_was_over_the_budget(plan: StudyPlan, tmp_path: Path) -> None:
    folder, limited = RunFolder(tmp_path / "run"), compile_plan(budget_of(plan.definition, added_parameters=200))
    write_plan(limited, folder)
    assert json.loads(folder.plan.read_text())["over_budget"] == [str(limited.over_budget[0])]
    assert read_plan(folder).over_budget == limited.over_budget
