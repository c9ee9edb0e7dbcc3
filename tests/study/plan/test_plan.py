from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from study.definition.loading import load_study
from study.definition.model import StudyDefinition
from study.errors import UserError
from study.journal.journal import JournalWriter
from study.layout import RunFolder
from study.plan.arm_config import Nuisance, with_values
from study.plan.document import read_plan, write_plan
from study.plan.plan import PlannedTrial, StudyPlan, compile_plan, plan_trial
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of
from study.session.edits import edits_line
from study.session.target import Target
from trainables.config.trial import TrialConfig


def changed(definition: StudyDefinition, **sections: object) -> StudyDefinition:
    return StudyDefinition.model_validate({**definition.to_dict(), **sections})


def test_arms_become_trial_configurations(plan: StudyPlan) -> None:
    configs = {arm.arm.name: arm.config for arm in plan.arms}
    assert list(configs) == ["shared", "separate", "late"]
    assert configs["shared"].modulation.points == ()
    assert configs["shared"].network_groups == (("Smiling", "Glasses"),)
    assert configs["separate"].network_groups == (("Smiling",), ("Glasses",))
    assert configs["late"].modulation.points == ("res4", "res5", "fc")
    assert configs["late"].modulation.groups == (("Smiling",), ("Glasses",))
    assert {config.train_seed for config in configs.values()} == {0}


def test_the_storage_of_arms_is_known(plan: StudyPlan) -> None:
    storage = {arm.arm.name: arm.storage for arm in plan.arms}
    assert storage["shared"].added_parameters == 0
    assert storage["separate"].added_parameters == storage["shared"].parameters
    assert 0 < storage["late"].added_parameters < 200


def test_duplicates_are_counted(study_file: Path) -> None:
    definition = load_study(study_file)
    block = {"placement": ["none", "late"], "initialization": ["ones", "normal(1,0.1)"]}
    plan = compile_plan(changed(definition, space={"blocks": [block]}))
    assert (len(plan.arms), plan.duplicates) == (3, 1)
    assert plan.tune_trials(plan.arms[0]) == 1  # nothing to tune


RANGES = {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}, "margin": {"low": 0.1, "high": 0.4}}
MASKS = {"mask_l1": {"low": 1e-5, "high": 1e-2, "log": True}}


@pytest.mark.parametrize(
    ("blocks", "nuisance", "search", "trials"),
    [
        ([{"placement": "none"}], {}, {}, 1),
        ([{"placement": "none"}], {"margin": RANGES["margin"]}, {}, 8),
        ([{"placement": "none"}], RANGES, {}, 12),
        ([{"placement": "none"}], RANGES, {"trials_per_arm": 3}, 3),
        ([{"placement": "none"}], RANGES | MASKS, {}, 12),  # no arm has masks
        ([{"placement": ["none", "late"]}], RANGES | MASKS, {}, 16),  # one has: equal effort for all
        ([{"placement": "none"}], {"margin": [0.1, 0.2, 0.3]}, {}, 3),  # there are no more distinct trials
    ],
)
def test_trials_per_arm_suit_the_number_of_tuned_values(study_file, blocks, nuisance, search, trials) -> None:
    definition = load_study(study_file)
    plan = compile_plan(changed(definition, space={"blocks": blocks, "nuisance": nuisance}, search=search))
    assert {plan.tune_trials(arm) for arm in plan.arms} == {trials}


def test_every_trial_of_a_study_with_rungs_may_end_its_schedule_at_each(study_file: Path) -> None:
    definition = load_study(study_file)
    halving = {"rungs": [1, 2], "schedule": "restart"}
    training = {"epochs": 4}
    plan = compile_plan(changed(definition, search={"halving": halving}, optimization=training))
    assert {arm.config.optimization.restarts for arm in plan.arms} == {(1, 2)}
    whole = compile_plan(
        changed(definition, search={"halving": halving | {"schedule": "whole"}}, optimization=training)
    )
    assert {arm.config.optimization.restarts for arm in whole.arms} == {()}
    with pytest.raises(ValueError, match=r"optimization.restarts follow from search.halving.rungs \[1, 2\]"):
        changed(definition, search={"halving": halving}, optimization=training | {"restarts": (1, 3)})


def test_arms_at_equal_cost_take_fewer_steps(study_file: Path) -> None:
    definition = load_study(study_file)
    steps = compile_plan(definition)
    cost = compile_plan(changed(definition, budget="multiply_adds"))
    both = compile_plan(changed(definition, budget="both"))
    assert [arm.arm.name for arm in cost.arms] == [arm.arm.name for arm in steps.arms] == ["shared", "separate", "late"]
    assert [arm.arm.name for arm in both.arms] == [
        *("shared", "separate", "separate+multiply_adds", "late", "late+multiply_adds")
    ]
    assert {arm.arm.arm_id for arm in both.arms} == {arm.arm.arm_id for arm in (*steps.arms, *cost.arms)}
    assert cost.arms[0].config == steps.arms[0].config  # the shared network is the same trial in both
    assert [arm.training_cost for arm in cost.arms] == [1.0] * 3
    assert steps.arms[1].training_cost == len(definition.data.tasks)
    assert cost.arms[1].config.optimization.step_share == pytest.approx(1 / len(definition.data.tasks), rel=1e-5)


def test_an_arm_whose_steps_cost_no_more_is_trained_once(study_file: Path) -> None:
    slots = {"scheme": "triplets", "batch_size": 18}
    plan = compile_plan(changed(load_study(study_file), budget="both", batches=slots))
    assert [arm.arm.name for arm in plan.arms] == ["shared", "separate", "late"]


OWN = {
    "blocks": [
        {"placement": "none", "balancing": ["equal", "gradnorm"]},
        {"placement": "late", "form": ["scale", "weight_mask"]},
    ],
    "nuisance": {"margin": {"low": 0.1, "high": 0.4}},
    "tune_own": True,
}


def test_values_of_a_form_or_method_are_tuned_in_its_arms_only(study_file: Path) -> None:
    definition = load_study(study_file)
    plan = compile_plan(changed(definition, space=OWN, search={}))
    tuned = {
        name: set(arm.tune[0].nuisance)
        for name, arm in ((planned.arm.name, arm) for planned, arm in progress_of(plan, {}, DrawnRounds()).arms)
    }
    assert tuned == {
        "shared": {"margin"},
        "shared+gradnorm": {"margin", "gradnorm_alpha"},
        "late": {"margin", "rate_factor"},
        "late+weight_mask": {"margin", "score_steps", "rate_factor"},
    }
    assert {plan.tune_trials(arm) for arm in plan.arms} == {16}  # equal effort, whatever an arm tunes
    asked = changed(definition, space=OWN, search={})
    assert edits_line(Target(asked, study_file, RunFolder(study_file.parent)), plan) is None  # nobody changed anything
    again = compile_plan(plan.definition)
    assert again.definition.space == plan.definition.space
    fixed = compile_plan(changed(definition, space=OWN | {"fixed": {"score_steps": 10.0}}))
    assert set(fixed.definition.space.nuisance) == {"margin", "rate_factor", "gradnorm_alpha"}
    assert not compile_plan(changed(definition, space=OWN | {"tune_own": False})).definition.space.nuisance.keys() - {
        "margin"
    }


def test_fixed_nuisance_values_go_into_every_trial(study_file: Path) -> None:
    space = {"catalog": "default", "nuisance": {"margin": [0.1, 0.3]}, "fixed": {"learning_rate": 0.004}}
    plan = compile_plan(changed(load_study(study_file), space=space))
    assert {arm.config.optimization.learning_rate for arm in plan.arms} == {0.004}


def test_a_trial_gets_its_values_seed_and_splits(plan: StudyPlan) -> None:
    values = {"learning_rate": 0.002, "margin": 0.3, "weight_decay": 0.1, "images_per_batch": 9}
    trial = plan_trial(plan, plan.arms[0], stage="confirm", round_=0, index=1, nuisance=values, train_seed=7)
    config = trial.config
    assert (config.optimization.learning_rate, config.loss.margin, config.optimization.weight_decay) == (
        0.002,
        0.3,
        0.1,
    )
    assert (config.batches.batch_size, config.train_seed) == (9, 7)
    assert config.evaluation.splits == ("validation", "test")
    tune = plan_trial(plan, plan.arms[0], stage="tune", round_=0, index=1, nuisance=values, train_seed=0)
    assert tune.config.evaluation.splits == ("validation",)


def test_the_trial_id_holds_what_decides_the_result_and_nothing_else(plan: StudyPlan) -> None:
    def id_of(plan: StudyPlan, index: int = 0, rate: float = 0.002, seed: int = 0) -> str:
        values = {"learning_rate": rate}
        arm = plan.arms[2]
        return plan_trial(plan, arm, stage="tune", round_=index, index=index, nuisance=values, train_seed=seed).trial_id

    same = compile_plan(changed(plan.definition, name="other", search={"trials_per_arm": 9, "sampler_seed": 5}))
    assert id_of(plan) == id_of(plan, index=3) == id_of(same)
    other_data = replace(plan, data_fingerprint="0" * 32)
    assert len({id_of(plan), id_of(plan, rate=0.003), id_of(plan, seed=1), id_of(other_data)}) == 4


def test_values_that_make_no_trial_are_refused(plan: StudyPlan) -> None:
    with pytest.raises(UserError, match=r"^optimization\.learning_rate: should be greater than 0, got -1.0"):
        plan_trial(plan, plan.arms[0], stage="tune", round_=0, index=0, nuisance={"learning_rate": -1.0}, train_seed=0)


@pytest.mark.parametrize(
    ("section", "value", "problem"),
    [
        ("network", {"backbone": "simplnet"}, "network.backbone: unknown 'simplnet'; did you mean 'simplenet'?"),
        (
            "space",
            {"blocks": [{"placement": [["res4", "fcc"]]}]},
            "space.blocks[0].placement: unknown stage 'fcc'; did you mean 'fc'?",
        ),
        (
            "space",
            {"blocks": [{"grouping": [{"groups": [["Smiling"], ["Glases"]]}]}]},
            "space.blocks[0].grouping: unknown task 'Glases'; did you mean 'Glasses'?",
        ),
        (
            "data",
            {"source": {"kind": "generated"}, "tasks": ["Smilling"], "image_size": 48},
            "data.tasks: generated faces have no task 'Smilling'; did you mean 'Smiling'?",
        ),
        (
            "data",
            {"source": {"kind": "generated"}, "tasks": ["Smiling"], "image_size": 20},
            "data.image_size must be at least 48 for simplenet, got 20",
        ),
    ],
)
def test_names_that_do_not_fit_backbone_or_data_are_refused(
    study_file: Path, section: str, value: object, problem: str
) -> None:
    definition = changed(load_study(study_file), **{section: value})
    with pytest.raises(UserError) as caught:
        compile_plan(definition)
    assert str(caught.value) == problem


def test_missing_images_are_named(study_file: Path, tmp_path: Path) -> None:
    data = {"source": {"kind": "parquet", "path": str(tmp_path / "none")}, "tasks": ["a"]}
    with pytest.raises(UserError, match=r"^data\.source\.path: .*/none is not a folder$"):
        compile_plan(changed(load_study(study_file), data=data))


def test_a_written_plan_reads_back_the_same(plan: StudyPlan, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    write_plan(plan, folder)
    assert read_plan(folder) == plan
    document = json.loads(folder.plan.read_text())
    assert [arm["name"] for arm in document["arms"]] == ["shared", "separate", "late"]
    total = document["arms"][2]["storage"][-1]
    assert (total["component"], total["added_parameters"]) == ("total", plan.arms[2].storage.added_parameters)


def test_another_selection_rule_or_halving_is_refused_once_there_are_trials(plan: StudyPlan, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    write_plan(plan, folder)
    other = replace(plan, definition=changed(plan.definition, selection={"metric": "map_at_r"}))
    write_plan(other, folder)  # nothing has been decided yet
    write_plan(plan, folder)
    with JournalWriter(folder.trial("t").journal) as journal:
        journal.append("planned")
    with pytest.raises(UserError, match=r"^selection: .*give the changed study another name"):
        write_plan(other, folder)
    write_plan(plan, folder)
    assert read_plan(folder) == plan


def test_a_folder_without_a_plan(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no study has been run here"):
        read_plan(RunFolder(tmp_path))


def planned(plan: StudyPlan, nuisance: Nuisance, seed: int = 0) -> PlannedTrial:
    return plan_trial(plan, plan.arms[2], stage="tune", round_=1, index=2, nuisance=nuisance, train_seed=seed)


def test_a_trial_is_planned_once_for_all_that_look_at_it(plan: StudyPlan) -> None:
    first = planned(plan, {"learning_rate": 0.002})
    assert planned(plan, {"learning_rate": 0.002}) is first
    assert planned(plan, {"learning_rate": 0.002}, seed=1).config.train_seed == 1
    assert planned(plan, {"learning_rate": 0.003}).config.optimization.learning_rate == 0.003
    assert type(planned(plan, {"weight_decay": 0.0}).nuisance["weight_decay"]) is float
    assert (
        type(planned(plan, {"weight_decay": 0}).nuisance["weight_decay"]) is int
    )  # as it was drawn, so it is recorded
    elsewhere = planned(replace(plan, data_fingerprint="f" * 16), {"learning_rate": 0.002})
    assert (elsewhere.data_fingerprint, elsewhere.trial_id != first.trial_id) == ("f" * 16, True)


def test_values_are_inserted_as_if_the_whole_trial_were_validated(plan: StudyPlan) -> None:
    values = {"learning_rate": 0.002, "images_per_batch": 6, "margin": 1, "mask_l1": 0.5, "rate_factor": 2}
    keys = ["optimization.learning_rate", "batches.batch_size", "loss.margin", "loss.mask_l1", "modulation.rate_factor"]
    for arm in plan.arms:
        whole = arm.config.model_dump(mode="json", by_alias=False)
        for key, value in zip(keys, values.values(), strict=True):
            section, name = key.split(".")
            whole[section][name] = value
        found = with_values(arm.config, values, train_seed=3)
        assert found == TrialConfig.model_validate({**whole, "train_seed": 3})
        assert arm.config.modulation.rate_factor == 1  # the arm's own is as it was
    with pytest.raises(ValueError, match="margin"):
        with_values(plan.arms[0].config, {"margin": -1})


def test_a_plan_is_compiled_once_for_all_that_read_it(plan: StudyPlan, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    write_plan(plan, folder)
    assert read_plan(folder) is read_plan(folder)
    write_plan(replace(plan, data_fingerprint="f" * 16), folder)
    assert read_plan(folder).data_fingerprint == "f" * 16


def test_the_planned_event_rebuilds_the_trial(plan: StudyPlan) -> None:
    trial = planned(plan, {"learning_rate": 0.002})
    event = json.loads(json.dumps(trial.planned_event("tiny")))
    assert TrialConfig.model_validate(event["config"]) == trial.config
    assert (event["stage"], event["round"], event["index"]) == ("tune", 1, 2)
    assert event["arm"] == trial.arm.to_dict()
