from __future__ import annotations

from study.schedule.progress import read_progress
from study.tune.execution import execute


def test_epochs_of_a_running_trial_are_seen_as_they_are_journalled(make_plan, simulate):
    run = simulate(make_plan(search={"trials_per_arm": 2, "round_size": 2, "halving": {"rungs": [3], "keep": 0.5}}))
    unit, waiting = run.dispatcher.next_unit(), run.dispatcher.next_unit()
    before = run.dispatcher.workload()
    assert list(before.in_flight) == [unit.trial.trial_id, waiting.trial.trial_id]
    execute(run.order(unit))
    epochs = {trial.trial.trial_id: trial.epochs_run for trial in before.now().trials}
    assert (epochs[unit.trial.trial_id], epochs[waiting.trial.trial_id]) == (3, 0)
    assert {trial.epochs_run for trial in before.progress.trials} == {0}


def test_what_a_driver_tells_is_what_the_journals_say(make_plan, simulate):
    run = simulate(make_plan())
    while run.run(workers=1, seed=0, units=4):
        workload = run.dispatcher.workload()
        progress = read_progress_of(run)
        assert (workload.trials_done, workload.trials_total) == (progress.done, progress.total)
        assert [trial.state for trial in workload.now().trials] == [trial.state for trial in progress.trials]
    assert workload.trials_done == workload.trials_total == 21


def read_progress_of(run):
    from study.plan.document import write_plan

    write_plan(run.plan, run.folder)
    return read_progress(run.folder)
