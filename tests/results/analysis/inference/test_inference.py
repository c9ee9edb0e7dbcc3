"""Comparisons, aggregates and sources of variation against SciPy, slow loops and known answers."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from results.analysis.confirmed import confirmed_results
from results.analysis.inference.aggregate import interquartile_mean, interquartile_means, performance_profiles
from results.analysis.inference.best import best_arms
from results.analysis.inference.comparison import compare_arms, improvements, probability_of_improvement
from results.analysis.inference.gain import gains, worst_gains
from results.analysis.inference.intervals import holm, jackknife, student_bounds
from results.analysis.inference.moderated import moderated_p
from results.analysis.inference.scores import scores_of
from results.analysis.inference.selection_bias import selection_bias
from results.analysis.inference.task_remarks import task_remarks
from results.analysis.inference.variation import crossed_mean, variation
from results.analysis.inference.verdicts import compare_all, verdicts_on
from results.analysis.selection import rule_of
from results.analysis.statistics import student_mean
from results.analysis.summary import summarize
from tests.results.analysis.inference.drawn_scores import made

RNG = np.random.default_rng(5)


def test_scores_are_those_of_the_summary_and_the_comparison_is_its_delta(study):
    confirmed = confirmed_results(study.trials, study.task_metrics, rule_of(study.trials))
    summary = summarize(study.trials, study.task_metrics, study.storage).set_index("arm", drop=False)
    scores = scores_of(confirmed, summary)
    assert scores.arms == tuple(summary["arm"])
    assert scores.array.shape == (7, 3, 7)
    assert scores.means().mean(axis=1) == pytest.approx(summary["triplet_accuracy_mean"].to_numpy(), rel=1e-12)
    assert (scores.chance == 0.5).all()
    assert (scores.queries == 2000).all()
    found = verdicts_on(scores).of("late", "shared").difference
    expected = summary.loc["late", [f"delta_shared_{name}" for name in ("mean", "low", "high")]]
    assert (found.mean, found.low, found.high) == pytest.approx(tuple(expected), rel=1e-9)
    seeds = variation(scores).query("source == 'seeds' and arm == 'late'").iloc[0]
    assert seeds["low"] == pytest.approx(summary.loc["late", "triplet_accuracy_low"])


def test_student_bounds_equal_scipys_test_with_gaps():
    values = RNG.normal(0.02, 0.03, size=(4, 5, 6))
    values[0, 0, 3:] = np.nan
    found = student_bounds(values)
    for i, j in np.ndindex(4, 5):
        own = values[i, j][~np.isnan(values[i, j])]
        test = stats.ttest_1samp(own, 0)
        low, high = test.confidence_interval(0.95)
        expected = (own.mean(), low, high, len(own), test.pvalue)
        assert (found.mean[i, j], found.low[i, j], found.high[i, j], found.n[i, j], found.p[i, j]) == pytest.approx(
            expected
        )


def test_student_bounds_without_spread_or_with_one_value():
    found = student_bounds(np.array([[0.1, 0.1, 0.1], [0.0, 0.0, 0.0], [0.3, np.nan, np.nan], [np.nan] * 3]))
    assert found.p[:2].tolist() == [0.0, 1.0]
    assert found.low[0] == found.high[0] == found.mean[0]
    assert np.isnan(found.low[2:]).all()
    assert np.isnan(found.p[2:]).all()
    assert found.mean[2] == 0.3


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_equals_its_definition(p):
    """The i-th smallest p is rejected at level a if p_(j) <= a / (m - j + 1) for all j <= i."""
    adjusted = holm(np.array(p))
    for value in (0.001, 0.01, 0.05, 0.2, 0.5):
        order = sorted(range(len(p)), key=lambda i: p[i])
        rejected = set()
        for rank, index in enumerate(order):
            if p[index] * (len(p) - rank) > value:
                break
            rejected.add(index)
        assert {i for i, a in enumerate(adjusted) if a <= value} == rejected


def test_holm_leaves_out_tests_that_were_not_done():
    assert holm(np.array([0.01, np.nan, 0.04])).tolist() == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)


def test_the_jackknife_of_a_mean_is_its_student_interval():
    values = RNG.normal(size=6)
    found, expected = jackknife(lambda v: float(v.mean()), values), student_mean(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_probability_of_improvement_is_mann_whitneys_u():
    ours, theirs = RNG.integers(0, 4, size=(5, 3)) / 4, RNG.integers(0, 4, size=(4, 3)) / 4
    expected = np.mean([stats.mannwhitneyu(ours[:, t], theirs[:, t]).statistic / 20 for t in range(3)])
    assert probability_of_improvement(ours, theirs) == pytest.approx(expected)


def test_any_two_arms_are_compared_on_their_common_seeds():
    array = RNG.normal(0.7, 0.02, size=(3, 5, 4))
    array[1, 2, 0] = np.nan  # arm b lacks a task of seed 3
    scores = made(array)
    verdicts = verdicts_on(scores)
    found, verdict = compare_arms(verdicts, "a", "b"), verdicts.of("a", "b")
    assert found.verdict == verdict
    assert found.seeds == (1, 2, 4, 5)
    kept = [0, 1, 3, 4]
    test = stats.ttest_rel(array[0, kept].mean(axis=1), array[1, kept].mean(axis=1))
    assert verdict.p == pytest.approx(test.pvalue)
    assert (verdict.difference.low, verdict.difference.high) == pytest.approx(tuple(test.confidence_interval()))
    by_task = [stats.ttest_rel(array[0, kept, t], array[1, kept, t]).pvalue for t in range(4)]
    assert [task.p for task in found.tasks] == pytest.approx(by_task)
    assert [task.p_holm for task in found.tasks] == pytest.approx(holm(np.array(by_task)))
    assert 0 <= found.improvement.low <= found.improvement.mean <= found.improvement.high <= 1
    turned = verdicts.of("b", "a")
    assert (turned.difference.low, turned.difference.high) == (-verdict.difference.high, -verdict.difference.low)
    assert turned.difference.mean == -verdict.difference.mean
    assert (turned.p, turned.p_holm) == (verdict.p, verdict.p_holm)
    table = compare_all(scores).set_index(["ours", "theirs"])
    assert list(table.index) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert table.loc[("a", "b"), "p"] == pytest.approx(verdict.p)
    first, second = np.triu_indices(3, 1)
    means = scores.means()
    moderated = moderated_p(means, student_bounds(means[first] - means[second]), first, second)
    assert table["p_holm"].to_numpy() == pytest.approx(np.maximum(holm(moderated), table["p"]))


def test_an_unknown_arm_is_named_with_the_nearest():
    with pytest.raises(ValueError, match="no arm 'A' with test results"):
        compare_arms(verdicts_on(made(np.ones((2, 2, 2)))), "A", "b")


def test_an_improvement_without_spread_over_seeds_claims_no_certainty():
    """Over three seeds, ours wins one run in two whichever seed is left out."""
    ours, theirs = [[0.5, 0.7]] * 3, [[0.6, 0.6]] * 3
    (row,) = improvements(made([ours, theirs]), "b").to_dict("records")
    assert row["mean"] == 0.5
    assert math.isnan(row["low"])
    assert math.isnan(row["high"])


def test_gains_by_task_and_on_the_worst_task():
    array = np.array([[[0.8, 0.5], [0.8, 0.5]], [[0.9, 0.4], [0.7, 0.6]], [[0.9, 0.45], [0.9, 0.45]]])
    scores = made(array)
    rows = gains(scores, "a")
    assert rows["arm"].tolist() == ["b", "b", "c", "c"]
    assert rows["mean"].to_numpy() == pytest.approx([0.0, 0.0, 0.1, -0.05])
    assert rows["relative"].to_numpy() == pytest.approx([0.0, 0.0, 0.125, -0.1])
    worst = worst_gains(scores, "a").set_index("arm")
    assert worst.loc["c", "worst_task"] == "task1"
    assert worst.loc["c", "mean"] == pytest.approx(-0.05)
    assert worst.loc["c", "delta_mean"] == pytest.approx((0.125 - 0.1) / 2)
    noisy = made(RNG.normal(0.7, 0.05, size=(2, 4, 5)))
    worst = worst_gains(noisy, "a").iloc[0]
    gap = (noisy.array[1] - noisy.array[0])[:, int(worst["worst_task"][-1])]
    assert (worst["low"], worst["high"]) == pytest.approx(tuple(stats.ttest_1samp(gap, 0).confidence_interval(0.99)))


def test_interquartile_mean_equals_scipys_trimmed_mean():
    for size in range(1, 20):
        values = RNG.normal(size=size)
        assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))
    array = RNG.normal(0.7, 0.05, size=(1, 3, 7))
    row = interquartile_means(made(array)).iloc[0]
    assert row["mean"] == pytest.approx(stats.trim_mean(array, 0.25, axis=None))
    assert row["low"] < row["mean"] < row["high"]


def test_profiles_equal_a_slow_count():
    array = RNG.normal(0.7, 0.1, size=(2, 3, 4))
    rows = performance_profiles(made(array), np.array([0.6, 0.7, 0.8]))
    for row in rows.to_dict("records"):
        own = array["ab".index(row["arm"])]
        assert row["share"] == pytest.approx(sum(v > row["threshold"] for v in own.flat) / 12)
        assert 0 <= row["low"] <= row["share"] <= row["high"] <= 1
    ends = performance_profiles(made(array)).groupby("threshold")["share"]
    assert len(ends) == 51
    assert ends.max().iloc[-1] == 0


def test_the_crossed_interval_has_a_known_answer():
    seed, task = np.array([0.1, -0.1, 0.0]), np.array([0.2, -0.2])
    additive = 0.7 + seed[:, None] + task
    mean = crossed_mean(additive)
    variance = seed.var(ddof=1) / 3 + task.var(ddof=1) / 2
    freedom = variance**2 / ((seed.var(ddof=1) / 3) ** 2 / 2 + (task.var(ddof=1) / 2) ** 2)
    assert mean.high - mean.mean == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(variance))


def test_the_crossed_interval_covers_new_seeds_and_tasks():
    rng, hits = np.random.default_rng(2), 0
    for _ in range(500):
        values = rng.normal(0, 1, (4, 1)) + rng.normal(0, 2, 6) + rng.normal(0, 1, (4, 6))
        found = crossed_mean(values)
        hits += found.low <= 0 <= found.high
    assert 0.92 <= hits / 500 <= 0.99


def test_an_interval_over_images_is_binomial_and_that_of_a_difference_adds_both():
    array = np.full((2, 3, 2), 0.8)
    array[1] = 0.5
    scores = made(array, queries=100)
    row = variation(scores).query("arm == 'a' and source == 'test images'").iloc[0]
    assert row["high"] - 0.8 == pytest.approx(1.96 * math.sqrt(0.8 * 0.2 / 200), rel=1e-4)


def test_selection_bias_compares_the_selected_value_with_fresh_seeds(study):
    trials = study.trials.copy()
    confirm = trials["stage"] == "confirm"
    trials.loc[confirm, "objective"] -= 0.01 * trials.loc[confirm, "train_seed"]
    confirmed = confirmed_results(trials, study.task_metrics, rule_of(trials))
    rows = selection_bias(trials, confirmed).set_index("arm")
    late = rows.loc["late"]
    assert (late["n_tune"], late["selected"], late["validation_mean"]) == (4, 0.842, pytest.approx(0.822))
    assert late["optimism"] == pytest.approx(0.02)
    assert late["gap"] == pytest.approx(late["validation_mean"] - late["test_mean"])


def test_remarks_on_tasks_near_chance_and_solved_tasks():
    array = np.empty((2, 3, 3))
    array[..., 0] = [[0.49, 0.51, 0.505], [0.5, 0.52, 0.49]]  # chance
    array[..., 1] = [[0.99, 0.99, 0.98], [0.98, 0.99, 0.985]]  # solved
    array[..., 2] = [[0.7, 0.71, 0.72], [0.5, 0.5, 0.5]]  # tells arms apart
    found = task_remarks(made(array))
    assert [(remark.task, remark.kind) for remark in found] == [("task0", "near chance"), ("task1", "trivial")]


def test_an_arm_or_a_study_without_results_is_no_error(study):
    confirmed = confirmed_results(study.trials.head(0), study.task_metrics.head(0), rule_of(study.trials))
    summary = summarize(study.trials.head(0), study.task_metrics.head(0), study.storage)
    scores = scores_of(confirmed, summary)
    assert scores.arms == ()
    for frame in (
        compare_all(scores),
        variation(scores),
        interquartile_means(scores),
        performance_profiles(scores),
        selection_bias(study.trials.head(0), confirmed),
    ):
        assert isinstance(frame, pd.DataFrame)
        assert frame.empty
    assert best_arms(verdicts_on(scores)) is None
    assert task_remarks(scores) == ()


def test_pairs_are_all_pairs():
    scores = made(RNG.normal(size=(5, 3, 2)))
    expected = list(itertools.combinations("abcde", 2))
    assert list(zip(*compare_all(scores)[["ours", "theirs"]].to_numpy().T, strict=True)) == expected
