"""Tasks that say little about arms: those that nothing learns, and those that everything solves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from results.analysis.inference.intervals import student_bounds
from results.analysis.inference.scores import Scores
from results.analysis.statistics import LEVEL

SOLVED = 0.95
"""A task is trivial if even the weakest arm is this far on the way from chance to 1."""

LEARNED = 0.1
"""A task whose best arm is this far on the way from chance to 1 is not near chance, however few seeds there are."""


@dataclass(frozen=True)
class TaskRemark:
    """What is noteworthy about a task.

    ``near chance``: no arm is far above chance, and none can be told from it: no interval over seeds lies above chance.
    Its level is corrected for the number of arms (Bonferroni), one in twenty of which would by luck; ``value`` is the
    best arm's mean.
    ``trivial``: every arm has nearly the highest possible value; ``value`` is the weakest arm's mean.
    """

    task: str
    kind: Literal["near chance", "trivial"]
    value: float
    chance: float


def task_remarks(scores: Scores) -> tuple[TaskRemark, ...]:
    """Return the remarks in the order of the tasks; tasks without a known chance level get none."""
    remarks = []
    values = np.moveaxis(scores.array, 1, 2)
    found, corrected = student_bounds(values), student_bounds(values, 1 - (1 - LEVEL) / max(len(scores.arms), 1))
    for i, task in enumerate(scores.tasks):
        chance, means = float(scores.chance[i]), found.mean[:, i][~np.isnan(found.mean[:, i])]
        if np.isnan(chance) or not len(means):
            continue
        learned = means.max() - chance > LEARNED * (1 - chance) or (corrected.low[:, i] > chance).any()
        if (found.n[:, i] > 1).any() and not learned:
            remarks.append(TaskRemark(task, "near chance", float(means.max()), chance))
        elif means.min() - chance >= SOLVED * (1 - chance):
            remarks.append(TaskRemark(task, "trivial", float(means.min()), chance))
    return tuple(remarks)
