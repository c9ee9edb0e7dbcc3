import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from results.analysis.statistics import (
    BOOTSTRAP_SEED,
    RESAMPLES,
    bootstrap_mean,
    paired_difference,
    resampled_means,
    student_mean,
    student_means,
)

accuracies = st.lists(st.floats(0, 1), min_size=2, max_size=5)


def test_bootstrap_agrees_with_the_enumeration_of_all_resamples():
    values = [0.71, 0.74, 0.80, 0.83]
    means = sorted(sum(draw) / 4 for draw in itertools.product(values, repeat=4))
    interval = bootstrap_mean(np.array(values))
    assert interval.mean == pytest.approx(sum(values) / 4)
    assert interval.low == pytest.approx(np.quantile(means, 0.025), abs=0.005)
    assert interval.high == pytest.approx(np.quantile(means, 0.975), abs=0.005)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_bootstrap_equals_scipys(n):
    values = np.random.default_rng(n).normal(size=n)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    expected = stats.bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=rng)
    found = bootstrap_mean(values)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval, abs=1e-12)


@given(accuracies)
def test_bootstrap_never_leaves_the_values(values):
    interval = bootstrap_mean(np.array(values))
    assert min(values) - 1e-12 <= interval.low <= interval.high + 1e-12 <= max(values) + 2e-12


def test_intervals_do_not_depend_on_what_was_drawn_before():
    values = np.array([0.7, 0.8, 0.9])
    first = bootstrap_mean(values)
    bootstrap_mean(np.array([0.1, 0.2]))
    np.random.default_rng().normal()
    assert bootstrap_mean(values) == first


@pytest.mark.parametrize("estimate", [bootstrap_mean, student_mean])
def test_one_seed_has_a_mean_but_no_interval(estimate):
    interval = estimate(np.array([0.7]))
    assert (interval.mean, interval.low, interval.high, interval.n) == (0.7, None, None, 1)


@pytest.mark.parametrize("estimate", [bootstrap_mean, student_mean])
def test_equal_values_give_an_interval_of_no_width(estimate):
    interval = estimate(np.array([0.5, 0.5, 0.5]))
    assert (interval.low, interval.high) == (0.5, 0.5)


@pytest.mark.parametrize("values", [[], [0.5, math.nan], [math.inf, 0.1]])
def test_gaps_are_refused(values):
    with pytest.raises(ValueError, match="at least one value and only finite"):
        bootstrap_mean(np.array(values))


def test_student_interval_equals_scipys_paired_test():
    ours, theirs = {1: 0.81, 2: 0.84, 3: 0.86, 9: 0.1}, {3: 0.80, 1: 0.78, 2: 0.79}
    difference = paired_difference(ours, theirs)
    expected = stats.ttest_rel([0.81, 0.84, 0.86], [0.78, 0.79, 0.80]).confidence_interval(0.95)
    assert difference.seeds == (1, 2, 3)
    assert difference.student.low == pytest.approx(expected.low)
    assert difference.student.high == pytest.approx(expected.high)
    assert difference.student.mean == difference.bootstrap.mean == pytest.approx(0.14 / 3)


@given(accuracies)
def test_student_interval_is_the_formula(values):
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    interval = student_mean(np.array(values))
    assert interval.mean == np.mean(values)
    assert interval.low == pytest.approx(np.mean(values) - half, abs=1e-12)
    assert interval.high == pytest.approx(np.mean(values) + half, abs=1e-12)


def test_values_that_differ_by_rounding_alone_have_an_interval():
    interval = student_mean(np.array([0.1 + 0.2, 0.3, 0.3]))
    assert 0.3 - 1e-15 < interval.low < interval.mean < interval.high < 0.3 + 1e-15


def test_no_common_seed_gives_no_difference():
    assert paired_difference({1: 0.5}, {2: 0.5}) is None


def test_three_differences_of_one_sign_fool_the_bootstrap_but_not_student():
    difference = paired_difference({1: 0.501, 2: 0.51, 3: 0.53}, {1: 0.5, 2: 0.5, 3: 0.5})
    assert difference.bootstrap.low > 0
    assert difference.student.low < 0 < difference.student.high


def test_resampled_means_agree_with_a_slow_loop():
    values = np.array([[0.1, 0.2, 0.4], [0.5, np.nan, 0.9]])
    counts = np.random.default_rng(7).multinomial(3, [1 / 3] * 3, size=50)
    means = resampled_means(values, np.random.default_rng(7), 50)
    for draw, row in zip(counts, means, strict=True):
        for arm in range(2):
            picked = [v for v, n in zip(values[arm], draw, strict=True) for _ in range(n) if not math.isnan(v)]
            expected = sum(picked) / len(picked) if picked else math.nan
            assert row[arm] == pytest.approx(expected, nan_ok=True)


def test_joint_draws_have_the_distributions_of_the_intervals_of_arms_and_of_their_differences():
    values = np.array([[0.71, 0.75, 0.72, 0.70], [0.70, 0.76, 0.70, 0.69], [0.5, 0.8, np.nan, np.nan]])
    drawn = student_means(values, np.random.default_rng(1), 200_000)
    for own, sample in [
        (values[0], drawn[:, 0]),
        (values[0] - values[1], drawn[:, 0] - drawn[:, 1]),
        (values[2, :2], drawn[:, 2]),
    ]:
        law = stats.t(len(own) - 1, own.mean(), stats.sem(own))
        assert stats.kstest(sample, law.cdf).statistic < 0.005


def test_an_arm_with_one_seed_keeps_its_value_and_one_without_has_none():
    drawn = student_means(np.array([[0.7, np.nan], [np.nan, np.nan]]), np.random.default_rng(1), 5)
    assert (drawn[:, 0] == 0.7).all()
    assert np.isnan(drawn[:, 1]).all()
