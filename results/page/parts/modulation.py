"""Modulation vectors as maps, the similarity of tasks, and their tree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from results.analysis.figure_data.networks import ArmVectors, Floats, arm_vectors
from results.analysis.reported import Results
from results.page.model import ModulationShown, Tree, VectorsShown
from results.report.captions.of_study import modulation_basis
from results.report.captions.record import caption_parts

MOST_FACTORS = 150_000
"""Largest number of factors on a page; about a megabyte."""


def modulation_shown(results: Results, arms: Sequence[str]) -> ModulationShown | None:
    """Return the vectors of the arms in the order of preference, as many as fit; None without any.

    Args:
        results: The study.
        arms: ``arm_id`` by preference.
    """
    shown, left_out, factors = dict[str, VectorsShown](), list[str](), 0
    for arm_id in arms:
        own = arm_vectors(results.networks, arm_id)
        if own is None:
            continue
        factors += sum(point.size for point in own.points.values())
        if factors > MOST_FACTORS and shown:
            left_out.append(arm_id)
        else:
            shown[arm_id] = _of_arm(own, results)
    if not shown:
        return None
    labels = results.networks.labels
    return ModulationShown(results.task_names, shown, None if labels is None else _rows(labels), tuple(left_out))


def _of_arm(own: ArmVectors, results: Results) -> VectorsShown:
    similarity, tree = own.similarity, own.tree
    return VectorsShown(
        own.seeds[0],
        {
            name: tuple(tuple(round(float(value), 3) for value in row) for row in point)
            for name, point in own.points.items()
        },
        None if similarity is None else tuple(tuple(float(value) for value in row) for row in similarity),
        None if tree is None else Tree(tree.order, tree.joins),
        own.correlation,
        len(own.seeds),
        caption_parts(modulation_basis(results, own)),
    )


def _rows(matrix: Floats) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(float(value) if np.isfinite(value) else None for value in row) for row in matrix)
