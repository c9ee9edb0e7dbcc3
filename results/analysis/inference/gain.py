"""Gains over a reference arm, such as separate networks: by task, and on the worst task."""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.analysis.inference.intervals import Bounds, holm, student_bounds
from results.analysis.inference.scores import Scores
from results.analysis.statistics import LEVEL, Floats


def gains(scores: Scores, reference: str = "separate") -> pd.DataFrame:
    """Return every arm minus the reference on every task, paired by seed.

    Returns:
        Columns ``arm``, ``task``, ``mean``, ``low``, ``high`` (95 % Student t), ``n`` (common seeds), ``relative``
        (``mean`` over the reference's mean on the task) and ``p_holm`` (corrected over the tasks of the arm).

    Raises:
        ValueError: The reference has no test results.
    """
    theirs = scores.of(reference)
    rows = []
    for arm in scores.arms:
        if arm == reference:
            continue
        found = _by_task(scores.of(arm), theirs)
        columns = {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n.astype(np.int64)}
        relative = found.mean / _present_means(theirs)
        rows.append(
            pd.DataFrame({"arm": arm, "task": scores.tasks, **columns, "relative": relative, "p_holm": holm(found.p)})
        )
    names = ["arm", "task", "mean", "low", "high", "n", "relative", "p_holm"]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=names)


def worst_gains(scores: Scores, reference: str = "separate") -> pd.DataFrame:
    """Return the relative gain of every arm over the reference, and its gain on the task where that is lowest.

    Returns:
        One row per arm: ``arm``; ``delta_mean``, ``delta_low``, ``delta_high``: mean over tasks of the relative gain
        (delta-m of Maninis et al., CVPR 2019), 95 % Student t with the reference's mean on each task as denominator;
        ``worst_task``, ``mean``, ``low``, ``high``: its lowest gain, with bounds that hold for all tasks at once
        (Bonferroni), since the task was chosen after a look; ``n`` common seeds.

    Raises:
        ValueError: The reference has no test results.
    """
    theirs = scores.of(reference)
    rows = []
    for arm in scores.arms:
        ours = scores.of(arm)
        found = _by_task(ours, theirs, 1 - (1 - LEVEL) / max(len(scores.tasks), 1))
        if arm == reference or np.isnan(found.mean).all():
            continue
        worst = int(np.nanargmin(found.mean))
        delta = student_bounds(((ours - theirs) / _present_means(theirs)).mean(axis=1)[None])
        rows.append(
            {
                "arm": arm,
                **{f"delta_{name}": float(getattr(delta, name)[0]) for name in ("mean", "low", "high")},
                "worst_task": scores.tasks[worst],
                **{name: float(getattr(found, name)[worst]) for name in ("mean", "low", "high")},
                "n": int(found.n[worst]),
            }
        )
    names = ["arm", "delta_mean", "delta_low", "delta_high", "worst_task", "mean", "low", "high", "n"]
    return pd.DataFrame(rows, columns=names)


def _by_task(ours: Floats, theirs: Floats, level: float = LEVEL) -> Bounds:
    return student_bounds((ours - theirs).T, level)


def _present_means(values: Floats) -> Floats:
    """Return means over seeds without NaN, shape (tasks,)."""
    return student_bounds(values.T).mean
