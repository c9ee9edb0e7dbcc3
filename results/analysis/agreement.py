"""``update_agreement`` without and with modulation: arm ``shared`` and modulated arms on the same data and seeds.

All values come from confirm trials with the selected nuisance values. A change is modulated minus shared with the same
train seed, computed per cell (stage and task pair, or stage and task) before averaging. A cell missing from one of the
two arms is excluded from both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from results.analysis.confirmed import ConfirmedResults
from results.analysis.summary import REFERENCE_ARMS

PREFIX = "update_agreement"
SHARED = REFERENCE_ARMS[0]

Floats = NDArray[np.float64]
Moment = Literal["first", "last"]
"""The first or the last measured epoch of a trial."""


@dataclass(frozen=True)
class Measured:
    """The values of one arm at one moment; NaN if missing. S seeds, G stages, T tasks, in the study's order.

    Attributes:
        cosine: (S, G, T, T), symmetric, with NaN on the diagonal.
        update: (S, G, T).
        conflict_share: (S, G).
    """

    cosine: Floats
    update: Floats
    conflict_share: Floats

    def minus(self, other: Measured) -> Measured:
        """Return the differences per cell."""
        return Measured(
            self.cosine - other.cosine, self.update - other.update, self.conflict_share - other.conflict_share
        )


@dataclass(frozen=True)
class StudyAgreement:
    """Measurements of the shared arm and of the modulated arms that have train seeds in common with it.

    Attributes:
        seeds, stages, tasks: The axes of all values.
        shared_id: The shared arm.
        arms: Names of the modulated arms by ``arm_id``, in the study's order.
        points: Number of stages that carry modulation, by ``arm_id``.
        measured: By ``arm_id`` and moment.
        accuracy: Test triplet accuracy by ``arm_id``, (S, T); NaN if missing.
        epochs: The first and the last measured epochs of the trials.
    """

    seeds: tuple[int, ...]
    stages: tuple[str, ...]
    tasks: tuple[str, ...]
    shared_id: str
    arms: Mapping[str, str]
    points: Mapping[str, int]
    measured: Mapping[tuple[str, Moment], Measured]
    accuracy: Mapping[str, Floats]
    epochs: Mapping[Moment, tuple[int, ...]]

    def shared(self, moment: Moment = "last") -> Measured:
        """Return the values of the shared arm."""
        return self.measured[self.shared_id, moment]

    def changes(self, arm_id: str, moment: Moment = "last") -> Measured:
        """Return modulated minus shared with the same seed."""
        return self.measured[arm_id, moment].minus(self.shared(moment))

    def gains(self, arm_id: str) -> Floats:
        """Return test triplet accuracy minus that of the shared arm with the same seed, (S, T)."""
        return self.accuracy[arm_id] - self.accuracy[self.shared_id]


def study_agreement(
    curves: pd.DataFrame, confirmed: ConfirmedResults, arms: pd.DataFrame, storage: pd.DataFrame
) -> StudyAgreement | None:
    """Collect a study's measurements; None unless the shared and a modulated arm have task pairs for a common seed.

    Args:
        curves: The ``curves`` table.
        confirmed: The confirm trials that are reported.
        arms: Columns ``arm_id``, ``arm`` and ``points``, as in the ``summary`` table.
        storage: The ``storage`` table, which gives the order of the stages.
    """
    rows = _rows(curves, confirmed)
    pairs = rows[rows["statistic"] == "cosine"]
    points = {
        str(arm_id): len(str(text).split(",")) if text else 0
        for arm_id, text in zip(arms["arm_id"], arms["points"].fillna(""), strict=True)
    }
    names = {str(arm_id): str(arm) for arm_id, arm in zip(arms["arm_id"], arms["arm"], strict=True)}
    seeds = {str(arm_id): set(own["train_seed"]) for arm_id, own in pairs.groupby("arm_id")}
    shared_id = next((arm_id for arm_id, name in names.items() if name == SHARED), "")
    common = {arm_id: found & seeds.get(shared_id, set()) for arm_id, found in seeds.items()}
    modulated = {arm_id: name for arm_id, name in names.items() if points[arm_id] and common.get(arm_id)}
    if not modulated:
        return None
    measured, kept = {*pairs["task"], *pairs["other"]}, (shared_id, *modulated)
    known = storage.loc[storage["kind"] == "stage", "component"].unique()
    axes = _Axes(
        tuple(sorted({int(seed) for arm_id in modulated for seed in common[arm_id]})),
        tuple(stage for stage in known if stage in set(pairs["stage"])),
        tuple(task for task in confirmed.metrics["task"].unique() if task in measured),
    )
    moments: tuple[Moment, ...] = ("first", "last")
    accuracy = confirmed.by_task()
    return StudyAgreement(
        axes.seeds,
        axes.stages,
        axes.tasks,
        shared_id,
        modulated,
        points,
        {(a, m): _measured(rows[(rows["arm_id"] == a) & rows[m]], axes) for a in kept for m in moments},
        {a: _accuracy(accuracy, a, axes) for a in kept},
        {m: tuple(sorted({int(epoch) for epoch in rows.loc[rows[m], "epoch"]})) for m in moments},
    )


@dataclass(frozen=True)
class _Axes:
    seeds: tuple[int, ...]
    stages: tuple[str, ...]
    tasks: tuple[str, ...]


def _measured(rows: pd.DataFrame, axes: _Axes) -> Measured:
    """Sort one arm's rows of one moment into arrays."""
    size = (len(axes.seeds), len(axes.stages), len(axes.tasks))
    made = Measured(np.full((*size, size[2]), np.nan), np.full(size, np.nan), np.full(size[:2], np.nan))
    seeds, stages, tasks = (
        {name: i for i, name in enumerate(names)} for names in (axes.seeds, axes.stages, axes.tasks)
    )
    columns = ("train_seed", "stage", "statistic", "task", "other", "value")
    for seed, stage, statistic, task, other, value in zip(*(rows[name] for name in columns), strict=True):
        if seed not in seeds or stage not in stages:
            continue
        row, column = seeds[seed], stages[stage]
        if statistic == "cosine":
            made.cosine[row, column, tasks[task], tasks[other]] = value
            made.cosine[row, column, tasks[other], tasks[task]] = value
        elif statistic == "update" and task in tasks:
            made.update[row, column, tasks[task]] = value
        elif statistic == "conflict_share":
            made.conflict_share[row, column] = value
    return made


def _accuracy(by_task: pd.DataFrame, arm_id: str, axes: _Axes) -> Floats:
    index = pd.MultiIndex.from_product([[arm_id], axes.seeds])
    return by_task.reindex(index=index, columns=list(axes.tasks)).to_numpy(dtype=np.float64)


def _rows(curves: pd.DataFrame, confirmed: ConfirmedResults) -> pd.DataFrame:
    """Return the measured values of the reported confirm trials, with their paths split."""
    trials = confirmed.trials[["trial_id", "train_seed"]]
    own = curves[curves["metric"].str.startswith(f"{PREFIX}/")].dropna(subset="value").merge(trials, on="trial_id")
    # Stages have no slash in their names; tasks may.
    parts = own["metric"].str.split("/", n=3, expand=True).reindex(columns=range(4)).fillna("")
    rows = own[["trial_id", "arm_id", "train_seed", "epoch", "value"]].assign(statistic=parts[1], stage=parts[2])
    split = _pairs(tuple(confirmed.metrics["task"].unique()))
    named = zip(parts[1], parts[3], strict=True)
    sides = [split.get(subject, (subject, "")) if kind == "cosine" else (subject, "") for kind, subject in named]
    rows["task"], rows["other"] = [task for task, _ in sides], [other for _, other in sides]
    epochs = rows.groupby("trial_id")["epoch"]
    return rows.assign(first=rows["epoch"] == epochs.transform("min"), last=rows["epoch"] == epochs.transform("max"))


def _pairs(tasks: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Return every pair by each name a curve may use for it; pairs are in the study's order either way.

    Looking names up instead of splitting at the colon allows colons in task names.
    """
    pairs = list(combinations(tasks, 2))
    return {f"{a}:{b}": (a, b) for a, b in pairs} | {f"{b}:{a}": (a, b) for a, b in pairs}
