"""The moderated paired t test pair by pair, by its definition."""

import itertools

import numpy as np
from scipy import optimize, special, stats


def slow_prior(variances, freedom):
    """Return (s0 squared, d0) of Smyth 2004, section 6.2, for equal degrees of freedom."""
    e = [np.log(v) - special.digamma(freedom / 2) + np.log(freedom / 2) for v in variances]
    excess = np.var(e, ddof=1) - special.polygamma(1, freedom / 2)
    if excess <= 0:
        return np.exp(np.mean(e)), np.inf
    half = optimize.brentq(lambda y: float(special.polygamma(1, y)) - excess, 1e-6, 1e8)
    return np.exp(np.mean(e) + special.digamma(half) - np.log(half)), 2 * half


def slow_moderated(means):
    """Return the p values by pair of arms, from complete means of shape (arms, seeds)."""
    arms, seeds = means.shape
    pairs = list(itertools.combinations(range(arms), 2))
    variance = {pair: np.var(means[pair[0]] - means[pair[1]], ddof=1) for pair in pairs}
    common, freedom = slow_prior(list(variance.values()), seeds - 1)
    found = {}
    for pair in pairs:
        own = variance[pair]
        shrunk = common if freedom == np.inf else (freedom * common + (seeds - 1) * own) / (freedom + seeds - 1)
        t = (means[pair[0]] - means[pair[1]]).mean() / np.sqrt(max(shrunk, own) / seeds)
        p = 2 * stats.t.sf(abs(t), min(freedom + seeds - 1, (arms - 1) * (seeds - 1)))
        if any(slow_wide(variance, arm, arms, seeds) for arm in pair):
            p = max(p, stats.ttest_rel(means[pair[0]], means[pair[1]]).pvalue)
        found[pair] = p
    return found


def slow_wide(variance, arm, arms, seeds):
    """Whether the F test says that an arm spreads more than the others."""
    its = np.mean([value for pair, value in variance.items() if arm in pair])
    others = np.mean([value for pair, value in variance.items() if arm not in pair])
    return stats.f.sf(2 * its / others - 1, seeds - 1, (arms - 2) * (seeds - 1)) < 0.05
