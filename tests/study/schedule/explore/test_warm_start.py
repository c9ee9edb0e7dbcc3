"""A sampler that is told earlier studies' trials proposes others; those trials are nowhere else in the study."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from study.definition.model import StudyDefinition
from study.errors import UserError
from study.plan.document import write_plan
from study.plan.plan import compile_plan
from study.schedule.progress import read_progress
from study.schedule.rounds import read_rounds
from study.session.notes import unequal_effort
from tests.study.conftest import SETTINGS, Simulation

RATE = {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}
EXPLORE = {"mode": "explore", "trials": 6, "round_size": 3, "sampler": "nsga2"}


def plan_of(**sections):
    return compile_plan(StudyDefinition.model_validate({**SETTINGS, **sections}))


def explored(space, earlier, **search):
    runs = [str(run) for run in earlier]
    return plan_of(space=space, search={**EXPLORE, **search, "warm_start": runs})


@pytest.fixture(scope="module")
def space():
    return {"blocks": [{"placement": ["none", "late", "embedding", "all"]}], "nuisance": RATE}


@pytest.fixture
def earlier(simulate):
    """A design of three of the arms and a rival of its own, with fewer values to tune."""
    narrow = {"learning_rate": {"low": 1e-3, "high": 2e-1, "log": True}}
    blocks = [{"placement": ["none", "late", "all"]}, {"placement": ["none"], "grouping": ["network_per_task"]}]
    plan = plan_of(space={"blocks": blocks, "nuisance": narrow}, search={"trials_per_arm": 2, "round_size": 2})
    run = simulate(plan, "earlier")
    write_plan(plan, run.folder)
    run.run(workers=3, seed=0)
    return run


def tuned(run):
    return sorted((t for arm in run.dispatcher.arms.values() for t in arm.tune), key=lambda trial: trial.index)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_trials_in_the_space_are_told_recorded_with_their_origin_and_kept_out_of_the_study(
    space, earlier, simulate, sampler
):
    plan = explored(space, [earlier.folder.path], sampler=sampler)
    run = simulate(plan, sampler)
    write_plan(plan, run.folder)
    run.run(workers=2, seed=1)
    told = read_rounds(run.folder).earlier
    arms = {arm.arm.arm_id for arm in plan.arms}
    inside = {
        trial.trial_id: earlier.dispatcher.states[trial.trial_id].history.objective
        for arm_id, arm in earlier.dispatcher.arms.items()
        for trial in arm.tune
        if arm_id in arms and trial.nuisance["learning_rate"] <= 1e-1
    }
    assert {each.trial_id: each.objective for each in told} == inside
    assert 3 < len(inside) <= 6
    assert {each.run for each in told} == {str(earlier.folder.path)}
    assert len(tuned(run)) == 6
    assert read_progress(run.folder).total == len(run.dispatcher.states)
    assert "was told earlier trials of" in unequal_effort(read_progress(run.folder))[0]
    cold = simulate(plan_of(space=space, search={**EXPLORE, "sampler": sampler}), f"{sampler}-cold")
    cold.run(workers=2, seed=1)
    assert [trial.trial_id for trial in tuned(cold)] != [trial.trial_id for trial in tuned(run)]


def test_a_study_goes_on_from_its_record_when_the_earlier_run_is_gone(space, earlier, simulate):
    plan = explored(space, [earlier.folder.path])
    whole = simulate(plan, "whole")
    whole.run(workers=2, seed=1)
    simulate(plan, "stopped").run(workers=2, seed=1, units=1)
    shutil.rmtree(earlier.folder.path)
    resumed = simulate(plan, "stopped")
    resumed.run(workers=3, seed=2)
    assert resumed.results() == whole.results()


def test_runs_that_are_missing_or_do_not_fit_are_refused(space, earlier, simulate, tmp_path):
    path = earlier.folder.path
    document = json.loads(earlier.folder.plan.read_text())

    def refused(plan):
        with pytest.raises(UserError) as error:
            simulate(plan, "refused")
        assert "\n" not in str(error.value)
        return str(error.value)

    gone = explored(space, [tmp_path / "gone"])
    assert refused(gone) == f"search.warm_start: {tmp_path / 'gone'}: no study has been run here (no plan.json)"
    warm = {**EXPLORE, "warm_start": [str(path)]}
    longer = plan_of(space=space, search=warm, optimization={"epochs": 9})
    assert "were trained otherwise (optimization.epochs 4, here 9); leave it out" in refused(longer)
    other = plan_of(space={"blocks": [{"placement": ["embedding", "last_two"]}], "nuisance": RATE}, search=warm)
    assert "none of its 8 tune trials that ended is of an arm and values of this space" in refused(other)
    of_classes = plan_of(space=space, search=warm, selection={"average": "class"})
    assert "its trials were compared by" in refused(of_classes)
    assert "its images or labels are others" in refused(replace(fitting(path, space), data_fingerprint="other"))
    earlier.folder.plan.write_text(json.dumps({**document, "results_version": 1}))
    assert "its results are of another version" in refused(fitting(path, space))
    earlier.folder.plan.write_text("{")
    assert "search.warm_start: " in refused(fitting(path, space))


def fitting(path, space):
    return explored(space, [path])


def test_another_list_is_refused_once_the_study_has_begun(space, earlier, simulate, tmp_path):
    plan = explored(space, [earlier.folder.path])
    run: Simulation = simulate(plan)
    write_plan(plan, run.folder)
    run.run(workers=1, seed=0, units=1)
    write_plan(explored(space, [tmp_path / "moved" / "earlier"]), run.folder)
    with pytest.raises(UserError, match=r"search\.warm_start: .* was begun with \['earlier'\]"):
        write_plan(explored(space, []), run.folder)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"warm_start": ["runs/shoes"]}, r"search\.warm_start: only with search\.mode: explore"),
        ({**EXPLORE, "sampler": "random", "warm_start": ["runs/shoes"]}, r"search\.warm_start: not with .* random"),
    ],
)
def test_it_is_refused_where_nobody_is_told(search, message):
    with pytest.raises(ValueError, match=message):
        StudyDefinition.model_validate({**SETTINGS, "search": search})
