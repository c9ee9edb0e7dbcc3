"""How many seeds tell the two arms of a study apart, by the power of the paired t test.

For more arms, whose pairs share their variances and are corrected, see ``benchmarks/verdict_power.py``.
"""

from __future__ import annotations

import math

from results.analysis.statistics import LEVEL, student_quantile

MOST_SEEDS = 1_000


def power(seeds: int, effect: float, level: float = LEVEL) -> float:
    """Return the probability that the two-sided paired t test tells two arms apart.

    Args:
        seeds: Common seeds, at least 2.
        effect: True difference over the standard deviation, between seeds, of the paired difference.
        level: Level of the interval; a test at ``1 - level``.

    Example:
        >>> round(power(5, 2.0), 2)
        0.91
    """
    from scipy import special

    bound, shift = student_quantile(seeds - 1, level), abs(effect) * math.sqrt(seeds)
    if shift > bound + 30:  # beyond SciPy's series, and certain
        return 1.0
    right = 1 - special.nctdtr(seeds - 1, shift, bound)
    wrong_sign = 1 - special.nctdtr(seeds - 1, -shift, bound) if shift < 5 else 0.0
    return float(right + wrong_sign)


def seeds_needed(effect: float, wanted: float = 0.8) -> int | None:
    """Return the fewest seeds whose power is at least ``wanted``; None if that takes more than ``MOST_SEEDS``.

    Args:
        effect: As for ``power``.
        wanted: The power.
    """
    return next((seeds for seeds in range(2, MOST_SEEDS + 1) if power(seeds, effect) >= wanted), None)
