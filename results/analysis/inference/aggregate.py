"""Aggregates over seeds and tasks that one outlying task does not decide."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from results.analysis.inference.intervals import jackknife, student_bounds
from results.analysis.inference.scores import Scores
from results.analysis.statistics import Floats


def interquartile_mean(values: Floats) -> float:
    """Return the mean of the middle half of all values, whatever their shape (Agarwal et al. 2021, arXiv 2108.13264).

    A quarter of the values, rounded down, is cut off at each end, as by SciPy's ``trim_mean``.
    """
    ordered = np.sort(values, axis=None)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean()) if len(ordered) else math.nan


def interquartile_means(scores: Scores) -> pd.DataFrame:
    """Return the interquartile mean over seeds and tasks of every arm.

    Returns:
        Columns ``arm``, ``mean``, ``low``, ``high`` (95 %, Student t of the jackknife over seeds; NaN with fewer than
        two) and ``n`` (seeds with all tasks).
    """
    rows = []
    for arm in scores.arms:
        found = jackknife(interquartile_mean, scores.complete(arm))
        rows.append((arm, found.mean, found.low, found.high, found.n))
    frame = pd.DataFrame(rows, columns=["arm", "mean", "low", "high", "n"])
    return frame.astype(dict.fromkeys(("mean", "low", "high"), "float64"))


def performance_profiles(scores: Scores, thresholds: Floats | None = None) -> pd.DataFrame:
    """Return, for every arm and threshold, the share of its runs (seeds x tasks) that score above it.

    Performance profiles of Dolan and More (2002) on scores, as Agarwal et al. (2021) use them.

    Args:
        scores: The scores.
        thresholds: Shape (k,), ascending; None takes 51 from the lowest to the highest score.

    Returns:
        Columns ``arm``, ``threshold``, ``share``, ``low``, ``high``: pointwise 95 % Student t over seeds, within 0 and
        1; NaN with fewer than two seeds.
    """
    finite = scores.array[np.isfinite(scores.array)]
    if thresholds is None:
        thresholds = np.linspace(finite.min(), finite.max(), 51) if len(finite) else np.empty(0)
    frames = []
    for arm in scores.arms:
        above = scores.complete(arm)[..., None] > thresholds  # (seeds, tasks, thresholds)
        found = student_bounds(above.mean(axis=1).T) if len(above) else student_bounds(np.empty((len(thresholds), 0)))
        bounds = {"low": found.low.clip(0, 1), "high": found.high.clip(0, 1)}
        frames.append(pd.DataFrame({"arm": arm, "threshold": thresholds, "share": found.mean, **bounds}))
    names = ["arm", "threshold", "share", "low", "high"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=names)
