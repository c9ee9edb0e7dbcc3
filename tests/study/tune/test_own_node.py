"""A unit that must be alone reserves a node of a cluster; it is handed out otherwise where it waits for one in vain."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from study.schedule.units import Resources
from study.tune.losses import LossesNoted
from study.tune.nodes import own_node
from study.tune.nodes.own_node import OwnNode
from study.tune.searcher import Ends, KeptWorkers, UnitSearcher

FOUR = {"search": {"trials_per_arm": 4, "round_size": 2}}
TWICE = "orchestration_runners:run_out_of_memory_twice"


@pytest.fixture
def waiting(make_plan, simulate):
    """A run on a node of 8 CPUs and another one, in which a unit is to be alone and others have more to do."""
    run = simulate(make_plan(**FOUR), runner=TWICE)
    run.dispatcher.reservations.know_largest_node(8.0)
    unit = run.dispatcher.next_unit()
    run.finish(unit)
    while not (unit := run.dispatcher.next_unit()).alone:
        run.finish(unit)
    return SimpleNamespace(run=run, dispatcher=run.dispatcher, unit=unit)


def test_a_unit_that_must_be_alone_reserves_a_node_and_others_run_beside_it_elsewhere(waiting):
    assert waiting.dispatcher.resources(waiting.unit) == Resources(8.0, 0.0)
    others = list(iter(waiting.dispatcher.next_unit, None))
    assert others, "they need not wait for it"
    assert {waiting.dispatcher.resources(unit).cpus for unit in others} == {8.0}, "shared units come first"
    waiting.run.finish(waiting.unit)
    for unit in others:
        waiting.run.finish(unit)
    waiting.run.run(workers=3, seed=0)
    assert waiting.dispatcher.workload().failed == 0
    assert {state.history.state for state in waiting.dispatcher.states.values()} == {"completed"}


def test_shared_units_are_handed_out_while_one_is_alone(waiting):
    other = waiting.dispatcher.next_unit()
    waiting.run.finish(other)
    while (shared := waiting.dispatcher.next_unit()) is not None and shared.alone:
        waiting.run.finish(shared)
    assert shared is not None, "the round of another arm is over"
    assert waiting.dispatcher.resources(shared).cpus == 1.0


def test_a_unit_given_back_is_handed_out_again_and_has_used_up_no_try(waiting):
    dispatcher = waiting.dispatcher
    for _ in range(5):
        dispatcher.given_back(waiting.unit)
        assert dispatcher.in_flight == 0
        waiting.unit = dispatcher.next_unit()
        assert waiting.unit.alone
    waiting.run.finish(waiting.unit)
    assert dispatcher.states[waiting.unit.trial.trial_id].history.state == "completed"


def test_where_no_node_can_be_had_whole_it_runs_beside_no_other(waiting):
    waiting.dispatcher.reservations.share_nodes()
    waiting.dispatcher.reservations.know_largest_node(8.0)  # as every look at the nodes does
    waiting.dispatcher.given_back(waiting.unit)
    unit = waiting.dispatcher.next_unit()
    assert waiting.dispatcher.resources(unit).cpus == 1.0
    assert waiting.dispatcher.next_unit() is None


def test_a_node_that_is_gone_or_partly_of_somebody_else_is_waited_for_in_vain(waiting, monkeypatch):
    largest = [8.0]
    own = OwnNode(waiting.dispatcher, lambda: largest[0])
    whole = Resources(8.0, 0.0)
    monkeypatch.setattr(own_node, "_PATIENCE_S", 0.0)
    other = waiting.dispatcher.next_unit()
    assert not own.is_waited_for_in_vain("tune-id", whole, 1), "another unit may hold a part of it"
    largest[0] = 4.0
    assert own.is_waited_for_in_vain("tune-id", whole, 1), "the largest node is gone"
    largest[0] = 0.0
    assert not own.is_waited_for_in_vain("tune-id", whole, 1), "it waits for nodes as others do"
    largest[0] = 8.0
    waiting.run.finish(other)
    assert own.is_waited_for_in_vain("tune-id", whole, 1), "nothing else of the study runs"
    assert waiting.dispatcher.resources(waiting.unit).cpus == 1.0
    assert own.is_waited_for_in_vain("other", whole, 5), "nor can others have one"
    assert not own.is_waited_for_in_vain("again", waiting.dispatcher.resources(waiting.unit), 1), "it waits as all do"


def test_units_that_all_wait_for_a_node_do_not_wait_for_each_other(waiting, monkeypatch):
    monkeypatch.setattr(own_node, "_PATIENCE_S", 0.0)
    others = list(iter(waiting.dispatcher.next_unit, None))
    assert all(unit.alone for unit in others)
    own = OwnNode(waiting.dispatcher, lambda: 8.0)
    assert not own.is_waited_for_in_vain("tune-id", Resources(8.0, 0.0), len(others))
    monkeypatch.setattr(own_node, "_PATIENCE_S", 600.0)
    assert not own.is_waited_for_in_vain("tune-id", Resources(8.0, 0.0), 1 + len(others)), "not at once"
    monkeypatch.setattr(own_node, "_PATIENCE_S", 0.0)
    assert own.is_waited_for_in_vain("tune-id", Resources(8.0, 0.0), 1 + len(others))


def test_the_tune_trial_of_a_unit_that_waits_in_vain_is_ended_and_the_unit_handed_out_again(waiting):
    own = SimpleNamespace(is_waited_for_in_vain=lambda *asked: asked == ("alone", Resources(8.0, 0.0), 1))
    workers = KeptWorkers(lambda: {Resources(1.0, 0.0): 2}, None, own)
    searcher = UnitSearcher(waiting.dispatcher, waiting.run.order, None, lambda: None, Ends(workers, None))
    workers.ask(searcher)
    waiting.dispatcher.given_back(waiting.unit)
    trials = [SimpleNamespace(trial_id="alone", status="PENDING", PENDING="PENDING", config=searcher.suggest("alone"))]
    stopped = []
    controller = SimpleNamespace(get_live_trials=lambda: trials, stop_trial=stopped.append)
    trials[0].status = "RUNNING"
    workers._take_back(controller)
    assert not stopped, "it has its node"
    trials[0].status = "PENDING"
    workers._take_back(controller)
    assert stopped == trials
    searcher.on_trial_complete("alone")  # as Tune tells of it
    assert waiting.dispatcher.in_flight == 0
    assert searcher.suggest("again") is not None
    assert searcher.alone() == ["again"]
    assert isinstance(workers, LossesNoted)
