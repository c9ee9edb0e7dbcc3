"""Equal failures of an arm's first trials stop the arm; of all arms, the study."""

from __future__ import annotations

import re
from collections import Counter

from study.journal.failures import may_pass, signature
from study.schedule.failures.equal_failures import EqualFailures
from study.status.status import study_status

TEN = {"trials_per_arm": 10, "round_size": 10}
FOUR = {"trials_per_arm": 4, "round_size": 4}


def crash(message="boom", line=7, kind="crashed", error="RuntimeError"):
    trace = f'Traceback (most recent call last):\n  File "n.py", line {line}, in forward\n{error}: {message}\n'
    return {"event": "failed", "kind": kind, "message": message, "traceback": trace}


LOST = {"event": "failed", "kind": "crashed", "message": "the worker ended without notice", "traceback": ""}


def failed_trials(run):
    return [state.history for state in run.dispatcher.states.values() if state.history.state == "failed"]


def test_equal_failures_of_all_arms_end_the_study_after_a_few_trials(make_plan, simulate):
    run = simulate(make_plan(search=TEN), runner="orchestration_runners:fail_alike")
    ended = run.run(workers=1, seed=0)
    assert len(ended) == 4  # two of the first arm, one of each other; of thirty that would be tried three times each
    assert run.dispatcher.exhausted
    assert len(run.dispatcher.stopped) == 3
    assert len({signature(failure) for failure in run.dispatcher.stopped.values()}) == 1


def test_equal_failures_stop_their_arm_and_the_others_are_finished(make_plan, simulate):
    run = simulate(make_plan(search=TEN), runner="orchestration_runners:fail_alike_with_modulation")
    run.run(workers=2, seed=0)
    by_name = {arm.tune[0].arm.name: arm for arm in run.dispatcher.arms.values()}
    assert by_name["shared"].done
    assert by_name["separate"].done
    assert len(failed_trials(run)) in (2, 3)  # a third was at work when the second failed
    assert {history.attempts for history in failed_trials(run)} == {1}
    assert list(run.dispatcher.stopped) == [by_name["late"].tune[0].arm.arm_id]


def test_the_same_command_tries_again_what_equal_failures_stopped(make_plan, simulate):
    plan = make_plan(search=FOUR)
    simulate(plan, runner="orchestration_runners:fail_alike").run(workers=2, seed=0)
    again = simulate(plan)
    again.run(workers=2, seed=0)
    undisturbed = simulate(plan, "undisturbed")
    undisturbed.run(workers=2, seed=0)
    assert again.dispatcher.stopped == {}
    assert again.results() == undisturbed.results()


def test_a_shortage_of_memory_that_passes_stops_nothing(make_plan, simulate):
    run = simulate(make_plan(search=FOUR), runner="orchestration_runners:run_out_of_memory_once")
    run.run(workers=10, seed=0)
    assert Counter(state.history.state for state in run.dispatcher.states.values()) == {"completed": 3 * 6}


def test_failures_with_words_of_their_own_are_each_tried_to_the_end(make_plan, simulate):
    run = simulate(make_plan(search=TEN), runner="orchestration_runners:fail_in_many_ways")
    run.run(workers=2, seed=0)
    assert {history.attempts for history in failed_trials(run)} == {3}
    assert len(failed_trials(run)) == 10
    assert run.dispatcher.stopped == {}


def test_a_node_that_takes_many_trials_with_it_stops_no_arm():
    watched = EqualFailures(lambda _kind: 2)
    for trial in "abcdefgh":
        watched.failed("arm", trial, LOST)
    assert watched.stopped() == {}
    watched.failed("arm", "a", LOST)
    assert watched.stopped() == {}
    watched.failed("arm", "a", LOST)  # it comes back
    assert watched.stopped() == {"arm": LOST}


def test_what_ended_well_keeps_its_arm_going():
    watched = EqualFailures(lambda _kind: 2)
    watched.ended_well("arm")
    watched.failed("arm", "bad", crash())
    watched.failed("arm", "worse", crash())
    assert watched.stopped() == {}


def test_one_failure_each_stops_arms_only_while_nothing_has_ended_well():
    watched = EqualFailures(lambda _kind: 2)
    watched.failed("one", "of one", crash())
    watched.failed("two", "of two", crash())
    assert set(watched.stopped()) == {"one", "two"}
    watched.ended_well("three")
    assert watched.stopped() == {}


def test_failures_are_equal_by_kind_place_and_words_whatever_the_numbers():
    assert signature(crash("size 32 at 0x7f3a")) == signature(crash("size 1e-05 at 0x11"))
    assert signature(crash("trial 0a1b2c3d4e5f6a7b")) == signature(crash("trial ffffffffffff0001"))
    assert signature(crash("no gradient")) != signature(crash("no grain"))
    assert signature(crash(line=7)) != signature(crash(line=8))
    assert signature(crash(kind="data")) != signature(crash())
    assert signature(crash("feedback added")) != signature(crash("facade added"))  # words, not numbers


def test_errors_of_the_code_do_not_pass_and_those_of_the_system_may():
    assert not may_pass(crash())
    assert not may_pass(crash(kind="data", error="ValueError"))
    assert may_pass(LOST)
    assert may_pass(crash(kind="out_of_memory", error="torch.OutOfMemoryError"))
    assert may_pass(crash(kind="data", error="OSError"))
    assert may_pass(crash(error="requests.exceptions.ConnectionError"))
    assert may_pass(crash(error="torch.AcceleratorError"))


def test_status_says_one_and_the_same_failure_once(make_plan, simulate):
    from study.commands.status import _lines

    run = simulate(make_plan(search=TEN), runner="orchestration_runners:fail_alike")
    run.run(workers=4, seed=0)
    lines = _lines(study_status(run.dispatcher.workload().progress, 0.0), "modstudy run x")
    (line,) = [line for line in lines if line.startswith("failed: ")]
    assert "more in" in line
    assert re.search(r": crashed after \d+( to \d+)? attempts? each, ", line)
    assert "no gradient" in line
