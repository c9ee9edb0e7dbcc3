"""Sources of variation: seeds, tasks and test images, and which interval speaks of which."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from results.analysis.inference.scores import Scores
from results.analysis.statistics import Floats, Interval, student_mean, student_quantile

SPEAKS_OF = {
    "seeds": "other train seeds, with the same tasks and test images",
    "seeds and tasks": "other train seeds and other tasks of this kind, with images like these",
    "test images": "other test images, with the same tasks and trained networks; queries taken as independent",
}
"""What would vary if the study were repeated, by source."""

_NORMAL = 1.959963984540054


def crossed_mean(values: Floats) -> Interval:
    """Return the mean of a complete table (seeds, tasks) with an interval for other seeds and other tasks.

    Two crossed random effects: the variance of the mean is (MS_seeds + MS_tasks - MS_rest) / (seeds x tasks), at least
    that of either effect alone, with Satterthwaite's degrees of freedom (Searle, Casella and McCulloch, Variance
    Components, 1992, section 4.5). ``n`` is the number of seeds; no bounds with fewer than two seeds or tasks.
    """
    seeds, tasks = values.shape
    mean = float(values.mean())
    if seeds < 2 or tasks < 2:
        return Interval(mean, None, None, seeds)
    by_seed, by_task, rest = _mean_squares(values)
    total = by_seed + by_task - rest
    larger, freedom = max((by_seed, seeds - 1), (by_task, tasks - 1))
    if total > larger:
        parts = by_seed**2 / (seeds - 1) + by_task**2 / (tasks - 1) + rest**2 / ((seeds - 1) * (tasks - 1))
        freedom = total**2 / parts
    half = student_quantile(freedom) * math.sqrt(max(total, larger) / (seeds * tasks))
    return Interval(mean, mean - half, mean + half, seeds)


def variation(scores: Scores) -> pd.DataFrame:
    """Return the mean of every arm with one interval per source of variation.

    Returns:
        Columns ``arm``, ``source``, ``mean``, ``low``, ``high`` (95 %; NaN where it cannot be given) and ``speaks_of``.
        The interval over seeds is that of the summary. That over test images takes each value as the share of
        successes among its queries or triplets; as these share images, it is a lower bound of the true width.
    """
    rows: list[tuple[object, ...]] = []
    for arm in scores.arms:
        values = scores.complete(arm)
        if len(values):
            variance = _image_variance(values, scores.queries)
            rows += [(arm, *row) for row in _by_source(values, variance)]
    return _frame(rows)


def _by_source(values: Floats, image_variance: float) -> list[tuple[str, float, float | None, float | None, str]]:
    mean, half = float(values.mean()), _NORMAL * math.sqrt(image_variance)
    images = Interval(mean, mean - half, mean + half, len(values))
    found = (student_mean(values.mean(axis=1)), crossed_mean(values), images)
    return [
        (source, interval.mean, interval.low, interval.high, words)
        for (source, words), interval in zip(SPEAKS_OF.items(), found, strict=True)
    ]


def _image_variance(values: Floats, queries: Floats) -> float:
    """Return the binomial variance of the mean over tasks; NaN if a number of queries is unknown."""
    share = values.mean(axis=0).clip(0, 1)
    return float((share * (1 - share) / queries).sum()) / len(queries) ** 2


def _mean_squares(values: Floats) -> tuple[float, float, float]:
    """Return the mean squares of seeds, of tasks and of the rest."""
    seeds, tasks = values.shape
    mean, by_seed, by_task = values.mean(), values.mean(axis=1), values.mean(axis=0)
    rest = values - by_seed[:, None] - by_task + mean
    return (
        float(tasks * ((by_seed - mean) ** 2).sum() / (seeds - 1)),
        float(seeds * ((by_task - mean) ** 2).sum() / (tasks - 1)),
        float((rest**2).sum() / ((seeds - 1) * (tasks - 1))),
    )


def _frame(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["arm", "source", "mean", "low", "high", "speaks_of"])
    return frame.astype(dict.fromkeys(("mean", "low", "high"), "float64"))
