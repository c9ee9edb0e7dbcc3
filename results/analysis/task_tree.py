"""Which tasks are alike by their modulation, and the tree that this implies.

The similarity of two tasks is the correlation of their factors over all modulated channels, each channel centred over
the tasks first: what all tasks do to a channel says nothing about their relation. Over several seeds, similarities are
averaged, since channels of different seeds do not correspond. The tree is average linkage on one minus the similarity
(SciPy).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST_TASKS = 3
"""Two tasks have but one tree; centred over two tasks, factors are always opposite."""


@dataclass(frozen=True)
class TaskTree:
    """A tree of T tasks.

    Attributes:
        order: tasks from one end to the other, so that close ones are neighbours.
        joins: each join as four points from the left branch to the right one: places (T leaves at 0 to T - 1 in the
            order), and heights (one minus similarity).
    """

    order: tuple[int, ...]
    joins: tuple[tuple[tuple[float, float], ...], ...]


def vector_similarity(seeds: Sequence[Sequence[Floats]]) -> Floats | None:
    """Return the similarity of tasks, ``(T, T)``; None with fewer than three tasks, or where no factor differs.

    Args:
        seeds: for each seed, the factors ``(T, C)`` of every modulation point.
    """
    found = [similarity for points in seeds if (similarity := _of_seed(points)) is not None]
    return np.mean(found, axis=0) if found else None


def _of_seed(points: Sequence[Floats]) -> Floats | None:
    factors = np.concatenate([np.asarray(point, dtype=np.float64) for point in points], axis=1)
    if len(factors) < FEWEST_TASKS:
        return None
    centred = factors - factors.mean(axis=0)
    norms = np.linalg.norm(centred, axis=1)
    if not (norms > 0).all():
        return None
    unit = centred / norms[:, None]
    similarity: Floats = np.clip(unit @ unit.T, -1, 1)
    return similarity


def task_tree(similarity: Floats) -> TaskTree:
    """Return the tree of average linkage; NaN counts as no similarity.

    Args:
        similarity: ``(T, T)``, symmetric, at most 1.
    """
    from scipy.cluster import hierarchy  # here, since it loads slowly
    from scipy.spatial.distance import squareform

    distance = 1 - np.nan_to_num(similarity, nan=0.0)
    np.fill_diagonal(distance, 0)
    condensed = squareform((distance + distance.T) / 2, checks=False)
    links = hierarchy.linkage(condensed, "average", optimal_ordering=True)
    drawn = hierarchy.dendrogram(links, no_plot=True)
    joins = zip(drawn["icoord"], drawn["dcoord"], strict=True)
    return TaskTree(
        tuple(int(leaf) for leaf in hierarchy.leaves_list(links)),
        tuple(
            tuple(((float(place) - 5) / 10, float(height)) for place, height in zip(places, heights, strict=True))
            for places, heights in joins
        ),
    )


def agreement_of(similarity: Floats, association: Floats) -> float | None:
    """Return Spearman's correlation between two matrices over the pairs of tasks; None with fewer than three pairs."""
    from scipy import stats

    upper = np.triu_indices(len(similarity), 1)
    one, other = similarity[upper], association[upper]
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < FEWEST_TASKS or not (np.ptp(one[known]) > 0 and np.ptp(other[known]) > 0):
        return None
    return float(stats.spearmanr(one[known], other[known]).statistic)
