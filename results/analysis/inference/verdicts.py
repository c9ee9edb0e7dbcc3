"""Which of two arms is better: the one rule on which every statement, mark and set of a study rests.

Two arms are told apart if two tests reject at 5 %: the paired t test over their common seeds with a moderated variance,
after Holm's correction over all pairs of arms of the study, and the plain paired t test of this pair, whose interval is
shown beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from results.analysis.inference.intervals import student_bounds
from results.analysis.inference.moderated import can_moderate, corrected_p
from results.analysis.inference.scores import Scores
from results.analysis.statistics import LEVEL, Floats, Interval

ALPHA = round(1 - LEVEL, 6)


@dataclass(frozen=True)
class Verdict:
    """What the seeds say about two arms.

    Attributes:
        ours: the arm.
        theirs: the arm subtracted.
        difference: ours minus theirs, mean over tasks, paired by seed, with the 95 % Student-t interval of this pair
            alone.
        p: two-sided p value of the plain paired t test; None with fewer than two common seeds.
        p_holm: that of the moderated test (``corrected_p``), corrected over all pairs of arms of the study; at least
            ``p``, so that no two arms are told apart whose own interval holds zero.
        pairs: number of these pairs.
    """

    ours: str
    theirs: str
    difference: Interval
    p: float | None
    p_holm: float | None
    pairs: int

    @property
    def told_apart(self) -> bool:
        """Whether the seeds show which arm is better."""
        return self.p_holm is not None and self.p_holm < ALPHA

    @property
    def better(self) -> bool:
        """Whether they show that ours is."""
        return self.told_apart and self.difference.mean > 0

    @property
    def worse(self) -> bool:
        """Whether they show that theirs is."""
        return self.told_apart and self.difference.mean < 0

    @property
    def only_alone(self) -> bool:
        """Whether the interval of this pair excludes zero, but the corrected test does not reject."""
        return self.p is not None and self.p < ALPHA and not self.told_apart


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on all pairs of arms with results.

    Attributes:
        scores: what the arms scored.
        table: see ``compare_all``.
    """

    scores: Scores
    table: pd.DataFrame

    @cached_property
    def pairs(self) -> int:
        """Number of pairs that were tested: those with two common seeds or more."""
        return int(self.table["p"].notna().sum())

    @property
    def rule(self) -> str:
        """The rule in words, with the family of tests."""
        over = "1 pair of arms" if self.pairs == 1 else f"all {self.pairs:,} pairs of arms"
        test = "moderated paired t tests" if can_moderate(self.table["n"].to_numpy()) else "paired t tests"
        return f"{test} over seeds at {100 * ALPHA:.0f} %, Holm's correction over {over}"

    def of(self, ours: str, theirs: str) -> Verdict | None:
        """Return the verdict on two different arms by name; None if they have no seed with all tasks in common.

        Raises:
            ValueError: An arm has no test results.
        """
        first, second = (self._place(arm) for arm in (ours, theirs))
        low, high = sorted((first, second))
        row = self.table.iloc[low * len(self.scores.arms) - low * (low + 1) // 2 + high - low - 1]
        if not row["n"]:
            return None
        sign = 1 if first < second else -1
        ends = sorted(sign * row[name] for name in ("low", "high"))
        least, most = (None if np.isnan(end) else float(end) for end in ends)
        p, p_holm = (None if np.isnan(row[name]) else float(row[name]) for name in ("p", "p_holm"))
        difference = Interval(sign * float(row["mean"]), least, most, int(row["n"]))
        return Verdict(ours, theirs, difference, p, p_holm, self.pairs)

    def told_apart(self) -> Floats:
        """Return 1 where the arm of a row is shown to be better than that of a column, else 0: shape (arms, arms)."""
        size = len(self.scores.arms)
        better = np.zeros((size, size))
        first, second = np.triu_indices(size, 1)
        told = (self.table["p_holm"] < ALPHA).to_numpy()
        mean = self.table["mean"].to_numpy()
        better[first[told & (mean > 0)], second[told & (mean > 0)]] = 1
        better[second[told & (mean < 0)], first[told & (mean < 0)]] = 1
        return better

    def _place(self, arm: str) -> int:
        self.scores.of(arm)
        return self.scores.arms.index(arm)


def verdicts_on(scores: Scores) -> Verdicts:
    """Return the verdicts on all pairs of arms with results."""
    return Verdicts(scores, compare_all(scores))


def compare_all(scores: Scores) -> pd.DataFrame:
    """Return the test of every pair of arms.

    Returns:
        One row per pair, the upper triangle of the arms x arms matrix row by row: ``ours``, ``theirs``, ``mean`` (ours
        minus theirs, mean over tasks, paired by seed), ``low``, ``high`` (95 % Student t of the pair alone), ``n``
        (common seeds), ``p`` (two-sided plain paired t test) and ``p_holm`` (see ``Verdict``; corrected over the rows
        by Holm's method). Pairs without a common seed have n 0 and NaN.
    """
    first, second = np.triu_indices(len(scores.arms), 1)
    means = scores.means()
    found = student_bounds(means[first] - means[second])
    return pd.DataFrame(
        {
            "ours": [scores.arms[i] for i in first],
            "theirs": [scores.arms[i] for i in second],
            "mean": found.mean,
            "low": found.low,
            "high": found.high,
            "n": found.n.astype(np.int64),
            "p": found.p,
            "p_holm": corrected_p(means, found, first, second),
        }
    )
