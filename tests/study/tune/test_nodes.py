"""What the autoscaler of a cluster is asked for."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from study.layout import RunFolder
from study.schedule.dispatch import Dispatcher
from study.schedule.units import Resources, Share
from study.tune.nodes import watching
from study.tune.nodes.capacity import bundle, largest_node
from study.tune.nodes.watching import NodesWatch, units_wanted


def dispatcher_of(make_plan, tmp_path, **changes):
    plan = make_plan(search={"trials_per_arm": 4, "round_size": 2}, **changes)
    return plan, Dispatcher(plan, RunFolder(tmp_path / "run"), {})


def test_room_is_wanted_for_the_units_that_could_run_now_those_at_work_included(make_plan, tmp_path):
    plan, dispatcher = dispatcher_of(make_plan, tmp_path)
    wanted = {Resources(plan.definition.resources.cpus, 0.0): 2 * len(plan.arms)}
    assert units_wanted(dispatcher, 2, 1000) == wanted
    assert dispatcher.next_unit() is not None
    assert units_wanted(dispatcher, 2, 1000) == wanted
    assert units_wanted(dispatcher, 2, 3).total() == 3


def test_room_is_wanted_by_what_the_units_of_each_arm_reserve(make_plan, tmp_path):
    plan, dispatcher = dispatcher_of(make_plan, tmp_path, compute={"device": "cuda"})
    first, *others = (arm.arm.arm_id for arm in plan.arms)
    dispatcher.reservations.pack({first: Share.of(1.0), **dict.fromkeys(others, Share.of(0.25))})
    cpus = plan.definition.resources.cpus
    assert units_wanted(dispatcher, 2, 1000) == {Resources(cpus, 1.0): 2, Resources(cpus, 0.25): 2 * len(others)}


def test_the_autoscaler_is_told_what_changes_and_at_the_end_that_nothing_is_wanted(make_plan, tmp_path, monkeypatch):
    asked = []

    def request_resources(*, bundles):
        asked.append(bundles)

    monkeypatch.setattr("ray.autoscaler.sdk.request_resources", request_resources)
    plan, dispatcher = dispatcher_of(make_plan, tmp_path)
    monkeypatch.setattr(watching, "fitting_of", lambda _kinds: ({}, "no node has as many"))
    monkeypatch.setattr(watching, "largest_node", lambda _kinds: 0.0)
    told = []
    watch = NodesWatch(dispatcher, 2, SimpleNamespace(look=lambda **_: None), 3, told.append)
    assert watch.fitting() == {}
    assert not watch.look()
    assert not watch.look()
    assert told == ["waiting for nodes: no node has as many"]
    watch.ask_no_more()
    assert asked == [[bundle(Resources(plan.definition.resources.cpus, 0.0))] * 3, []]


def test_every_look_at_the_nodes_tells_what_a_unit_that_must_be_alone_reserves(make_plan, tmp_path, monkeypatch):
    monkeypatch.setattr("ray.autoscaler.sdk.request_resources", lambda **_: None)
    _, dispatcher = dispatcher_of(make_plan, tmp_path)
    unit = replace(dispatcher.next_unit(), alone=True)
    cpus = iter([8.0, 0.0, 4.0])
    monkeypatch.setattr(watching, "fitting_of", lambda _kinds: ({}, ""))
    monkeypatch.setattr(watching, "largest_node", lambda _kinds: next(cpus))
    watch = NodesWatch(dispatcher, 2, SimpleNamespace(look=lambda **_: None), 3, print)
    reserved = []
    for _ in range(3):
        assert not watch.look()
        watch.fitting()
        reserved.append(dispatcher.resources(unit).cpus)
    assert reserved == [8.0, 8.0, 4.0], "while there is none, the last one counts"


def test_the_largest_node_is_one_that_trials_run_on(monkeypatch):
    nodes = [({"CPU": 64.0}, True), ({"CPU": 8.0, "GPU": 1.0}, True), ({"CPU": 96.0, "GPU": 8.0}, False), ({}, True)]
    monkeypatch.setattr("ray.nodes", lambda: [{"Resources": here, "Alive": alive} for here, alive in nodes])
    assert largest_node([Resources(1.0, 0.0)]) == 64.0
    assert largest_node([Resources(1.0, 0.5)]) == 8.0
    nodes.clear()
    assert largest_node([Resources(1.0, 0.0)]) == 0.0
