from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from study.definition.retention import RetentionSection
from study.journal.history import State
from study.layout import RunFolder, TrialFolder
from study.plan.plan import plan_trial
from study.retention.removal import apply_retention
from study.tune.execution import execute
from trainables.foundation.checkpointing import CheckpointClock, CheckpointInterval, checkpointing


@pytest.mark.parametrize(
    ("given", "epochs", "seconds"), [(1, 1, None), (5, 5, None), ("600s", 1, 600.0), ("1.5 s", 1, 1.5)]
)
def test_an_interval_is_epochs_or_seconds(given, epochs, seconds):
    section = RetentionSection(checkpoint_every=given)
    assert section.interval == CheckpointInterval(epochs, seconds)


@pytest.mark.parametrize("given", [0, -1, True, "0s", "5", "5m", 1.5])
def test_any_other_interval_is_refused(given):
    with pytest.raises(ValidationError, match="should be a number of epochs from 1, or seconds such as 600s"):
        RetentionSection(checkpoint_every=given)


def test_a_checkpoint_is_due_after_epochs_or_seconds_and_at_the_end():
    with checkpointing(CheckpointInterval(epochs=3)):
        clock = CheckpointClock()
    assert [clock.is_due(last=epoch == 8) for epoch in range(1, 9)] == [False, False, True] * 2 + [False, True]
    with checkpointing(CheckpointInterval(seconds=3600)):
        clock = CheckpointClock()
    assert [clock.is_due(last=epoch == 3) for epoch in range(1, 4)] == [False, False, True]
    assert CheckpointClock().is_due(last=False), "without a word, every epoch"


def test_weights_that_stay_are_those_of_the_policy(make_plan, tmp_path):
    summary = pd.DataFrame(
        {
            "arm": ["shared", "separate", "late"],
            "validation_objective": [0.6, 0.9, 0.8],
            "added_parameters": [0, 1000, 10],
            **{f"triplet_accuracy_{part}": [0.6, 0.75, 0.8] for part in ("mean", "low", "high")},
        }
    )
    kept = {}
    for retention in ({"weights": "front"}, {"weights": "best", "best_arms": 2}, {"weights": "none"}, {}):
        plan = make_plan(retention=retention)
        folder = RunFolder(tmp_path / str(len(kept)))
        trials = _trials(plan)
        for trial in trials:
            own = folder.trial(trial.trial_id)
            own.path.mkdir(parents=True)
            own.weights.write_bytes(b"weights")
        removed = apply_retention(folder, plan, trials, summary)
        left = [trial for trial in trials if folder.trial(trial.trial_id).weights.exists()]
        assert removed == len(trials) - len(left)
        kept[retention.get("weights", "all")] = {(trial.stage, trial.arm.name) for trial in left}
    names = {trial.arm.name for trial in trials}
    assert kept == {
        "front": {("confirm", "shared"), ("confirm", "late")},
        "best": {("confirm", "separate"), ("confirm", "late")},
        "none": set(),
        "all": {(stage, name) for stage in ("tune", "confirm") for name in names},
    }


def _trials(plan):
    return [
        plan_trial(plan, arm, stage=stage, round_=0, index=0, nuisance={"learning_rate": 0.01}, train_seed=seed)
        for arm in plan.arms
        for stage, seed in (("tune", 0), ("confirm", 1))
    ]


def _folder(order) -> TrialFolder:
    return RunFolder(Path(order.folder)).trial(order.trial_id)


def _finished(order) -> State:
    _folder(order).path.mkdir(parents=True, exist_ok=True)
    _folder(order).weights.write_bytes(b"as a trial leaves them")
    return execute(order)


def test_a_worker_removes_weights_that_are_not_to_stay_once_the_journal_holds_the_end(make_plan, simulate):
    run = simulate(make_plan())
    units = list(iter(run.dispatcher.next_unit, None))
    going, staying = run.order(units[0]), run.order(units[1])
    assert _finished(replace(going, keeps_weights=False)) == "completed"
    assert _finished(staying) == "completed"
    assert not _folder(going).weights.exists()
    assert _folder(staying).weights.exists()


def test_checkpoints_of_pruned_trials_go_and_the_others_stay(make_plan, simulate):
    search = {"trials_per_arm": 4, "round_size": 4, "halving": {"rungs": [1], "keep": 0.5}}
    run = simulate(make_plan(search=search))
    run.run(workers=1, seed=0, units=12)
    states = {trial_id: state.history.state for trial_id, state in run.dispatcher.states.items()}
    assert "pruned" in states.values()
    assert "paused" in states.values()
    for trial_id, state in states.items():
        assert run.folder.trial(trial_id).checkpoint.exists() == (state != "pruned"), state
