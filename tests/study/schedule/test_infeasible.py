"""Trials that can never finish: too large for the machine, or failing equally on two nodes. Their arm moves on."""

from __future__ import annotations

from collections import Counter

import pytest

from results.tables.schema import INFEASIBLE
from study.journal.failures import signature
from study.journal.verdict import Place, judged
from study.schedule.failures.lost_worker import KILLED, LOST, Loss
from study.status.status import study_status

FOUR = {"trials_per_arm": 4, "round_size": 2}


def histories(run, arm=None):
    found = [state.history for state in run.dispatcher.states.values()]
    return [history for history in found if arm is None or history.planned["arm"]["name"] == arm]


def crash(message="boom", host="a", **fields):
    trace = f'  File "n.py", line 7, in forward\nValueError: {message}\n'
    return {"event": "failed", "kind": "crashed", "message": message, "traceback": trace, "host": host, **fields}


def test_a_batch_that_fits_no_machine_leaves_its_arm_a_choice(make_plan, simulate):
    nuisance = {"batch_size": [16, 24, 48, 96]}
    space = {"blocks": [{"placement": ["none", "late"]}], "nuisance": nuisance}
    plan = make_plan(space=space, search=FOUR, confirm={"seeds": [1]})
    run = simulate(plan, runner="orchestration_runners:fit_no_large_batch")
    run.run(workers=3, seed=0)
    lost = [history for history in histories(run) if history.planned["nuisance"]["images_per_batch"] == 96]
    assert lost
    assert {history.state for history in lost} == {"infeasible"}
    assert [failure.get("alone") for failure in lost[0].failures] == [None, False, True]
    assert lost[0].failures[-1]["message"].startswith(f"{INFEASIBLE}, alone on a machine: ")
    assert all(arm.selected and not arm.failure for arm in run.dispatcher.arms.values())
    assert Counter(history.planned["stage"] for history in histories(run))["confirm"] == 2
    assert run.dispatcher.workload().failed == 0
    assert simulate(plan).dispatcher.exhausted, "the next run does not try them again"


def test_a_trial_that_has_the_machine_to_itself_runs_beside_no_other(make_plan, simulate):
    run = simulate(make_plan(search=FOUR), runner="orchestration_runners:run_out_of_memory_twice")
    flying = []
    while True:
        while (unit := run.dispatcher.next_unit()) is not None:
            flying.append(unit)
        if not flying:
            break
        assert len(flying) == 1 or not any(unit.alone for unit in flying)
        run.finish(flying.pop(0))
    assert {history.state for history in histories(run)} == {"completed"}
    assert {history.attempts for history in histories(run)} == {3}, "the attempt alone uses up no try"


def test_a_shortage_that_passes_is_no_reason_to_be_alone(make_plan, simulate):
    run = simulate(make_plan(search=FOUR), runner="orchestration_runners:run_out_of_memory_once")
    assert not any(unit.alone for unit in run.run(workers=3, seed=0))
    assert {history.state for history in histories(run)} == {"completed"}


def test_equal_failures_on_two_nodes_end_a_trial_and_its_arm_moves_on(make_plan, simulate, monkeypatch):
    run = simulate(make_plan(search=FOUR, confirm={"seeds": [1]}), runner="orchestration_runners:fail_at_low_rates")
    hosts = iter(range(10**6))
    monkeypatch.setattr("study.tune.execution.socket.gethostname", lambda: f"node{next(hosts) // 2 % 2}")
    run.run(workers=1, seed=0)
    ended = Counter(history.state for history in histories(run))
    assert ended.keys() == {"completed", "infeasible"}
    infeasible = next(history for history in histories(run) if history.state == "infeasible")
    assert infeasible.failures[-1]["message"].startswith(f"{INFEASIBLE}, failed equally on node")
    assert infeasible.failures[-1]["message"].endswith(": the rate is too low")
    assert all(arm.selected for arm in run.dispatcher.arms.values())
    failed = study_status(run.dispatcher.workload().progress, 0.0).failed
    assert {trial.final for trial in failed} == {True}


@pytest.mark.parametrize(
    ("earlier", "failure", "infeasible"),
    [
        ([], crash(), False),
        ([crash(host="b")], crash(), False),  # the same node again
        ([crash()], crash(), True),
        ([crash("other")], crash(), False),
        ([crash(traceback="OSError: gone")], crash(traceback="OSError: gone"), False),  # storage may come back
        ([crash(kind="killed", traceback="")], crash(kind="killed", traceback=""), False),  # by whom is not known
        ([crash(kind="lost", traceback="")], crash(kind="lost", traceback=""), False),
        ([crash(kind="hung")], crash(kind="hung"), True),
        ([crash(kind="hung", traceback="")], crash(kind="hung", traceback=""), False),  # stopped from outside
    ],
)
def test_what_counts_as_failing_equally_on_two_nodes(earlier, failure, infeasible):
    found = judged(failure, earlier, Place("b"))
    assert found.get("infeasible", False) == infeasible
    assert found["message"].startswith(INFEASIBLE) == infeasible


def test_a_trial_found_infeasible_is_found_so_again_on_either_node():
    first = crash()
    second = {**crash(), **judged(crash(), [first], Place("b")), "host": "b"}
    assert second["infeasible"]
    assert judged(crash(), [first, second], Place("a"))["infeasible"]
    assert signature(first) != signature(second)


def ends(run, unit, loss, times):
    for _ in range(times):
        run.dispatcher.ended(unit, crashed=True, loss=loss)
        if run.dispatcher.next_unit() != unit:
            return False
    return True


def test_lost_nodes_cost_no_try_and_stop_no_arm(make_plan, simulate):
    run = simulate(make_plan(resources={"retries": 0}))
    unit = run.dispatcher.next_unit()
    assert ends(run, unit, LOST, 20)
    assert run.dispatcher.stopped == {}
    assert {failure["kind"] for failure in histories(run)[0].failures} == {"lost"}


def test_every_kind_of_failure_has_retries_of_its_own(make_plan, simulate):
    plan = make_plan(resources={"retries": 0, "retries_by_kind": {"lost": 1, "killed": 3}})
    run = simulate(plan)
    unit = run.dispatcher.next_unit()
    assert ends(run, unit, LOST, 1)
    assert ends(run, unit, KILLED, 2)
    assert not ends(run, unit, Loss("hung", "silent"), 1), "kinds without a number of their own take `retries`"
    again = simulate(plan)
    assert again.dispatcher.next_unit() == unit, "the next run begins to count anew"
    assert not ends(again, unit, LOST, 2)
