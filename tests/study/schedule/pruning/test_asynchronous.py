"""Asynchronous halving decides on each trial as it comes; what was decided stays decided."""

from __future__ import annotations

import json

import numpy as np
import pytest

from study.collect.collect import collect
from study.definition.halving import HalvingSection
from study.journal.index import read_states
from study.journal.journal import read_journal
from study.plan.document import write_plan
from study.plan.foresight import foreseen
from study.schedule.progress import read_progress
from study.schedule.pruning.asynchronous import is_kept
from study.session.notes import unequal_effort

ASYNCHRONOUS = {"rungs": [1, 2], "keep": 0.5, "mode": "asynchronous"}


@pytest.fixture
def plan(make_plan):
    return make_plan(search={"trials_per_arm": 6, "round_size": 6, "halving": ASYNCHRONOUS})


def decided(folder):
    """Every decision in the journals, by trial and rung."""
    found = {}
    for trial_id in read_states(folder):
        events = read_journal(folder.trial(trial_id).journal).events
        for event in events:
            if event["event"] in ("kept", "pruned"):
                assert (trial_id, event["epoch"]) not in found  # taken once
                found[trial_id, event["epoch"]] = event
    return found


@pytest.mark.parametrize("keep", [0.1, 0.34, 0.5, 0.9])
def test_a_trial_is_kept_among_the_best_share_of_those_before_it(keep):
    """Against counting ranks one by one, ties with the last that is kept included."""
    generator = np.random.default_rng(0)
    for size in range(1, 12):
        reached = generator.integers(0, 5, size) / 5
        places = 0
        while places < keep * size:
            places += 1
        for objective in reached:
            last = sorted(reached, reverse=True)[places - 1]
            assert is_kept(objective, reached.tolist(), keep) == (objective >= last)
    assert is_kept(-np.inf, [-np.inf], keep)  # the first has nobody to be compared with


def test_no_trial_waits_for_another_and_every_decision_is_recorded(plan, simulate):
    run = simulate(plan)
    write_plan(plan, run.folder)
    order = run.run(workers=1, seed=0)
    first = [unit.until_epoch for unit in order if unit.trial.arm.arm_id == order[0].trial.arm.arm_id]
    assert None in first[:5]  # the best of those that were first ends before the last has begun
    found = decided(run.folder)
    assert {event["event"] for event in found.values()} == {"kept", "pruned"}
    for event in found.values():
        assert (event["event"] == "kept") == (event["better"] < np.ceil(0.5 * event["among"]))
    progress = read_progress(run.folder)
    pruned = {(trial.trial.trial_id, trial.epochs_run) for trial in progress.trials if trial.state == "pruned"}
    assert pruned == {key for key, event in found.items() if event["event"] == "pruned"}
    assert progress.done == progress.total
    confirm = [trial for trial in progress.trials if trial.trial.stage == "confirm"]
    assert {trial.state for trial in confirm} == {"completed"}
    assert not {trial.trial.trial_id for trial in confirm} & {trial_id for trial_id, _ in found}
    assert "a repetition may select other values" in unequal_effort(progress)[0]
    assert any("search.halving.mode: asynchronous is not repeatable" in line for line in foreseen(plan))


def test_a_trained_study_has_tables_that_say_so(train_study):
    """What is promised: every trial is pruned or whole, the best whole one is confirmed, and rows are marked."""
    folder = train_study(
        "asha",
        optimization={"epochs": 2},
        space={"blocks": [{"placement": ["none"]}], "nuisance": {"learning_rate": {"low": 1e-3, "high": 1e-2}}},
        search={"trials_per_arm": 3, "round_size": 3, "halving": {"rungs": [1], "mode": "asynchronous"}},
        confirm={"seeds": [1]},
    )
    trials = collect(folder)["trials"]
    assert set(trials["repeatable"]) == {"no"}
    tune = trials[trials["stage"] == "tune"].set_index("trial_id")
    assert dict(zip(tune.index, tune["epochs_run"], strict=True)) == {
        trial_id: 2 if state == "completed" else 1 for trial_id, state in tune["state"].items()
    }
    assert {trial_id for trial_id, state in tune["state"].items() if state == "pruned"} == {
        trial_id for (trial_id, _), event in decided(folder).items() if event["event"] == "pruned"
    }
    best = tune[tune["state"] == "completed"].sort_values("objective").iloc[-1]
    (confirmed,) = trials[trials["stage"] == "confirm"].to_dict("records")
    assert confirmed["state"] == "completed"
    assert confirmed["learning_rate"] == best["learning_rate"]


def test_an_interrupted_study_keeps_its_decisions(plan, simulate):
    before: dict = {}
    session = 0
    while simulate(plan).run(workers=3, seed=session, units=4):
        session += 1
        after = decided(simulate(plan).folder)
        assert {key: after[key] for key in before} == before
        before = after
    assert session > 3
    assert read_states(simulate(plan).folder)
    assert simulate(plan).dispatcher.exhausted


def test_a_trial_at_a_rung_is_decided_on_by_the_next_driver(plan, simulate):
    """The driver was lost after the worker's line and before its own; readers wait, and decide nothing."""
    run = simulate(plan)
    write_plan(plan, run.folder)
    (unit,) = run.run(workers=1, seed=0, units=1)
    journal = run.folder.trial(unit.trial.trial_id).journal
    lines = journal.read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["event"] == "kept"
    journal.write_text("".join(lines[:-1]))
    progress = read_progress(run.folder)
    (waiting,) = [arm.undecided for _, arm in progress.arms if arm.undecided]
    assert [(at.trial.trial_id, at.epoch) for at in waiting] == [(unit.trial.trial_id, 1)]
    assert not decided(run.folder)
    simulate(plan)
    assert decided(run.folder)[unit.trial.trial_id, 1]["event"] == "kept"


def test_it_is_off_by_default_and_refused_beside_pruning_over_arms():
    assert HalvingSection(rungs=(1,)).repeatable
    with pytest.raises(ValueError, match="stop_beaten: only with mode: synchronous"):
        HalvingSection(rungs=(1,), mode="asynchronous", stop_beaten=True)
