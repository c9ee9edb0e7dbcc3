"""A trial whose worker is killed every time is infeasible in the end; one whose neighbour took the memory is not."""

from __future__ import annotations

import pytest

from results.tables.schema import INFEASIBLE
from study.journal.journal import read_journal
from study.journal.verdict import Place, judged
from study.schedule.failures.lost_worker import KILLED, LOST
from study.tune.execution import TrialFailedError
from study.tune.fused_execution import execute_unit

LATE_ALONE = {"search": {"trials_per_arm": 2, "round_size": 2}, "confirm": {"seeds": [1]}}
RUNNER = "dying_runners:be_killed_with_modulation"


class Ended(BaseException):
    """Stands for SIGKILL: nothing that a worker could still do is done."""


@pytest.fixture
def killing(make_plan, simulate, monkeypatch):
    """Return a way to run a study of which workers are killed where the runner calls ``os.kill``."""
    monkeypatch.setattr("dying_runners.os.kill", lambda *_: (_ for _ in ()).throw(Ended))

    def begin(runner=RUNNER, name="run", losses=(), **changes):
        run = simulate(make_plan(**{**LATE_ALONE, **changes}), name, runner=runner)
        coming = iter(losses)

        def finish(unit):
            try:
                execute_unit(run.order(unit))
            except Ended:
                run.dispatcher.ended(unit, crashed=True, loss=next(coming, KILLED))
            except TrialFailedError:
                run.dispatcher.ended(unit, crashed=True)
            else:
                run.dispatcher.ended(unit, crashed=False)

        monkeypatch.setattr(run, "finish", finish)
        return run

    return begin


def histories(run, arm):
    found = [state.history for state in run.dispatcher.states.values()]
    return [history for history in found if history.planned["arm"]["name"] == arm]


def alone(history):
    return [(failure["kind"], failure.get("alone")) for failure in history.failures]


def test_a_trial_killed_every_time_is_tried_alone_and_then_infeasible_and_its_arm_moves_on(killing, simulate):
    run = killing(resources={"retries": 1})
    run.run(workers=3, seed=0)
    late = histories(run, "late")
    assert [history.state for history in late] == ["infeasible"] * 2
    for history in late:
        assert alone(history) == [("killed", None), ("killed", False), ("killed", True)]
        assert history.failures[-1]["message"].startswith(f"{INFEASIBLE}, alone on a machine: the worker ended without")
    (arm,) = (arm for arm in run.dispatcher.arms.values() if arm.tune[0].arm.name == "late")
    assert arm.failure.startswith("none of its 2 tune trials can finish here: killed: ")
    assert run.dispatcher.workload().failed == 0
    assert simulate(run.plan).dispatcher.exhausted, "the next run does not try them again"


def test_it_is_the_same_over_several_runs_and_a_trial_that_is_left_is_judged_by_those_of_earlier_ones(killing):
    run = killing(resources={"retries": 0})
    run.run(workers=3, seed=0)
    assert [alone(history) for history in histories(run, "late")] == [[("killed", None)]] * 2
    again = killing(resources={"retries": 0})
    again.run(workers=1, seed=0)
    assert [history.state for history in histories(again, "late")] == ["infeasible"] * 2


def test_where_no_trial_has_come_to_its_end_workers_that_are_killed_say_nothing_of_a_trial(killing):
    run = killing("dying_runners:be_killed")
    run.run(workers=2, seed=0)
    states = {state.history.state for state in run.dispatcher.states.values()}
    assert states == {"failed"}
    assert run.dispatcher.exhausted
    assert {failure["message"] for failure in run.dispatcher.stopped.values()} == {KILLED.message}
    assert len(run.dispatcher.stopped) == 3


def test_a_lost_node_never_counts(killing):
    run = killing(losses=[LOST] * 60)
    run.run(workers=2, seed=0, units=48)
    late = histories(run, "late")
    assert {failure["kind"] for history in late for failure in history.failures} == {"lost"}
    assert {history.state for history in late} == {"failed"}
    assert not any(history.must_be_alone for history in late)


def test_a_trial_that_comes_further_between_kills_is_not_alone_for_them(killing):
    run = killing("dying_runners:be_killed_once_an_epoch", resources={"retries_by_kind": {"killed": 4}})
    assert not any(unit.alone for unit in run.run(workers=1, seed=0))
    (first, *_) = histories(run, "late")
    assert (first.state, len(first.failures)) == ("completed", 3)
    assert [failure["epoch"] for failure in first.failures] == [1, 2, 3]


def test_a_worker_killed_before_it_has_begun_the_trial_says_nothing_of_it(killing, make_plan):
    run = killing(resources={"retries_by_kind": {"killed": 9}})
    run.run(workers=1, seed=0, units=2)
    unit = run.dispatcher.next_unit()
    for _ in range(8):
        run.dispatcher.ended(unit, crashed=True, loss=KILLED)
        assert run.dispatcher.next_unit() == unit
    events = read_journal(run.folder.trial(unit.trial.trial_id).journal).events
    assert all(event.get("alone") is None and event.get("epoch") is None for event in events)


def fault(host, place="conv", **fields):
    message, trace = f"the worker ended by a fault of its own: Aborted, in {place}", f"  File {place}"
    return {"event": "failed", "kind": "killed", "message": message, "traceback": trace, "host": host, **fields}


@pytest.mark.parametrize(
    ("earlier", "failure", "place", "verdict"),
    [
        ([fault("a", epoch=1)], fault("b", epoch=1), Place("b"), {"infeasible": True}),
        ([fault("a", epoch=1)], fault("b", "linear", epoch=1), Place("b"), {"alone": False}),
        ([fault("a", epoch=1)], fault("a", epoch=1), Place("a"), {"alone": False}),
        ([fault("a", epoch=1)], fault("a", epoch=1), Place("a", alone=True, proven=True), {"alone": True}),
        ([fault("a", epoch=1)], fault("a", epoch=1), Place("a", alone=True), {}),
        ([fault("a", epoch=1)], fault("a", epoch=2), Place("a", alone=True, proven=True), {}),
        ([fault("a")], fault("a", epoch=0), Place("a", alone=True, proven=True), {}),  # a line of an older version
        ([], fault("a", epoch=1), Place("a", alone=True, proven=True), {}),
    ],
)
def test_what_a_fault_says_of_a_trial(earlier, failure, place, verdict):
    found = judged(failure, earlier, place)
    assert {name: found[name] for name in ("alone", "infeasible") if name in found} == verdict
    assert found["message"].startswith(INFEASIBLE) == any(verdict.values())
