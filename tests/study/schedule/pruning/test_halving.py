from __future__ import annotations

import pytest

from study.definition.halving import HalvingSection
from study.journal.history import derive_history
from study.journal.state import TrialState
from study.schedule.drawing import DrawnRounds
from study.schedule.pruning.halving import round_progress
from study.schedule.units import WorkUnit

RUNGS = HalvingSection(rungs=(1, 3), keep=0.5)


@pytest.fixture
def trials(make_plan):
    from study.schedule.design import ArmDesign

    plan = make_plan(search={"trials_per_arm": 4, "round_size": 4})
    return ArmDesign(plan, plan.arms[0], DrawnRounds()).progress({}).tune


def state(trial, rungs=None, end=None, objective=None):
    """A trial that paused at the given rungs, and ended with the given event if any."""
    events = [{"event": "planned", "time": 0.0, "trial_id": trial.trial_id}]
    for epoch, value in (rungs or {}).items():
        events.append({"event": "epoch", "time": 0.0, "epoch": epoch, "seconds": 1.0, "metrics": {}})
        events.append({"event": "paused", "time": 0.0, "epoch": epoch, "objective": value})
    if end == "finished":
        events.append({"event": "finished", "time": 0.0, "epochs_run": 4, "objective": objective})
    elif end is not None:
        events.append({"event": "failed", "time": 0.0, "kind": end, "message": "", "traceback": ""})
    return TrialState(derive_history(events), rungs or {})


def states(trials, *each):
    return {trial.trial_id: known for trial, known in zip(trials, each, strict=True) if known is not None}


def test_a_rung_is_decided_only_when_all_have_reached_it(trials):
    known = states(trials, state(trials[0], {1: 0.9}), state(trials[1], {1: 0.1}), state(trials[2]), None)
    progress = round_progress(trials, known, RUNGS)
    assert progress.ready == (WorkUnit(trials[2], 1), WorkUnit(trials[3], 1))
    assert progress.pruned == ()


def test_the_best_half_goes_on_to_the_next_rung(trials):
    known = states(
        trials, *(state(trial, {1: value}) for trial, value in zip(trials, (0.2, 0.9, 0.1, 0.8), strict=True))
    )
    progress = round_progress(trials, known, RUNGS)
    assert progress.ready == (WorkUnit(trials[1], 3), WorkUnit(trials[3], 3))
    assert [(pruning.trial, pruning.epoch, pruning.objective) for pruning in progress.pruned] == [
        (trials[0], 1, 0.2),
        (trials[2], 1, 0.1),
    ]


def test_ties_at_the_threshold_all_go_on(trials):
    known = states(
        trials, *(state(trial, {1: value}) for trial, value in zip(trials, (0.9, 0.5, 0.5, 0.1), strict=True))
    )
    assert [unit.trial for unit in round_progress(trials, known, RUNGS).ready] == list(trials[:3])


def test_the_last_survivor_runs_to_the_end_and_then_the_round_is_over(trials):
    low = [state(trial, {1: 0.1}) for trial in trials[:2]]
    known = states(trials, *low, state(trials[2], {1: 0.9, 3: 0.9}), state(trials[3], {1: 0.8, 3: 0.7}))
    progress = round_progress(trials, known, RUNGS)
    assert progress.ready == (WorkUnit(trials[2], None),)
    assert [(pruning.trial.index, pruning.epoch) for pruning in progress.pruned] == [(0, 1), (1, 1), (3, 3)]
    known[trials[2].trial_id] = state(trials[2], {1: 0.9, 3: 0.9}, "finished", 0.95)
    assert round_progress(trials, known, RUNGS).ready == ()


def test_a_diverged_trial_counts_as_an_entrant_that_lost(trials):
    known = states(
        trials,
        state(trials[0], end="diverged"),
        *(state(trial, {1: 0.5 + index / 10}) for index, trial in enumerate(trials[1:])),
    )
    assert [unit.trial for unit in round_progress(trials, known, RUNGS).ready] == [trials[2], trials[3]]


def test_all_diverged_leaves_nothing_to_do(trials):
    known = states(trials, *(state(trial, end="diverged") for trial in trials))
    assert round_progress(trials, known, RUNGS) == round_progress(trials, known, None)
    assert round_progress(trials, known, RUNGS).ready == ()


def test_an_objective_that_is_not_finite_loses(trials):
    known = states(
        trials, *(state(trial, {1: value}) for trial, value in zip(trials, (None, 0.1, 0.2, None), strict=True))
    )
    assert [unit.trial for unit in round_progress(trials, known, RUNGS).ready] == [trials[1], trials[2]]


def test_a_failed_trial_holds_up_its_round(trials):
    known = states(trials, state(trials[0], end="crashed"), *(state(trial, {1: 0.5}) for trial in trials[1:]))
    assert round_progress(trials, known, RUNGS).ready == (WorkUnit(trials[0], 1),)


def test_halving_switched_on_later_uses_what_trials_ended_with(trials):
    known = states(trials, *(state(trial, end="finished", objective=index / 10) for index, trial in enumerate(trials)))
    progress = round_progress(trials, known, RUNGS)
    assert progress.ready == ()
    assert [pruning.trial for pruning in progress.pruned] == [trials[0], trials[1], trials[2]]


def test_halving_switched_off_later_lets_pruned_trials_go_on(trials):
    known = states(trials, *(state(trial, {1: 0.5}) for trial in trials))
    assert round_progress(trials, known, None).ready == tuple(WorkUnit(trial, None) for trial in trials)
