import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.analysis.statistics import resampled_means
from results.analysis.tradeoff import on_front_probability, pareto_front

arms = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


def slow_front(points):
    """An arm is beaten when another one is nowhere worse and somewhere better."""
    return [not any(a2 >= a1 and c2 <= c1 and (a2 > a1 or c2 < c1) for a2, c2 in points) for a1, c1 in points]


@given(arms)
def test_front_equals_brute_force(points):
    accuracy, cost = np.array(points, dtype=float).T
    assert pareto_front(accuracy, cost).tolist() == slow_front(points)


def test_ties_are_on_the_front_together():
    front = pareto_front(np.array([0.8, 0.8, 0.8, 0.7]), np.array([5.0, 5.0, 6.0, 5.0]))
    assert front.tolist() == [True, True, False, False]


def test_an_arm_without_a_value_is_not_on_the_front_and_beats_nobody():
    assert pareto_front(np.array([np.nan, 0.5]), np.array([0.0, 9.0])).tolist() == [False, True]


def test_front_takes_many_draws_at_once():
    accuracy = np.array([[0.5, 0.6, 0.7], [0.5, 0.4, 0.7], [0.9, 0.6, 0.7]])
    expected = [[True, True, True], [True, False, True], [True, False, False]]
    assert pareto_front(accuracy, np.array([0.0, 1.0, 2.0])).tolist() == expected


def test_probability_agrees_with_a_slow_bootstrap():
    generator = np.random.default_rng(0)
    values = np.array([[0.70, 0.72, 0.71, 0.69], [0.71, 0.70, 0.72, 0.71], [0.9, 0.9, 0.9, 0.9]])
    cost = np.array([0.0, 10.0, 20.0])
    wins = np.zeros(3)
    for _ in range(4000):
        draw = generator.integers(0, 4, size=4)
        wins += slow_front(list(zip(values[:, draw].mean(axis=1), cost, strict=True)))
    probability = on_front_probability(values, cost, resampled_means)
    assert probability == pytest.approx(wins / 4000, abs=0.03)
    assert probability[0] == probability[2] == 1


def test_one_seed_gives_no_probability():
    values = np.array([[0.7, np.nan], [0.8, 0.9]])
    probability = on_front_probability(values, np.array([1.0, 0.0]))
    assert np.isnan(probability[0])
    assert probability[1] == 1


def test_no_results_give_no_probability():
    assert np.isnan(on_front_probability(np.empty((2, 0)), np.array([0.0, 1.0]))).all()
