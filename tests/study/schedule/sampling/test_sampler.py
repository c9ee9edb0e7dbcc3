from __future__ import annotations

import math

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import Choice, FloatRange, IntRange
from study.schedule.rounds import Observation
from study.schedule.sampling.sampler import Round, sample_round, told_points

RATE = FloatRange(low=1e-4, high=1e-1, log=True)
RANGES = {"margin": FloatRange(low=0.1, high=0.5), "learning_rate": RATE, "images_per_batch": IntRange(low=16, high=64)}


def first(size=4, arm="a" * 12, seed=0):
    return sample_round(RANGES, Round(arm, 0, size, seed), [])


def observe(points, value=lambda rate: -abs(math.log10(rate) + 2)):
    return [Observation(point, value(point["learning_rate"]), {}) for point in points]


def test_the_first_round_is_the_same_for_every_arm_and_follows_the_seed():
    assert first(arm="a" * 12) == first(arm="b" * 12)
    assert first(seed=0) != first(seed=1)


def test_a_larger_first_round_begins_with_the_smaller_one():
    assert first(9)[:4] == first(4)


def test_the_first_round_spreads_over_the_whole_range():
    rates = sorted(math.log10(point["learning_rate"]) for point in first(8))
    for octant, rate in enumerate(rates):
        assert -4 + 3 * octant / 8 <= rate <= -4 + 3 * (octant + 1) / 8


@given(seed=st.integers(0, 2**31), size=st.integers(1, 12))
def test_points_are_distinct_and_inside_their_ranges(seed, size):
    points = first(size, seed=seed)
    assert len({tuple(point.items()) for point in points}) == size
    for point in points:
        assert 1e-4 <= point["learning_rate"] <= 1e-1
        assert 0.1 <= point["margin"] <= 0.5
        assert point["images_per_batch"] in range(16, 65)
        assert point["learning_rate"] == float(f"{point['learning_rate']:.6g}")


def test_later_rounds_follow_results_arm_round_and_seed_and_nothing_else():
    earlier = observe(first(6))
    base = sample_round(RANGES, Round("a" * 12, 1, 4, 0), earlier)
    assert base == sample_round(RANGES, Round("a" * 12, 1, 4, 0), earlier)
    assert base != sample_round(RANGES, Round("b" * 12, 1, 4, 0), earlier)
    assert base != sample_round(RANGES, Round("a" * 12, 2, 4, 0), earlier)
    assert base != sample_round(RANGES, Round("a" * 12, 1, 4, 1), earlier)
    assert base != sample_round(RANGES, Round("a" * 12, 1, 4, 0), observe(first(6), lambda rate: -rate))


def test_a_later_round_that_grows_begins_with_what_it_was():
    earlier = observe(first(6))
    assert sample_round(RANGES, Round("a" * 12, 1, 6, 0), earlier)[:3] == sample_round(
        RANGES, Round("a" * 12, 1, 3, 0), earlier
    )


def test_later_rounds_come_nearer_to_the_best_values():
    earlier = observe(first(8))
    for number in (1, 2, 3):
        earlier += observe(sample_round(RANGES, Round("a" * 12, number, 4, 0), earlier))
    distance = [abs(math.log10(seen.nuisance["learning_rate"]) + 2) for seen in earlier]
    assert sum(distance[-8:]) / 8 < sum(distance[:8]) / 8


def test_diverged_values_are_kept_away_from():
    """Everything above 1e-2 diverged: TPE must not go on proposing it."""
    points = first(16)
    earlier = [Observation(p, 0.5 if p["learning_rate"] < 1e-2 else None, {}) for p in points]
    later = sample_round(RANGES, Round("a" * 12, 1, 12, 0), earlier)
    assert sum(point["learning_rate"] > 1e-2 for point in later) <= 3


def test_pruned_trials_are_told_with_their_last_value():
    points = first(4)
    earlier = [*observe(points[:2]), *(Observation(point, None, {2: 0.1}) for point in points[2:])]
    assert len(sample_round(RANGES, Round("a" * 12, 1, 4, 0), earlier)) == 4


@given(chance=st.randoms(use_true_random=False), idle=st.sampled_from([frozenset(), frozenset({"margin"})]))
@settings(max_examples=15, deadline=None)
def test_what_was_told_for_earlier_rounds_changes_no_point(chance, idle):
    """Optuna that is told all anew, as ``sample_round`` does by itself, proposes the same."""
    told, earlier = told_points(RANGES, idle), []
    for number in range(5):
        wanted = Round("a" * 12, number, chance.randint(1, 5), chance.randint(0, 3), idle)
        points = sample_round(RANGES, wanted, tuple(earlier), told)
        assert points == sample_round(RANGES, wanted, tuple(earlier))
        for point in points:
            value = chance.choice([None, 0.5, chance.random()])
            rungs = {2: chance.random()} if value is None and chance.random() < 0.5 else {}
            earlier.append(Observation(point, value, rungs))


def test_an_observation_is_made_into_a_trial_once(monkeypatch):
    made = []
    real = optuna.trial.create_trial
    monkeypatch.setattr(optuna.trial, "create_trial", lambda **settings: made.append(settings) or real(**settings))
    told, earlier = told_points(RANGES, frozenset()), observe(first(8))
    for known in (4, 6, 8):
        sample_round(RANGES, Round("a" * 12, 1, 2, 0), tuple(earlier[:known]), told)
    assert len(made) == 8


@pytest.mark.parametrize("number", [0, 1])
def test_a_small_set_of_choices_is_used_up_without_repeats(number):
    choices = {"weight_decay": Choice((0.0, 1e-4, 1e-3))}
    earlier = [Observation({"weight_decay": 0.0}, 0.5, {})] if number else []
    points = sample_round(choices, Round("a" * 12, number, 8, 0), earlier)
    assert sorted(point["weight_decay"] for point in points) == ([1e-4, 1e-3] if number else [0.0, 1e-4, 1e-3])


def test_nothing_to_tune_is_one_trial():
    assert sample_round({}, Round("a" * 12, 0, 4, 0), []) == ({},)
    assert sample_round({}, Round("a" * 12, 1, 4, 0), [Observation({}, 0.5, {})]) == ()
