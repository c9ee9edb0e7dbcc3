"""A trial stops where a cheaper arm has reached more than it may reach; and never because of timing."""

from __future__ import annotations

import pytest

from study.schedule.pruning.cheaper_arms import NO_BAR, Bar, CheaperArms, Ended, Reached
from study.session.notes import unequal_effort

SEARCH = {"trials_per_arm": 8, "round_size": 4, "halving": {"rungs": [1, 2], "keep": 0.5, "stop_beaten": True}}


@pytest.fixture
def beating_plan(make_plan):
    """The cheapest arm, ``shared``, is the best: its peak lies in the middle of the range, those of others outside."""
    rate = {"learning_rate": {"low": 3e-3, "high": 1e-1, "log": True}}
    blocks = [{"placement": ["none"], "grouping": ["per_task", "network_per_task"]}, {"placement": ["late", "all"]}]
    return make_plan(search=SEARCH, space={"blocks": blocks, "nuisance": rate})


def test_the_optimistic_end_is_the_objective_plus_the_largest_gain_from_the_rung():
    cheaper = Reached.by([Ended({1: 0.5, 2: 0.625}, 0.75), Ended({1: 0.25}, 0.375)])
    assert cheaper == Reached(0.75, {1: 0.25, 2: 0.125})
    bar = Bar(cheaper.best, cheaper.gains)
    assert bar.beaten({"just": 0.5, "less": 0.49}, 1) == {"less"}
    assert bar.beaten({"just": 0.625, "less": 0.49}, 2) == {"less"}
    assert bar.beaten({"no gain from here is known": 0.0}, 3) == set()


def test_a_curve_that_falls_gives_no_negative_gain():
    assert Reached.by([Ended({1: 0.5}, 0.25)]).gains == {1: 0.0}


def test_the_bar_holds_earlier_rounds_of_cheaper_arms_and_waits_for_them():
    arms = CheaperArms({"free": 1, "small": 2, "large": 2})
    assert arms.bar("large", 0) == NO_BAR
    arms.note("free", Reached(0.7, {1: 0.1}))
    arms.note("large", Reached(0.9, {1: 0.2}))
    assert arms.bar("small", 0) == NO_BAR
    assert arms.bar("large", 1) is None  # round 0 of small is not over
    arms.note("small", Reached(0.6, {1: 0.3}))
    assert arms.bar("large", 1) == Bar(0.7, {1: 0.3})  # its own best sets no bar, its own gains count
    assert arms.bar("small", 1) == Bar(0.7, {1: 0.3})
    assert arms.bar("free", 1) == Bar(gains={1: 0.1})


def test_timing_and_stopping_anywhere_change_nothing(beating_plan, simulate):
    alone = simulate(beating_plan, "alone")
    alone.run(workers=1, seed=0)
    crowd = simulate(beating_plan, "crowd")
    crowd.run(workers=9, seed=2)
    assert crowd.results() == alone.results()
    sessions = 0
    while simulate(beating_plan, "stopped").run(workers=3, seed=sessions, units=7):
        sessions += 1
    assert sessions > 2
    assert simulate(beating_plan, "stopped").results() == alone.results()


def test_only_trials_of_later_rounds_stop_and_every_arm_is_confirmed(beating_plan, simulate):
    run = simulate(beating_plan)
    run.run(workers=5, seed=1)
    stopped = [end for arm in run.dispatcher.arms.values() for end in arm.pruned if end.by_cheaper_arm]
    assert stopped
    assert all(end.trial.round > 0 and end.trial.stage == "tune" for end in stopped)
    assert all(arm.done and len(arm.confirm) == 2 for arm in run.dispatcher.arms.values())
    cheapest = min(beating_plan.arms, key=lambda arm: arm.storage.added_parameters).arm.arm_id
    assert cheapest not in {end.trial.arm.arm_id for end in stopped}
    journals = [run.folder.trial(end.trial.trial_id).journal.read_text() for end in stopped]
    assert all('"by_cheaper_arm": true' in text.replace('":true', '": true') for text in journals)


def test_it_is_off_by_default(make_plan, simulate):
    run = simulate(make_plan(search={**SEARCH, "halving": {"rungs": [1, 2]}}))
    run.run(workers=5, seed=1)
    assert not [end for arm in run.dispatcher.arms.values() for end in arm.pruned if end.by_cheaper_arm]


def test_status_and_report_say_that_beaten_arms_were_tuned_less(beating_plan, simulate):
    run = simulate(beating_plan)
    run.run(workers=5, seed=1)
    (line,) = unequal_effort(run.dispatcher.workload().progress)
    assert "stopped because a cheaper arm was out of their reach" in line
