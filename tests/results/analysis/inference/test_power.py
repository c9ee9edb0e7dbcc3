"""The power of the paired t test against SciPy and a simulation."""

import numpy as np
import pytest
from scipy import stats

from results.analysis.inference.power import power, seeds_needed


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("effect", [0.0, 0.2, -0.5, 1.0, 1.8])
def test_power_is_the_tail_of_the_noncentral_t(seeds, effect):
    bound, shift = stats.t.ppf(0.975, seeds - 1), effect * np.sqrt(seeds)
    expected = stats.nct.sf(bound, seeds - 1, shift) + stats.nct.cdf(-bound, seeds - 1, shift)
    assert power(seeds, effect) == pytest.approx(expected, abs=1e-6)


def test_power_is_the_share_of_significant_tests():
    values = np.random.default_rng(0).normal(1.8, 1, size=(5, 20_000))
    assert power(5, 1.8) == pytest.approx((stats.ttest_1samp(values, 0).pvalue < 0.05).mean(), abs=0.01)


def test_a_large_effect_is_certain_and_a_tiny_one_needs_too_many():
    assert power(5, 1e4) == 1.0
    assert power(2, 8.0) == pytest.approx(0.625, abs=0.001)
    assert seeds_needed(1e-3) is None
    assert seeds_needed(2.0) == 5
    assert power(4, 2.0) < 0.8 <= power(5, 2.0)
