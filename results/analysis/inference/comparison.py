"""Any two arms compared, paired by seed: the verdict, differences by task, and the probability of improvement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.analysis.inference.intervals import holm, jackknife, student_bounds, within
from results.analysis.inference.scores import Scores
from results.analysis.inference.verdicts import Verdict, Verdicts
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
        verdict: on both, over all tasks.
        seeds: train seeds that both have.
        tasks: the differences by task.
        improvement: probability that a run of the arm beats one of the other on a task drawn at random.
    """

    verdict: Verdict
    seeds: tuple[int, ...]
    tasks: tuple[TaskDifference, ...]
    improvement: Interval


def compare_arms(verdicts: Verdicts, ours: str, theirs: str) -> Comparison:
    """Compare two different arms of a study by name on their common seeds.

    Raises:
        ValueError: An arm has no test results, or the two have no seed with all tasks in common.
    """
    scores, verdict = verdicts.scores, verdicts.of(ours, theirs)
    pair = np.stack([scores.of(ours), scores.of(theirs)])
    common = np.asarray(~np.isnan(pair).any(axis=(0, 2)))
    if verdict is None:
        raise ValueError(f"arms {ours!r} and {theirs!r} have no seed with all tasks in common")
    pair = pair[:, common]
    by_task = student_bounds((pair[0] - pair[1]).T)
    corrected = holm(by_task.p)
    tasks = tuple(
        TaskDifference(task, by_task.at(i), _known(by_task.p[i]), _known(corrected[i]))
        for i, task in enumerate(scores.tasks)
    )
    seeds = tuple(seed for seed, kept in zip(scores.seeds, common.tolist(), strict=True) if kept)
    return Comparison(verdict, seeds, tasks, _improved(pair))


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


def improvements(scores: Scores, reference: str) -> pd.DataFrame:
    """Return the probability of improvement of every other arm over a reference, on their common seeds.

    Returns:
        Columns ``arm``, ``mean``, ``low``, ``high`` (95 %, Student t of the jackknife over seeds, within 0 and 1; NaN
        with fewer than two common seeds, and where leaving out a seed changes nothing) and ``n`` (common seeds). Arms
        without a common seed are absent.

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
        found = _improved(pair[:, common])
        rows.append((arm, found.mean, found.low, found.high, found.n))
    frame = pd.DataFrame(rows, columns=["arm", "mean", "low", "high", "n"])
    return frame.astype(dict.fromkeys(("mean", "low", "high"), "float64"))


def _improved(pair: Floats) -> Interval:
    """Return the probability of improvement from values of shape (2, seeds, tasks).

    Where every seed left out gives the same probability, as 0.5 or 1 over few seeds does, the jackknife sees no spread.
    That is no certainty, so there is no interval.
    """
    found = within(jackknife(_improvement, pair.transpose(1, 0, 2)), 0.0, 1.0)
    return found if found.low != found.high or found.low is None else Interval(found.mean, None, None, found.n)


def _improvement(pair: Floats) -> float:
    """Return the probability of improvement from values of shape (seeds, 2, tasks)."""
    return probability_of_improvement(pair[:, 0], pair[:, 1])


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
