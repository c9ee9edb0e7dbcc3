from __future__ import annotations

import pytest
from filelock import FileLock

from study.errors import UserError
from study.schedule.failures import lost_worker
from study.status.remaining import work_left


def test_the_arm_with_most_work_left_goes_first(make_plan, simulate):
    run = simulate(make_plan())
    assert run.dispatcher.next_unit().trial.arm.name == "separate"  # three networks


def test_a_unit_is_never_handed_out_twice_at_once(make_plan, simulate):
    run = simulate(make_plan())
    handed_out = []
    while (unit := run.dispatcher.next_unit()) is not None:
        handed_out.append(unit.trial.trial_id)
    assert len(handed_out) == len(set(handed_out)) == 6  # three arms, rounds of two
    assert not run.dispatcher.exhausted


@pytest.mark.parametrize("runner", ["train", "fail_in_many_ways"])
@pytest.mark.parametrize(
    "search",
    [
        {"trials_per_arm": 5},
        {"trials_per_arm": 8, "round_size": 4, "halving": {"rungs": [1, 2], "keep": 0.5}},
        {"trials_per_arm": 8, "round_size": 4, "halving": {"rungs": [1, 2], "keep": 0.5, "mode": "asynchronous"}},
        {"trials_per_arm": 24, "round_size": 24, "halving": {"rungs": [1, 2], "keep": 0.3, "mode": "asynchronous"}},
    ],
    ids=["rounds", "halving", "asynchronous", "asynchronous in one round"],
)
def test_the_end_of_one_unit_among_many_is_taken_as_if_the_arm_were_looked_at_anew(
    make_plan, simulate, monkeypatch, search, runner
):
    plan, seen, looks = make_plan(search=search), {}, {}
    for name in ("settled", "anew"):
        run = simulate(plan, name, runner=f"orchestration_runners:{runner}")
        look, finish = run.dispatcher._look_again, run.finish
        looks[name], seen[name] = [], []

        def looked(arm_id, look=look, found=looks[name]):
            found.append(arm_id)
            look(arm_id)

        def finished(unit, run=run, finish=finish, found=seen[name]):
            finish(unit)
            now = run.dispatcher.workload()
            trials = [(trial.trial.trial_id, trial.state, trial.epochs_run) for trial in now.progress.trials]
            found.append((run.dispatcher.arms.copy(), epochs_left(now), trials, now.trials_done, now.failed))

        monkeypatch.setattr(run.dispatcher, "_look_again", looked)
        monkeypatch.setattr(run, "finish", finished)
        if name == "anew":
            monkeypatch.setattr(run.dispatcher, "_is_settled", lambda *_: False)
        seen[name].append(run.run(workers=3, seed=0))
    assert seen["settled"] == seen["anew"]
    assert len(looks["settled"]) < len(looks["anew"])


def test_a_failing_trial_is_tried_as_often_as_the_study_says(make_plan, simulate):
    run = simulate(make_plan(resources={"retries": 1}), runner="orchestration_runners:fail_in_many_ways")
    ended = run.run(workers=1, seed=0)
    late = [unit.trial.trial_id for unit in ended if unit.trial.arm.name == "late"]
    assert sorted(late) == sorted(2 * list(set(late)))
    assert run.dispatcher.exhausted
    failures = run.dispatcher.states[late[0]].history.failures
    assert [failure["kind"] for failure in failures] == 2 * ["crashed"]
    assert failures[0]["message"] == failures[1]["message"]
    assert failures[0]["message"].startswith("as told")
    assert "ArithmeticError" in failures[0]["traceback"]


def test_a_worker_that_ended_without_a_word_is_journalled_and_tried_again(make_plan, simulate):
    run = simulate(make_plan())
    unit = run.dispatcher.next_unit()
    state = run.dispatcher.ended(unit, crashed=True)
    assert state.history.state == "failed"
    assert "without notice" in state.history.failures[0]["message"]
    assert run.dispatcher.next_unit() == unit


def test_a_journal_that_another_process_writes_is_left_alone(make_plan, simulate, monkeypatch):
    monkeypatch.setattr(lost_worker, "WRITER_GONE_S", 0.1)
    run = simulate(make_plan(resources={"retries": 0}))
    unit = run.dispatcher.next_unit()
    trial = run.folder.trial(unit.trial.trial_id)
    trial.path.mkdir(parents=True)
    with FileLock(trial.path / "trial.lock"):
        assert run.dispatcher.ended(unit, crashed=True) is None
    assert not trial.journal.exists()
    assert unit not in (run.dispatcher.next_unit() for _ in range(20))  # no endless retries


def test_work_done_and_left_add_up_and_end_at_zero(make_plan, simulate):
    plan = make_plan()
    total = simulate(plan).dispatcher.workload()
    assert epochs_left(total) == 3 * 7 * 4  # arms, trials of an arm, epochs
    assert (epochs_done(total), total.trials_done, total.trials_total) == (0, 0, 21)
    while simulate(plan).run(workers=2, seed=0, units=5):
        now = simulate(plan).dispatcher.workload()
        assert epochs_done(now) + epochs_left(now) == 3 * 7 * 4
    assert (epochs_left(now), now.trials_done, now.in_flight) == (0, 21, {})


def test_pruning_takes_its_trials_work_off_the_total(make_plan, simulate):
    halving = {"trials_per_arm": 4, "round_size": 4, "halving": {"rungs": [1], "keep": 0.5}}
    run = simulate(make_plan(search=halving))
    at_first = run.dispatcher.workload()
    assert epochs_left(at_first) == 3 * (4 * 1 + 2 * 3 + 2 * 4)  # to the rung, the better half on, confirm trials
    run.run(workers=2, seed=0)
    done = run.dispatcher.workload()
    assert (epochs_left(done), done.trials_done, done.trials_total) == (0, 18, 18)
    assert epochs_done(done) == epochs_left(at_first)


def test_epochs_of_running_trials_count_as_done(make_plan, simulate):
    run = simulate(make_plan())
    unit = run.dispatcher.next_unit()
    before = run.dispatcher.workload()
    order = run.order(unit)
    from study.tune.execution import execute

    execute(order)
    assert sum(trial.epochs_run for trial in before.now().trials) == 4
    assert sum(work.epochs for work in work_left(before.now())) == epochs_left(before) - 4


def epochs_done(workload):
    return sum(trial.epochs_run for trial in workload.progress.trials)


def epochs_left(workload):
    return sum(work.epochs for work in work_left(workload.progress))


def test_a_full_disk_ends_the_run_and_burns_no_tries(make_plan, simulate):
    run = simulate(make_plan(), runner="orchestration_runners:find_the_disk_full")
    with pytest.raises(UserError, match=r"No space left on device; free some space there"):
        run.run(workers=1, seed=0)
    (state,) = run.dispatcher.states.values()
    assert [failure["kind"] for failure in state.history.failures] == ["disk_full"]
    again = simulate(run.plan)
    again.run(workers=2, seed=0)
    assert again.dispatcher.workload().failed == 0
