"""A worker goes on with unit after unit, as long as they reserve what it has."""

from __future__ import annotations

from types import SimpleNamespace

from ray.tune.search import Searcher

from study.schedule.units import Resources, Share
from study.tune.fused_execution import execute_unit
from study.tune.losses import LossesNoted
from study.tune.searcher import Ends, KeptWorkers, UnitSearcher


def test_a_worker_goes_on_until_a_unit_reserves_something_else_and_no_unit_is_lost(make_plan, simulate):
    plan = make_plan(compute={"device": "cuda"})
    alone = simulate(plan, "alone")
    alone.run(workers=1, seed=0)
    run = simulate(plan, "kept")
    run.dispatcher.reservations.pack({plan.arms[0].arm.arm_id: Share.packed(4)})
    handed_out = []

    def order(unit):
        handed_out.append(unit)
        return run.order(unit)

    searcher = UnitSearcher(run.dispatcher, order, 1, lambda: None, Ends(LossesNoted(), None))
    workers = 0
    while (config := searcher.suggest(str(workers))) != Searcher.FINISHED:
        going_on = True
        while going_on:
            assert run.dispatcher.resources(handed_out[-1]) == Resources(config["cpus"], config["gpus"])
            execute_unit(run.order(handed_out[-1]))
            going_on = searcher.go_on(str(workers)) is not None
        searcher.on_trial_complete(str(workers))
        workers += 1
    assert 1 < workers < len(handed_out) == plan.trials
    assert run.results() == alone.results()


def test_a_worker_does_not_go_on_beyond_what_may_run_at_once(make_plan, simulate):
    run = simulate(make_plan())
    searcher = UnitSearcher(run.dispatcher, run.order, 1, lambda: None, Ends(LossesNoted(), None))
    first = run.dispatcher.next_unit()
    assert searcher.suggest("waits") is None
    run.finish(first)
    assert searcher.suggest("first") is not None
    run.dispatcher.next_unit()
    assert searcher.go_on("first") is None


def trial(status: str, gpus: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(status=status, PENDING="PENDING", config={"cpus": 1.0, "gpus": gpus})


def test_a_worker_ends_its_tune_trial_for_one_that_waits_only_where_that_makes_room():
    workers = KeptWorkers(lambda: {Resources(1.0, 0.0): 2, Resources(1.0, 0.5): 2}, None, SimpleNamespace())
    running, waiting = trial("RUNNING"), trial("PENDING")
    assert workers._have_room([running, running, running])
    assert workers._have_room([running, waiting])  # its process is starting
    assert not workers._have_room([running, running, waiting])
    assert not workers._have_room([running, trial("PENDING", gpus=0.5)])
