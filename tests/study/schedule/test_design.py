"""What a study finds depends on its file alone: not on workers, order, interruptions or failures on the way."""

from __future__ import annotations

import pytest

from study.journal.journal import JournalWriter
from study.schedule.design import ArmDesign
from study.schedule.drawing import DrawnRounds

HALVING = {"trials_per_arm": 8, "round_size": 4, "halving": {"rungs": [1, 2], "keep": 0.5}}
SEARCHES = [{"trials_per_arm": 5, "round_size": 2}, HALVING]


@pytest.mark.parametrize("search", SEARCHES, ids=["rounds", "halving"])
def test_order_of_completion_and_number_of_workers_change_nothing(make_plan, simulate, search):
    plan = make_plan(search=search)
    alone = simulate(plan, "alone")
    alone.run(workers=1, seed=0)
    for workers, seed in ((2, 1), (7, 2), (50, 3)):
        crowd = simulate(plan, f"crowd{workers}")
        crowd.run(workers, seed)
        assert crowd.results() == alone.results()


@pytest.mark.parametrize("search", SEARCHES, ids=["rounds", "halving"])
def test_stopping_anywhere_and_going_on_changes_nothing(make_plan, simulate, search):
    """A new dispatcher that knows only the journals takes over after every few units."""
    plan = make_plan(search=search)
    undisturbed = simulate(plan, "undisturbed")
    undisturbed.run(workers=1, seed=0)
    sessions = 0
    while simulate(plan, "stopped").run(workers=3, seed=sessions, units=4):
        sessions += 1
    assert sessions > 4
    assert simulate(plan, "stopped").results() == undisturbed.results()


def test_every_arm_gets_the_same_number_of_tune_and_confirm_trials(make_plan, simulate):
    run = simulate(make_plan())
    run.run(workers=3, seed=0)
    for arm in run.dispatcher.arms.values():
        assert (len(arm.tune), len(arm.confirm), arm.done) == (5, 2, True)
    assert [trial.round for trial in arm.tune] == [0, 0, 1, 1, 2]
    assert [trial.index for trial in arm.tune] == [0, 1, 2, 3, 4]


def test_arms_are_compared_at_paired_values_in_the_first_round(make_plan, simulate):
    run = simulate(make_plan())
    first = {tuple(trial.nuisance["learning_rate"] for trial in arm.tune) for arm in run.dispatcher.arms.values()}
    assert len(first) == 1


def test_confirm_takes_the_best_validation_objective_with_fresh_seeds_and_test_images(make_plan, simulate):
    run = simulate(make_plan())
    run.run(workers=3, seed=0)
    for arm in run.dispatcher.arms.values():
        objectives = [run.dispatcher.states[trial.trial_id].history.objective for trial in arm.tune]
        assert objectives[arm.selected.index] == max(objectives)
        assert [trial.config.train_seed for trial in arm.confirm] == [1, 2]
        for trial in arm.confirm:
            assert trial.nuisance == arm.selected.nuisance
            assert trial.config.evaluation.splits == ("validation", "test")
        assert all(trial.config.evaluation.splits == ("validation",) for trial in arm.tune)


def test_equal_objectives_choose_the_first_trial(make_plan, simulate):
    plan = make_plan(search={"trials_per_arm": 2, "round_size": 2})
    run = simulate(plan)
    arm = plan.arms[0]
    for trial in ArmDesign(plan, arm, DrawnRounds()).progress({}).tune:
        with JournalWriter(run.folder.trial(trial.trial_id).journal) as journal:
            journal.append("planned", **trial.planned_event("made-up"))
            journal.append("finished", epochs_run=4, objective=0.5, task_metrics=[], peak_memory_bytes=1)
    progress = simulate(plan).dispatcher.arms[arm.arm.arm_id]
    assert progress.selected == progress.tune[0]


def test_nothing_to_tune_needs_one_tune_trial(make_plan, simulate):
    space = {"blocks": [{"placement": ["none", "late"]}]}
    run = simulate(make_plan(space=space))
    run.run(workers=2, seed=0)
    assert [len(arm.tune) for arm in run.dispatcher.arms.values()] == [1, 1]


def test_more_trials_per_arm_keep_the_ones_there_were(make_plan, simulate):
    small = make_plan(search={"trials_per_arm": 2, "round_size": 2})
    simulate(small).run(workers=2, seed=0)
    before = simulate(small).results()
    larger = simulate(make_plan(search={"trials_per_arm": 6, "round_size": 2}))
    larger.run(workers=2, seed=0)
    after = larger.results()
    assert len(after) > len(before)
    assert {key: after[key] for key in before} == before


def test_all_tune_trials_of_an_arm_diverged(make_plan, simulate):
    run = simulate(make_plan(), runner="orchestration_runners:train_or_fail")
    run.run(workers=2, seed=0)
    separate = next(arm for arm in run.dispatcher.arms.values() if arm.tune[0].arm.name == "separate")
    assert separate.selected is None
    assert separate.done
    assert separate.confirm == ()
    assert "none of its 5 tune trials" in separate.failure


def test_a_failing_arm_waits_and_the_others_go_on(make_plan, simulate):
    run = simulate(make_plan(), runner="orchestration_runners:train_or_fail")
    run.run(workers=2, seed=0)
    by_name = {arm.tune[0].arm.name: arm for arm in run.dispatcher.arms.values()}
    assert by_name["shared"].done
    assert by_name["shared"].selected is not None
    assert not by_name["late"].done
    assert len(by_name["late"].tune) == 2  # the second round is never drawn
    mended = simulate(run.plan)
    mended.run(workers=2, seed=0)
    assert {arm.tune[0].arm.name for arm in mended.dispatcher.arms.values() if arm.selected} == {"shared", "late"}


def test_halving_ends_trials_early_and_records_it_once(make_plan, simulate):
    run = simulate(make_plan(search=HALVING))
    run.run(workers=3, seed=0)
    for arm in run.dispatcher.arms.values():
        epochs = sorted(run.dispatcher.states[trial.trial_id].history.epoch for trial in arm.tune)
        assert epochs == [1, 1, 1, 1, 2, 2, 4, 4]
        for pruning in arm.pruned:
            assert run.dispatcher.states[pruning.trial.trial_id].history.state == "pruned"
            journal = run.folder.trial(pruning.trial.trial_id).journal.read_text()
            assert journal.count('"event":"pruned"') == 1
