"""What ``plan.json`` records of what was counted: it changes nothing but what has to be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from study.definition.loading import dump_study, load_study
from study.definition.model import StudyDefinition
from study.layout import RunFolder
from study.plan.counted import counted_in
from study.plan.document import plan_document, read_plan, write_plan
from study.plan.plan import StudyPlan, compile_plan
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of, read_progress
from trainables.config.registries import FORMS, FormTraits, traits_of


@pytest.fixture
def folder(plan: StudyPlan, tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    write_plan(plan, folder)
    folder.definition.write_text(dump_study(plan.definition), encoding="utf-8")
    return folder


def with_record(folder: RunFolder, change: Any) -> None:
    document = json.loads(folder.plan.read_text())
    change(document)
    folder.plan.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("command", "spared", "told"),
    [
        ("status", {"torch", "pandas", "optuna", "ray", "matplotlib"}, "trials done"),
        ("collect", {"torch", "optuna", "ray", "matplotlib"}, "tables:"),
    ],
)
def test_what_a_command_does_not_import(
    folder: RunFolder, plan: StudyPlan, command: str, spared: set[str], told: str
) -> None:
    progress_of(plan, {}, DrawnRounds(folder))  # the first round of each arm is on record
    program = "import sys; from study.cli import app; app(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
    line = [sys.executable, "-c", program, command, str(folder.path)]
    shown = subprocess.run(line, check=True, capture_output=True, text=True).stdout.splitlines()  # noqa: S603 - our own program
    assert not spared & set(shown[-1].split())
    assert any(told in line for line in shown)


def test_a_plan_with_its_record_reads_as_it_was_compiled(folder: RunFolder, plan: StudyPlan) -> None:
    counted = counted_in(json.loads(folder.plan.read_text()))
    assert counted is not None
    assert {arm.arm.arm_id: counted.ledger(arm.arm.arm_id) for arm in plan.arms} == {
        arm.arm.arm_id: arm.storage for arm in plan.arms
    }
    assert read_plan(folder) == plan
    assert {arm.arm.arm_id: arm.cost_on_record for arm in read_plan(folder).arms} == {
        arm.arm.arm_id: arm.training_cost for arm in plan.arms
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("counted"),  # a folder of older code
        lambda document: document["counted"].update(by="of other code", stages=["nowhere"]),
        lambda document: document["counted"].pop("ledgers"),
        lambda document: document["counted"].pop("training_costs"),
        lambda document: document["counted"]["training_costs"].popitem(),
        lambda document: document["counted"].update(ledger_of={"an arm": 99}),
        lambda document: document.update(counted=["damaged"]),
        lambda document: document["counted"].update(ledger_of={}),  # arms that are not on record are counted
    ],
)
def test_a_record_that_does_not_count_is_made_up_for(folder: RunFolder, plan: StudyPlan, change: Any) -> None:
    with_record(folder, change)
    assert read_plan(folder) == plan


def test_trials_have_the_same_ids_with_and_without_the_record(folder: RunFolder, plan: StudyPlan) -> None:
    drawn = progress_of(plan, {}, DrawnRounds(folder))
    ids = [trial.trial.trial_id for trial in drawn.trials]
    assert len(ids) > 2
    assert [trial.trial.trial_id for trial in read_progress(folder).trials] == ids
    with_record(folder, lambda document: document.pop("counted"))
    assert [trial.trial.trial_id for trial in read_progress(folder).trials] == ids


def test_a_record_of_this_code_is_believed(folder: RunFolder, plan: StudyPlan) -> None:
    def another(document: Any) -> None:
        document["counted"]["ledgers"][0][0]["parameters"] += 1

    with_record(folder, another)
    assert read_plan(folder).arms[0].storage.parameters == plan.arms[0].storage.parameters + 1


def test_a_definition_that_was_changed_is_counted_anew(folder: RunFolder, plan: StudyPlan) -> None:
    with_record(folder, lambda document: document["definition"]["network"].update(width=0.5))
    assert read_plan(folder).arms[0].storage.parameters > 2 * plan.arms[0].storage.parameters


@pytest.mark.parametrize("sections", [{"budget": "both"}, {"compute": {"fused": 2}}])
def test_what_takes_more_than_is_recorded_is_not_recorded(study_file: Path, sections: dict[str, Any]) -> None:
    definition = StudyDefinition.model_validate({**load_study(study_file).to_dict(), **sections})
    assert "counted" not in plan_document(compile_plan(definition))


@pytest.mark.parametrize("form", sorted(FORMS.built_in))
def test_traits_on_record_are_those_of_the_class(form: str) -> None:
    declared = FORMS[form]
    recorded = FormTraits.of(declared)
    for field in fields(FormTraits):
        assert getattr(recorded, field.name) == getattr(declared, field.name) == getattr(traits_of(form), field.name)
