"""The moderated paired t test: its prior from known laws, its p values against a slow loop, and its two guards."""

import numpy as np
import pytest
from scipy import special

from results.analysis.inference.intervals import student_bounds
from results.analysis.inference.moderated import fit_prior, inverse_trigamma, moderated_p
from tests.results.analysis.inference.slow_moderated import slow_moderated, slow_wide

RNG = np.random.default_rng(17)


def by_pair(means):
    first, second = np.triu_indices(len(means), 1)
    p = moderated_p(means, student_bounds(means[first] - means[second]), first, second)
    return dict(zip(zip(first.tolist(), second.tolist(), strict=True), p.tolist(), strict=True))


def plain(means):
    first, second = np.triu_indices(len(means), 1)
    return student_bounds(means[first] - means[second]).p


@pytest.mark.parametrize("y", [0.01, 0.4, 1.0, 7.5, 3_000.0])
def test_inverse_trigamma_undoes_trigamma(y):
    assert inverse_trigamma(float(special.polygamma(1, y))) == pytest.approx(y, rel=1e-6)


def test_the_prior_of_a_known_law_is_found_again():
    freedom = np.full(40_000, 4.0)
    true = 0.03 * 6 / RNG.chisquare(6, 40_000)
    prior = fit_prior(true * RNG.chisquare(4, 40_000) / 4, freedom)
    assert prior.freedom == pytest.approx(6, rel=0.05)
    assert prior.variance == pytest.approx(0.03, rel=0.02)


def test_equal_variances_make_a_prior_that_outweighs_every_pair():
    prior = fit_prior(0.5 * np.array([0.9, 1.1, 1.0, 0.95]), np.full(4, 2.0))
    assert prior.freedom == np.inf
    assert prior.moderate(np.array([0.1, 9.0]), np.array([2.0, 2.0])) == pytest.approx([prior.variance] * 2)


@pytest.mark.parametrize(("arms", "seeds"), [(3, 3), (6, 3), (7, 5), (12, 10)])
def test_p_values_equal_a_slow_loop(arms, seeds):
    for spread in (np.ones(arms), np.linspace(0.3, 3, arms), np.r_[8.0, np.ones(arms - 1)]):
        means = RNG.normal(size=(arms, seeds)) * spread[:, None] + RNG.normal(size=seeds) + np.arange(arms)[:, None]
        assert by_pair(means) == pytest.approx(slow_moderated(means))


def test_many_arms_of_one_spread_gain_degrees_of_freedom():
    means = RNG.normal(size=(11, 3)) + np.where(np.arange(11) < 5, 0, 8)[:, None]
    gained = np.array(list(by_pair(means).values()))[plain(means) < 0.2]
    assert np.median(gained / plain(means)[plain(means) < 0.2]) < 0.05


def test_an_arm_that_spreads_more_stands_on_its_own_variance():
    means = RNG.normal(size=(8, 5)) * np.r_[20.0, np.ones(7)][:, None]
    variance = {pair: np.var(means[pair[0]] - means[pair[1]], ddof=1) for pair in by_pair(means)}
    assert slow_wide(variance, 0, 8, 5)
    own = dict(zip(by_pair(means), plain(means), strict=True))
    assert all(p >= own[pair] for pair, p in by_pair(means).items() if 0 in pair)


def test_few_seeds_or_pairs_keep_the_plain_test():
    for shape in ((2, 5), (6, 2)):
        means = RNG.normal(size=shape)
        assert list(by_pair(means).values()) == pytest.approx(plain(means))


def test_gaps_equal_values_and_single_seeds():
    means = RNG.normal(size=(5, 5))
    means[0, 3:] = np.nan
    means[1, 1:] = np.nan
    means[3] = means[4] + 0.5  # a difference without any spread
    found, own = by_pair(means), dict(zip(by_pair(means), plain(means), strict=True))
    assert all(np.isnan(found[pair]) for pair in found if 1 in pair)
    assert own[3, 4] == 0 < found[3, 4] < 1
    assert 0 < found[0, 2] < 1
    same = np.tile(RNG.normal(size=5), (4, 1))
    assert list(by_pair(same).values()) == [1.0] * 6
