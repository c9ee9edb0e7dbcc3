"""Which arms are told apart, and which may be the best one, against a slow loop and known answers."""

import itertools

import numpy as np
import pytest
from scipy import stats

from results.analysis.inference.best import best_arms
from results.analysis.inference.comparison import compare_arms
from results.analysis.inference.verdicts import verdicts_on
from tests.results.analysis.inference.drawn_scores import made

RNG = np.random.default_rng(6)


def slow_beaten(means):
    """Return (better, worse) of every pair that Holm's method rejects, by its definition."""
    pairs = list(itertools.combinations(range(len(means)), 2))
    p = {pair: stats.ttest_rel(means[pair[0]], means[pair[1]]).pvalue for pair in pairs}
    beaten = set()
    for rank, pair in enumerate(sorted(pairs, key=p.get)):
        if p[pair] > 0.05 / (len(pairs) - rank):
            break
        beaten.add(pair if means[pair[0]].mean() > means[pair[1]].mean() else pair[::-1])
    return beaten


def test_verdicts_and_the_set_of_best_arms_equal_a_slow_loop():
    means = RNG.normal(0, 0.01, size=(6, 5)) + np.array([0.8, 0.79, 0.7, 0.801, 0.6, 0.5])[:, None]
    beaten = slow_beaten(means)
    verdicts = verdicts_on(made(means[..., None]))
    assert verdicts.pairs == 15
    for i, j in itertools.permutations(range(6), 2):
        verdict = verdicts.of("abcdef"[i], "abcdef"[j])
        assert (verdict.better, verdict.worse) == ((i, j) in beaten, (j, i) in beaten)
        assert verdict.only_alone == (stats.ttest_rel(means[i], means[j]).pvalue < 0.05 and not verdict.told_apart)
    found = best_arms(verdicts)
    expected = set("abcdef") - {"abcdef"[j] for _, j in beaten}
    assert set(found.tied) == expected
    assert set(found.beaten) == set("abcdef") - expected
    assert all(verdicts.of(rival, arm).better for arm, rival in found.beaten.items())
    assert found.best == found.tied[0]
    assert 2 <= len(expected) < 5


def test_no_two_equal_arms_are_told_apart_more_often_than_promised():
    """Eight equal arms with unequal spread: any two are told apart in at most 5 % of studies."""
    rng = np.random.default_rng(8)
    spread = np.linspace(0.2, 3, 8)[:, None, None]
    told = [verdicts_on(made(rng.normal(size=(8, 4, 1)) * spread)).told_apart().any() for _ in range(300)]
    assert np.mean(told) < 0.07


def test_one_seed_excludes_no_arm():
    verdicts = verdicts_on(made(np.array([[[0.5]], [[0.9]]])))
    found = best_arms(verdicts)
    assert (found.best, found.tied, found.beaten) == ("b", ("b", "a"), {})
    alone = verdicts.of("a", "b")
    assert (alone.told_apart, alone.only_alone, alone.p, alone.difference.low) == (False, False, None, None)
    assert best_arms(verdicts_on(made(np.empty((0, 0, 0))))) is None


def test_arms_without_a_common_seed_have_no_verdict():
    array = np.full((2, 2, 1), np.nan)
    array[0, 0], array[1, 1] = 0.5, 0.6
    verdicts = verdicts_on(made(array))
    assert verdicts.of("a", "b") is None
    with pytest.raises(ValueError, match="no seed with all tasks in common"):
        compare_arms(verdicts, "a", "b")
