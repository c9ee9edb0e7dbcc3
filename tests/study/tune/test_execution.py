from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from study.journal.journal import read_journal
from study.schedule.units import WorkUnit
from study.tune import execution
from study.tune.execution import TrialFailedError, WorkOrder, execute
from trainables.foundation.locks.lease import LeaseLostError


@pytest.fixture
def order(make_plan, simulate) -> WorkOrder:
    run = simulate(make_plan())
    return run.order(run.dispatcher.next_unit())


def events(order: WorkOrder) -> list[str]:
    return [
        event["event"]
        for event in read_journal(Path(order.folder) / "trials" / order.trial_id / "journal.jsonl").events
    ]


def test_an_order_travels_as_text(order):
    assert WorkOrder.from_json(order.to_json()) == order
    json.loads(order.to_json())


def test_a_trial_is_journalled_from_plan_to_end(order):
    assert execute(order) == "completed"
    assert events(order) == ["planned", "started", "epoch", "epoch", "epoch", "epoch", "finished"]


def test_finished_work_is_not_done_again(order):
    execute(order)
    before = events(order)
    assert execute(order) == "completed"
    assert events(order) == before


def test_a_rung_pauses_and_the_next_unit_goes_on(order):
    rung = replace(order, until_epoch=2)
    assert execute(rung) == "paused"
    assert execute(rung) == "paused"  # reached already
    assert execute(order) == "completed"
    assert events(order) == ["planned", "started", "epoch", "epoch", "paused", "started", "epoch", "epoch", "finished"]


def test_divergence_is_a_result_and_a_crash_is_not(make_plan, simulate):
    run = simulate(make_plan(), runner="orchestration_runners:train_or_fail")
    orders = {unit.trial.arm.name: run.order(unit) for unit in iter(run.dispatcher.next_unit, None)}
    assert execute(orders["separate"]) == "diverged"
    assert execute(orders["separate"]) == "diverged"
    assert events(orders["separate"]) == ["planned", "started", "failed"]
    with pytest.raises(TrialFailedError, match=r"trial \w+: crashed: as told"):
        execute(orders["late"])
    assert events(orders["late"]) == ["planned", "started", "failed"]


def test_a_trial_has_one_writer(order, tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "LOCK_PATIENCE_S", 0.1)
    execute(order)
    before = events(order)
    with (
        FileLock(tmp_path / "run" / "trials" / order.trial_id / "trial.lock"),
        pytest.raises(TrialFailedError, match="another process has held it"),
    ):
        execute(order)
    assert events(order) == before


def test_a_writer_whose_lease_was_taken_writes_nothing_more(order, refuse_flock, monkeypatch):
    refuse_flock()
    monkeypatch.setattr("trainables.foundation.locks.lease._GOOD_WHILE", 0.0)  # look before every write
    with pytest.raises(LeaseLostError):
        execute(replace(order, runner="orchestration_runners:train_until_succeeded"))
    assert events(order) == ["planned", "started", "epoch"]


def test_units_compare_by_what_they_are(make_plan, simulate):
    plan = make_plan()
    one, other = simulate(plan).dispatcher.next_unit(), simulate(plan).dispatcher.next_unit()
    assert one == other
    assert one != WorkUnit(one.trial, 1)


def test_a_node_with_other_data_trains_nothing(order):
    elsewhere = replace(order, planned={**order.planned, "data_fingerprint": "0" * 32})
    with pytest.raises(TrialFailedError, match=r"data: generated: the data here has fingerprint .* planned on 0000"):
        execute(elsewhere)
    assert events(order) == ["planned", "started", "failed"]
