"""Modulation vectors as maps, the similarity of tasks, and their tree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from results.analysis.task_tree import Floats, agreement_of, task_tree, vector_similarity
from results.page.model import ModulationShown, Tree, VectorsShown
from results.page.origin import PageOrigin, TrialVectors

MOST_FACTORS = 150_000
"""Largest number of factors on a page; about a megabyte."""


def modulation_shown(origin: PageOrigin, tasks: Sequence[str], arms: Sequence[str]) -> ModulationShown | None:
    """Return the vectors of the arms in the order of preference, as many as fit; None without any.

    Args:
        origin: Vectors of confirm trials, and the association of labels.
        tasks: In the study's order, as the rows of the vectors are.
        arms: ``arm_id`` by preference.
    """
    shown, left_out, factors = dict[str, VectorsShown](), list[str](), 0
    for arm_id in arms:
        own = sorted((v for v in origin.vectors if v.arm_id == arm_id and v.points), key=lambda v: v.train_seed)
        if not own:
            continue
        factors += sum(point.size for point in own[0].points.values())
        if factors > MOST_FACTORS and shown:
            left_out.append(arm_id)
        else:
            shown[arm_id] = _of_arm(own, origin.labels)
    if not shown:
        return None
    labels = None if origin.labels is None else _rows(origin.labels)
    return ModulationShown(tuple(tasks), shown, labels, tuple(left_out))


def _of_arm(trials: Sequence[TrialVectors], labels: Floats | None) -> VectorsShown:
    first = trials[0]
    similarity = vector_similarity([[point.astype(np.float64) for point in trial.points.values()] for trial in trials])
    tree = None if similarity is None else task_tree(similarity)
    return VectorsShown(
        first.train_seed,
        {
            name: tuple(tuple(round(float(value), 3) for value in row) for row in point)
            for name, point in first.points.items()
        },
        None if similarity is None else tuple(tuple(float(value) for value in row) for row in similarity),
        None if tree is None else Tree(tree.order, tree.joins),
        None if similarity is None or labels is None else agreement_of(similarity, labels),
        len(trials),
    )


def _rows(matrix: Floats) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(float(value) if np.isfinite(value) else None for value in row) for row in matrix)
