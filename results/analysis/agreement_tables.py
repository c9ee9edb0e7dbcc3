"""Tables of ``update_agreement`` without and with modulation: by stage, by pair of tasks, by task and arm."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from results.analysis.agreement import SHARED, Moment, StudyAgreement
from results.analysis.statistics import student_mean

Floats = NDArray[np.float64]


def stage_table(agreement: StudyAgreement) -> pd.DataFrame:
    """Return conflicts and cosines by arm, stage and moment as means over seeds, with the shared arm first.

    Returns:
        Columns ``arm``, ``stage``, ``moment`` (first, last), ``conflict_share`` and ``cosine`` (mean over pairs of
        tasks); NaN if a value does not exist.
    """
    lines: list[dict[str, Any]] = []
    for arm_id, arm in {agreement.shared_id: SHARED, **agreement.arms}.items():
        for moment in get_args(Moment):
            own = agreement.measured[arm_id, moment]
            conflicts, cosines = mean_of(own.conflict_share, (0,)), mean_of(own.cosine, (0, 2, 3))
            for stage, conflict, cosine in zip(agreement.stages, conflicts, cosines, strict=True):
                line = {"arm": arm, "stage": stage, "moment": moment, "conflict_share": conflict, "cosine": cosine}
                lines.append(line)
    return pd.DataFrame(lines)


def pair_table(agreement: StudyAgreement, moment: Moment = "last") -> pd.DataFrame:
    """Return the cosine of every pair of tasks by modulated arm and stage, beside the shared arm's on the same seeds.

    Returns:
        Columns ``arm``, ``stage``, ``task``, ``other``, ``shared``, ``modulated`` (means over the common seeds),
        ``change``, ``low``, ``high`` (paired by seed, 95 % Student t) and ``n_seeds``. Pairs without a common seed
        are excluded.
    """
    lines = []
    before = agreement.shared(moment).cosine
    pairs = list(combinations(range(len(agreement.tasks)), 2))
    for arm_id, arm in agreement.arms.items():
        changes = agreement.changes(arm_id, moment).cosine
        for g, stage in enumerate(agreement.stages):
            for first, second in pairs:
                change = changes[:, g, first, second]
                seen = np.isfinite(change)
                if not seen.any():
                    continue
                named = {"arm": arm, "stage": stage, "task": agreement.tasks[first], "other": agreement.tasks[second]}
                shared = float(before[seen, g, first, second].mean())
                found = student_mean(change[seen])
                line = {**named, "shared": shared, "modulated": shared + found.mean, "change": found.mean}
                lines.append({**line, "low": found.low, "high": found.high, "n_seeds": found.n})
    return pd.DataFrame(lines)


@dataclass(frozen=True)
class Changes:
    """Changes under modulation at the last measured epoch. A arms, S seeds, T tasks; NaN if a value is missing.

    Attributes:
        gain: (A, S, T) test triplet accuracy, modulated minus shared with the same seed.
        cosine: (A, S, T) change of a task's mean cosine with the other tasks, averaged over stages.
        update: (A, S, T) change of a task's agreement with the step taken, averaged over stages.
        conflict_share: (A, S) change of the conflict share, averaged over stages.
        shared_cosine, shared_update: (S, T) the shared arm's own values.
    """

    gain: Floats
    cosine: Floats
    update: Floats
    conflict_share: Floats
    shared_cosine: Floats
    shared_update: Floats


def changes_of(agreement: StudyAgreement) -> Changes:
    """Return the changes of all modulated arms."""
    shared = agreement.shared()
    changes = [agreement.changes(arm_id) for arm_id in agreement.arms]
    return Changes(
        np.stack([agreement.gains(arm_id) for arm_id in agreement.arms]),
        np.stack([mean_of(change.cosine, (1, 3)) for change in changes]),
        np.stack([mean_of(change.update, (1,)) for change in changes]),
        np.stack([mean_of(change.conflict_share, (1,)) for change in changes]),
        mean_of(shared.cosine, (1, 3)),
        mean_of(shared.update, (1,)),
    )


def mean_of(values: Floats, axes: tuple[int, ...]) -> Floats:
    """Return means over axes of the existing values, NaN if there are none."""
    present = np.isfinite(values)
    count = present.sum(axis=axes)
    total = np.where(present, values, 0.0).sum(axis=axes)
    means: Floats = np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
    return means
