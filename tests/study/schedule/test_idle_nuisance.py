"""Tuned values that do nothing in an arm: no trial twice, and equal effort as far as there is any to make."""

from __future__ import annotations

import pytest

from study.collect.collect import build_tables
from study.schedule.progress import read_progress

BLOCKS = [{"placement": ["none"], "grouping": ["per_task", "network_per_task"]}, {"placement": ["late"]}]
MASKS = {"low": 1e-5, "high": 1e-2, "log": True}
SEARCH = {"trials_per_arm": 6, "round_size": 3}


def run_arms(make_plan, simulate, nuisance):
    plan = make_plan(space={"blocks": BLOCKS, "nuisance": nuisance}, search=SEARCH)
    run = simulate(plan)
    run.run(workers=3, seed=0)
    return run, {arm.tune[0].arm.name: arm for arm in run.dispatcher.arms.values()}


def test_arms_without_masks_tune_the_rest_at_values_paired_with_arms_with_masks(make_plan, simulate):
    rate = {"low": 1e-4, "high": 1e-1, "log": True}
    _, arms = run_arms(make_plan, simulate, {"learning_rate": rate, "mask_l1": MASKS})
    assert {name: len(arm.tune) for name, arm in arms.items()} == {"shared": 6, "separate": 6, "late": 6}
    first = {name: [trial.nuisance["learning_rate"] for trial in arm.tune[:3]] for name, arm in arms.items()}
    assert first["shared"] == first["separate"] == first["late"]
    assert {name: set(arm.tune[4].nuisance) for name, arm in arms.items()} == {
        "shared": {"learning_rate"},
        "separate": {"learning_rate"},
        "late": {"learning_rate", "mask_l1"},
    }


@pytest.mark.parametrize(
    ("nuisance", "trials"),
    [
        ({"mask_l1": MASKS}, {"shared": 1, "separate": 1, "late": 6}),
        ({"mask_l1": [0.0, 1e-4, 1e-3], "margin": [0.1, 0.2]}, {"shared": 2, "separate": 2, "late": 6}),
    ],
    ids=["one range", "lists"],
)
def test_no_trial_is_trained_or_told_twice_where_a_tuned_value_does_nothing(make_plan, simulate, nuisance, trials):
    run, arms = run_arms(make_plan, simulate, nuisance)
    assert {name: len(arm.tune) for name, arm in arms.items()} == trials
    assert all(len({trial.trial_id for trial in arm.tune}) == len(arm.tune) for arm in arms.values())
    assert all(arm.done and arm.selected for arm in arms.values())
    assert run.plan.trials == sum(trials.values()) + 3 * 2 == run.dispatcher.workload().trials_total
    assert simulate(run.plan, "nothing-done").dispatcher.workload().trials_total == run.plan.trials
    table = build_tables(run.folder, read_progress(run.folder, run.plan), {})["trials"]
    assert table["trial_id"].is_unique
    assert len(table) == run.plan.trials
    assert set(table[table["arm"] == "shared"]["mask_l1"]) == {0.0}
