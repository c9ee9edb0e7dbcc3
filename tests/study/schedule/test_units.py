"""Shares of a GPU, and what units reserve."""

from __future__ import annotations

import pytest

from study.schedule.units import Resources, Share, shares_of


def ray_counts(gpus: float) -> int:
    return round(gpus * 10_000)


@pytest.mark.parametrize("at_once", range(1, 65))
def test_a_packed_share_fits_on_a_gpu_just_so_often(at_once):
    share = Share.packed(at_once)
    assert share.at_once == at_once
    assert ray_counts(share.gpus) * at_once <= 10_000 < ray_counts(share.gpus) * (at_once + 1)


@pytest.mark.parametrize(
    ("gpus", "at_once"), [(0, 1), (0.1, 10), (0.25, 4), (0.3, 3), (0.5, 2), (0.6, 1), (1, 1), (2, 1)]
)
def test_a_share_that_the_study_asks_for_says_how_many_fit(gpus, at_once):
    assert Share.of(gpus) == Share(gpus, at_once)


def test_what_the_study_asks_for_holds_where_nothing_was_packed(make_plan):
    plan = make_plan(resources={"gpus": 0.5})
    first, *others = (arm.arm.arm_id for arm in plan.arms)
    assert shares_of(plan, {first: Share.packed(4)}) == {
        first: Share(0.25, 4),
        **dict.fromkeys(others, Share(0.5, 2)),
    }


def test_units_reserve_the_share_of_their_arm_and_the_cpus_of_the_study(make_plan, simulate):
    dispatcher = simulate(make_plan(resources={"cpus": 2})).dispatcher
    assert dispatcher.kinds_of_resources == {Resources(2, 0)}
    unit = dispatcher.next_unit()
    dispatcher.pack({unit.trial.arm.arm_id: Share.packed(8)})
    assert dispatcher.resources(unit) == Resources(2, 0.125)
    assert dispatcher.kinds_of_resources == {Resources(2, 0), Resources(2, 0.125)}
