"""Which arms are told apart, and which may be the best one, against a slow loop and known answers."""

import itertools

import numpy as np
import pytest
from scipy import stats

from results.analysis.inference.best import best_arms
from results.analysis.inference.comparison import compare_arms
from results.analysis.inference.intervals import holm
from results.analysis.inference.verdicts import verdicts_on
from tests.results.analysis.inference.drawn_scores import made
from tests.results.analysis.inference.slow_moderated import slow_moderated

RNG = np.random.default_rng(6)


def slow_beaten(means):
    """Return (better, worse) of every pair that Holm's method and the pair's own test reject, by their definitions."""
    p, beaten = slow_moderated(means), set()
    for rank, pair in enumerate(sorted(p, key=p.get)):
        if p[pair] > 0.05 / (len(p) - rank):
            break
        if stats.ttest_rel(means[pair[0]], means[pair[1]]).pvalue < 0.05:
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


@pytest.mark.parametrize("spread", [np.ones(8), np.linspace(0.2, 3, 8), np.r_[4.0, np.ones(7)]])
@pytest.mark.parametrize("seeds", [3, 5])
def test_no_two_equal_arms_are_told_apart_more_often_than_promised(spread, seeds):
    """Eight equal arms, of one spread or of several: any two are told apart in at most 5 % of studies."""
    rng = np.random.default_rng(8)
    told = [
        verdicts_on(made(rng.normal(size=(8, seeds, 1)) * spread[:, None, None])).told_apart().any() for _ in range(300)
    ]
    assert np.mean(told) < 0.07


def test_arms_far_apart_are_told_apart_with_three_seeds():
    """Two groups of equal arms: a plain test with two degrees of freedom, corrected over 55 pairs, hardly sees them."""
    rng, level = np.random.default_rng(9), np.where(np.arange(11) < 5, 0.0, 4.0)[:, None, None]
    between = np.triu(level[:, 0] != level[:, 0].T)
    told, plain = [], []
    for _ in range(60):
        found = verdicts_on(made(level + rng.normal(size=(11, 3, 1))))
        told.append((found.told_apart() + found.told_apart().T)[between].mean())
        plain.append((holm(found.table["p"].to_numpy()) < 0.05).sum() / between.sum())
    assert np.mean(plain) < 0.1
    assert np.mean(told) > 0.4


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
