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


ON_GPUS = {"compute": {"device": "cuda"}}


def test_an_arm_takes_what_was_packed_or_a_whole_gpu(make_plan):
    plan = make_plan(**ON_GPUS)
    first, *others = (arm.arm.arm_id for arm in plan.arms)
    shares = shares_of(plan, {first: Share.packed(4)})
    assert shares == {first: Share(0.25, 4), **dict.fromkeys(others, Share(1, 1))}


@pytest.mark.parametrize(
    ("settings", "share"),
    [({**ON_GPUS, "resources": {"gpus": 0.5}}, Share(0.5, 2)), ({"resources": {"gpus": 0}}, Share(0)), ({}, Share(0))],
)
def test_what_was_packed_counts_on_gpus_and_where_the_study_names_no_number(make_plan, settings, share):
    plan = make_plan(**settings)
    packing = {arm.arm.arm_id: Share.packed(8) for arm in plan.arms}
    assert set(shares_of(plan, packing).values()) == {share}


def test_units_reserve_the_share_of_their_arm_and_the_cpus_of_the_study(make_plan, simulate):
    dispatcher = simulate(make_plan(resources={"cpus": 2}, **ON_GPUS)).dispatcher
    assert dispatcher.reservations.kinds == {Resources(2, 1)}
    unit = dispatcher.next_unit()
    dispatcher.reservations.pack({unit.trial.arm.arm_id: Share.packed(8)})
    assert dispatcher.resources(unit) == Resources(2, 0.125)
    assert dispatcher.reservations.kinds == {Resources(2, 1), Resources(2, 0.125)}
