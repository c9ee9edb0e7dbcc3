"""Fused units: which trials are in one is a matter of the plan; the tables do not depend on workers or extensions."""

from __future__ import annotations

from typing import Any

from study.plan.fusing import fusing_lines

SEARCH = {"trials_per_arm": 5, "round_size": 4, "halving": {"rungs": [2], "keep": 0.5}}
FUSED = {"fused": 3}


def places(units: list[Any]) -> dict[str, int]:
    """The slot of every trial that has run."""
    found: dict[str, int] = {}
    for unit in units:
        for slot, trial in enumerate(unit.slots):
            if trial is not None:
                assert found.setdefault(trial.trial_id, slot) == slot
    return found


def test_trials_of_a_round_that_go_to_the_same_epoch_are_one_unit(make_plan, simulate):
    run = simulate(make_plan(search=SEARCH, compute=FUSED))
    unit, rest = run.dispatcher.next_unit(), run.dispatcher.next_unit()

    assert [trial and trial.index for trial in unit.slots] == [0, 1, 2]
    assert [trial and trial.index for trial in rest.slots] == [3, None, None]
    assert unit.until_epoch == rest.until_epoch == 2
    assert unit.trial.arm == rest.trial.arm
    assert run.dispatcher.in_flight == 2
    assert {trial.config.compute.fused for trial in unit.trials} == {3}


def test_the_results_do_not_depend_on_the_workers(make_plan, simulate):
    plan = make_plan(search=SEARCH, compute=FUSED)
    results = []
    for workers, seed in ((1, 0), (2, 1), (5, 2)):
        run = simulate(plan, f"run{workers}")
        units = run.run(workers, seed)
        assert any(len(unit.trials) > 1 for unit in units)
        assert run.dispatcher.exhausted
        results.append(run.results())

    assert results[0] == results[1] == results[2]


def test_more_seeds_and_trials_fill_slots_and_move_nothing(make_plan, simulate):
    few = {"trials_per_arm": 3, "round_size": 4}
    first = simulate(make_plan(search=few, compute=FUSED, confirm={"seeds": [1, 2]}))
    before = places(first.run(workers=2, seed=0))
    results = first.results()

    grown = simulate(make_plan(search={**few, "trials_per_arm": 4}, compute=FUSED, confirm={"seeds": [1, 2, 3, 4]}))
    after = places(grown.run(workers=2, seed=0))

    assert not before.keys() & after.keys(), "what had finished is not trained again"
    fresh = simulate(
        make_plan(search={**few, "trials_per_arm": 4}, compute=FUSED, confirm={"seeds": [1, 2, 3, 4]}), "fresh"
    )
    assert places(fresh.run(workers=1, seed=0)) == {
        trial_id: slot for trial_id, slot in {**before, **after}.items() if trial_id in fresh.dispatcher.states
    }
    assert set(results) <= set(grown.results())


def test_a_lost_worker_fails_every_trial_of_its_unit_once(make_plan, simulate):
    run = simulate(make_plan(search=SEARCH, compute=FUSED))
    unit = run.dispatcher.next_unit()

    run.dispatcher.ended(unit, crashed=True)

    states = [run.dispatcher.states[trial.trial_id].history for trial in unit.trials]
    assert [history.state for history in states] == ["failed"] * 3
    assert not run.dispatcher.stopped
    again = run.dispatcher.next_unit()
    assert again is not None
    run.dispatcher.ended(again, crashed=True)
    run.run(workers=2, seed=0)
    assert run.dispatcher.exhausted
    assert all(run.dispatcher.states[trial.trial_id].history.state != "failed" for trial in unit.trials)


def test_arms_that_cannot_be_fused_say_why(make_plan):
    blocks = [{"placement": ["none"]}, {"placement": ["none"], "balancing": ["pcgrad"]}]
    space = {"blocks": blocks, "nuisance": {"learning_rate": {"low": 1e-3, "high": 1e-2}}}
    plan = make_plan(space=space, compute=FUSED)

    assert [arm.config.compute.fused for arm in plan.arms] == [3, 1]
    lines = list(fusing_lines(plan))
    assert lines[0] == "fused: up to 3 trials of an arm train as one model, in 1 of 2 arms"
    assert "the balancing method 'pcgrad' differentiates the loss of each task by itself" in lines[1]
    assert list(fusing_lines(make_plan(space=space))) == []


def test_what_is_tuned_decides_too(make_plan):
    for nuisance, reason in (
        ({"batch_size": [6, 12]}, "batches.batch_size, which changes shapes"),
        ({"embedding_l2": {"low": 0.0, "high": 0.1}}, "the range of embedding_l2 includes 0"),
    ):
        plan = make_plan(space={"blocks": [{"placement": ["none"]}], "nuisance": nuisance}, compute=FUSED)
        assert reason in list(fusing_lines(plan))[1]
        assert plan.arms[0].config.compute.fused == 1
