"""Any two arms compared, paired by seed: differences, tests, and the probability of improvement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.analysis.inference.intervals import holm, jackknife, student_bounds, within
from results.analysis.inference.scores import Scores
from results.analysis.statistics import Floats, Interval


@dataclass(frozen=True)
class TaskDifference:
    """The difference on one task; ``p_holm`` is corrected over the tasks, None with fewer than two common seeds."""

    task: str
    difference: Interval
    p: float | None
    p_holm: float | None


@dataclass(frozen=True)
class Comparison:
    """One arm minus another.

    Attributes:
        ours: the arm.
        theirs: the arm subtracted.
        seeds: train seeds that both have.
        difference: of their means over tasks, paired by seed, with its Student-t interval.
        p: two-sided p value of that difference, not corrected; None with fewer than two common seeds.
        tasks: the differences by task.
        improvement: probability that a run of ``ours`` beats one of ``theirs`` on a task drawn at random.
    """

    ours: str
    theirs: str
    seeds: tuple[int, ...]
    difference: Interval
    p: float | None
    tasks: tuple[TaskDifference, ...]
    improvement: Interval


def compare_arms(scores: Scores, ours: str, theirs: str) -> Comparison:
    """Compare two arms by name on their common seeds.

    Raises:
        ValueError: An arm has no test results, or the two have no seed with all tasks in common.
    """
    pair = np.stack([scores.of(ours), scores.of(theirs)])
    common = np.asarray(~np.isnan(pair).any(axis=(0, 2)))
    if not common.any():
        raise ValueError(f"arms {ours!r} and {theirs!r} have no seed with all tasks in common")
    pair = pair[:, common]
    whole = student_bounds((pair[0] - pair[1]).mean(axis=1)[None])
    by_task = student_bounds((pair[0] - pair[1]).T)
    corrected = holm(by_task.p)
    tasks = tuple(
        TaskDifference(task, by_task.at(i), _known(by_task.p[i]), _known(corrected[i]))
        for i, task in enumerate(scores.tasks)
    )
    seeds = tuple(seed for seed, kept in zip(scores.seeds, common.tolist(), strict=True) if kept)
    improvement = within(jackknife(_improvement, pair.transpose(1, 0, 2)), 0.0, 1.0)
    return Comparison(ours, theirs, seeds, whole.at(0), _known(whole.p[0]), tasks, improvement)


def probability_of_improvement(ours: Floats, theirs: Floats) -> float:
    """Return the mean over tasks of P(a run of ours > a run of theirs), ties counting half.

    The definition of Agarwal et al., NeurIPS 2021 (arXiv 2108.13264): all pairs of runs of a task, as in the
    Mann-Whitney U statistic.

    Args:
        ours: Shape (seeds, tasks).
        theirs: Shape (other seeds, tasks).
    """
    gap = ours[:, None] - theirs[None]
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())


def compare_all(scores: Scores, reference: str | None = None) -> pd.DataFrame:
    """Return all pairs of arms, or every arm against one, with p values corrected over the rows by Holm's method.

    Returns:
        Columns ``ours``, ``theirs``, ``mean`` (ours minus theirs, mean over tasks, paired by seed), ``low``, ``high``
        (95 % Student t, not corrected), ``n`` (common seeds), ``p`` and ``p_holm``. Pairs without a common seed have
        n 0 and NaN.

    Raises:
        ValueError: ``reference`` has no test results.
    """
    count = len(scores.arms)
    if reference is None:
        first, second = np.triu_indices(count, 1)
    else:
        scores.of(reference)
        second = np.full(count - 1, scores.arms.index(reference))
        first = np.delete(np.arange(count), second[:1] if count > 1 else [])
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
            "p_holm": holm(found.p),
        }
    )


def improvements(scores: Scores, reference: str) -> pd.DataFrame:
    """Return the probability of improvement of every other arm over a reference, on their common seeds.

    Returns:
        Columns ``arm``, ``mean``, ``low``, ``high`` (95 %, Student t of the jackknife over seeds, within 0 and 1; NaN
        with fewer than two common seeds) and ``n`` (common seeds). Arms without a common seed are absent.

    Raises:
        ValueError: The reference has no test results.
    """
    theirs = scores.of(reference)
    rows = []
    for arm, ours in zip(scores.arms, scores.array, strict=True):
        pair = np.stack([ours, theirs])
        common = ~np.isnan(pair).any(axis=(0, 2))
        if arm == reference or not common.any():
            continue
        found = within(jackknife(_improvement, pair[:, common].transpose(1, 0, 2)), 0.0, 1.0)
        rows.append((arm, found.mean, found.low, found.high, found.n))
    frame = pd.DataFrame(rows, columns=["arm", "mean", "low", "high", "n"])
    return frame.astype(dict.fromkeys(("mean", "low", "high"), "float64"))


def _improvement(pair: Floats) -> float:
    """Return the probability of improvement from values of shape (seeds, 2, tasks)."""
    return probability_of_improvement(pair[:, 0], pair[:, 1])


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
