"""The device of a study: chosen once, kept by its run, and no part of ids where it is the CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from study.cli import app
from study.definition.loading import load_study
from study.definition.model import StudyDefinition
from study.errors import UserError
from study.layout import RunFolder
from study.plan.checks import refuse_missing_device
from study.plan.device import PlannedDevice, chosen_device
from study.plan.document import read_plan, write_plan
from study.plan.foresight import foreseen
from study.plan.plan import StudyPlan, compile_plan
from study.plan.run_files import renew_plan, write_study_as_run
from study.schedule.progress import read_progress
from study.session.target import Target

NO_GPU, ONE_GPU = (lambda: 0.0), (lambda: 1.0)


def never() -> float:
    raise AssertionError("asked for GPUs, though they decide nothing")


def asking(plan: StudyPlan, **sections: Any) -> StudyDefinition:
    return StudyDefinition.model_validate({**plan.definition.to_dict(), **sections})


@pytest.mark.parametrize(
    ("sections", "here", "kept", "expected"),
    [
        ({}, NO_GPU, None, "cpu"),
        ({}, ONE_GPU, None, "cuda"),
        ({}, never, "cuda", "cuda"),
        ({}, never, "cpu", "cpu"),
        ({"resources": {"gpus": 0}}, never, "cuda", "cpu"),
        ({"resources": {"gpus": 0.25}}, never, "cpu", "cuda"),
        ({"compute": {"device": "cpu"}}, never, "cuda", "cpu"),
        ({"compute": {"device": "mps"}, "resources": {"gpus": 1}}, never, None, "mps"),
    ],
)
def test_the_device_follows_what_is_named_then_what_is_kept_then_what_is_there(
    plan: StudyPlan, sections: Any, here: Any, kept: Any, expected: str
) -> None:
    assert chosen_device(asking(plan, **sections), here, kept) == expected


def test_a_gpu_is_reserved_whole_unless_a_share_is_named(plan: StudyPlan) -> None:
    def gpus(device: str, **sections: Any) -> float:
        return compile_plan(asking(plan, **sections), device=PlannedDevice(device)).gpus  # type: ignore[arg-type]

    assert (gpus("cpu"), gpus("cuda"), gpus("mps")) == (0, 1, 0)
    assert gpus("cuda", resources={"gpus": 0.25}) == 0.25


def ids(plan: StudyPlan, folder: RunFolder) -> list[str]:
    return [trial.trial.trial_id for trial in read_progress(folder, plan).trials]


def test_the_cpu_adds_nothing_to_ids_and_another_device_does(plan: StudyPlan, folder: RunFolder) -> None:
    named = compile_plan(asking(plan, compute={"device": "cpu"}))
    on_gpu = compile_plan(plan.definition, device=PlannedDevice("cuda"))
    assert ids(plan, folder) == ids(named, folder)
    assert not set(ids(plan, folder)) & set(ids(on_gpu, folder))
    assert {arm.config.compute.device for arm in on_gpu.arms} == {"cuda"}


def test_a_run_keeps_the_device_it_was_planned_with(plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    on_gpu = compile_plan(plan.definition, device=PlannedDevice("cuda"))
    write_plan(on_gpu, folder)
    journaling.play(on_gpu)
    assert json.loads(folder.plan.read_text())["device"] == "cuda"
    assert read_plan(folder).device.kind == "cuda"
    assert read_progress(folder).done == on_gpu.trials
    again = Target(plan.definition, None, folder).compile(never)
    assert read_progress(folder, again).done == on_gpu.trials
    write_study_as_run(plan.definition, folder)
    folder.plan.write_text("")
    assert Target(plan.definition, None, folder).compile(never).device.kind == "cuda"
    renew_plan(folder)
    assert read_plan(folder).device.kind == "cuda"


@pytest.mark.skipif("__import__('torch').cuda.is_available()", reason="this machine has the device")
def test_a_run_begun_on_a_gpu_is_read_anywhere_and_continued_only_where_there_is_one(
    study_file: Path, plan: StudyPlan, folder: RunFolder, journaling: Any
) -> None:
    on_gpu = compile_plan(plan.definition, device=PlannedDevice("cuda"))
    write_plan(on_gpu, folder)
    journaling.play(on_gpu)
    for command in ("status", "collect", "report", "plan"):
        assert CliRunner().invoke(app, [command, str(study_file)]).exit_code == 0
    refused = CliRunner().invoke(app, ["run", str(study_file)])
    assert refused.exit_code == 2
    said = " ".join(refused.output.split())
    assert "were planned for the device cuda, which this machine lacks" in said
    assert "with resources: {gpus: 0} and another folder for the runs (--runs-dir)" in said
    with pytest.raises(UserError, match=r"compute.device: 'cuda' is not available"):
        refuse_missing_device(compile_plan(asking(plan, compute={"device": "cuda"})), folder)


def without_device(folder: RunFolder) -> None:
    """Make the plan what older code wrote."""
    document = json.loads(folder.plan.read_text())
    document.pop("device")
    document.pop("cpu_in_ids", None)
    folder.plan.write_text(json.dumps(document))


@pytest.mark.parametrize("named", ["auto", "cpu"])
def test_a_run_from_before_plans_held_a_device_keeps_its_trials(
    plan: StudyPlan, folder: RunFolder, journaling: Any, named: str
) -> None:
    before = compile_plan(
        asking(plan, compute={"device": named}), device=PlannedDevice("cpu", cpu_in_ids=named == "cpu")
    )
    write_plan(before, folder)
    journaling.play(before)
    without_device(folder)
    assert read_progress(folder).done == before.trials
    again = Target(before.definition, None, folder).compile(never)
    assert again.device == PlannedDevice("cpu", cpu_in_ids=named == "cpu")
    write_plan(again, folder)
    for plan_ in (read_plan(folder), Target(plan.definition, None, folder).compile(never)):
        assert read_progress(folder, plan_).done == before.trials
    folder.plan.write_text("")
    assert Target(before.definition, None, folder).compile(never).device == again.device


def test_a_study_moved_to_another_device_is_trained_again_only_on_request(study_file: Path, played: RunFolder) -> None:
    settings = yaml.safe_load(study_file.read_text())
    study_file.write_text(yaml.safe_dump(settings | {"resources": {"gpus": 1}}))
    refused = CliRunner().invoke(app, ["run", str(study_file)])
    assert refused.exit_code == 2
    said = " ".join(refused.output.split())
    assert "they were planned for the device cpu, and the study now asks for cuda" in said
    assert "--retrain" in said


@pytest.mark.parametrize("gpus", ["many", -1, True, ".nan"])
def test_what_is_no_number_of_gpus_is_refused(study_file: Path, gpus: Any) -> None:
    study_file.write_text(f"{study_file.read_text()}resources: {{gpus: {gpus}}}\n")
    with pytest.raises(UserError, match=r"resources.gpus: should be auto or a number of at least 0, got"):
        load_study(study_file)


def test_tf32_without_a_gpu_is_refused_and_not_ignored(plan: StudyPlan) -> None:
    definition = asking(plan, compute={"precision": "tf32"})
    with pytest.raises(UserError, match=r"compute.precision: tf32 exists on the device cuda only.* is cpu; set fp32"):
        compile_plan(definition)
    assert compile_plan(definition, device=PlannedDevice("cuda")).arms[0].config.compute.precision == "tf32"
    assert foreseen(compile_plan(asking(plan, compute={"precision": "tf32", "device": "cuda"})), elsewhere=True) == ()
