"""From affinities between tasks to groups: the disjoint groups whose members help each other most.

The objective is that of TAG (Fifty et al., NeurIPS 2021, arXiv 2109.04617; google-research, folder ``tag``, notebook
``TAG_network_selection``): a task scores the mean affinity it receives from the other members of its group, and a
grouping the mean over its tasks. As in the released selection a task alone is the last resort (it scores -10^6 there).
So of two groupings the one with fewer lone tasks is better, and only then the one with the higher score; adding a
number to all affinities changes no choice.

TAG's groups may overlap, each task being served by the group where it scores best. Here they are a partition, since
tasks that share vectors or a network share all of them.

With A = S + S^T, where S[i, j] is the affinity of task i onto task j, the tasks of a group G together score the sum of
A[i, j] over pairs i < j in G, divided by |G| - 1. All that follows works on these sums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Groups = tuple[tuple[int, ...], ...]

MOST_TASKS_EXACT = 12
"""3^12 pairs of group and rest are half a million steps; every further task triples them."""

_GAIN = 1e-9
"""Share of the largest affinity by which a local move must gain, so that rounding cannot make moves go in a circle."""


def grouping_score(affinity: Floats, groups: Groups) -> float:
    """Return the mean over tasks in company of the mean affinity each receives from the others; NaN if all are alone.

    Args:
        affinity: (T, T), ``[i, j]`` that of task i onto task j; the diagonal does not count.
        groups: indices of tasks.
    """
    received = [
        np.mean([affinity[other, task] for other in group if other != task])
        for group in groups
        if len(group) > 1
        for task in group
    ]
    return float(np.mean(received)) if received else float("nan")


def choose_groups(affinity: Floats) -> dict[int, Groups]:
    """Return for every number of groups k = 2 .. T the best partition of the tasks.

    Up to ``MOST_TASKS_EXACT`` tasks it is the best there is, by dynamic programming over subsets. Beyond, hierarchical
    clusters (average and complete linkage) are improved by moving a task or swapping two until no such step helps.

    Args:
        affinity: (T, T) as for ``grouping_score``.

    Returns:
        Groups of indices, members rising, groups in the order of their first members.

    Raises:
        ValueError: no square matrix of finite numbers for at least two tasks.
    """
    tasks = len(affinity)
    if affinity.shape != (tasks, tasks) or tasks < 2 or not np.isfinite(affinity).all():
        raise ValueError(f"expected a finite (T, T) matrix for at least 2 tasks, got shape {affinity.shape}")
    pairs = affinity + affinity.T
    np.fill_diagonal(pairs, 0.0)
    pairs /= np.abs(pairs).max() or 1.0
    chosen = _exact(pairs) if tasks <= MOST_TASKS_EXACT else _by_local_moves(pairs)
    return {count: _in_order(labels) for count, labels in chosen.items()}


def _exact(pairs: Floats) -> dict[int, Integers]:
    """Fill ``best[k, subset]`` from smaller subsets: the group of a subset's last task, and the best of the rest."""
    tasks = len(pairs)
    bits = (np.arange(2**tasks)[:, None] >> np.arange(tasks)) & 1
    alone_or_together = _scores((bits * (bits @ pairs)).sum(axis=1) / 2, bits.sum(axis=1), tasks)
    best = np.full((tasks + 1, 2**tasks), -np.inf)
    best[0, 0] = 0.0
    taken = np.zeros((tasks + 1, 2**tasks), dtype=np.int64)
    counts = np.arange(tasks)
    for subset in range(1, 2**tasks):
        last = 1 << (subset.bit_length() - 1)
        groups = _subsets(subset ^ last) | last
        values = alone_or_together[groups] + best[:-1, subset ^ groups]
        picked = values.argmax(axis=1)
        best[1:, subset], taken[1:, subset] = values[counts, picked], groups[picked]
    return {count: _followed(taken, count, tasks) for count in range(2, tasks + 1)}


def _subsets(of: int) -> Integers:
    """Return all subsets of a bit mask, itself and the empty one included."""
    found = np.zeros(1, dtype=np.int64)
    for place in range(of.bit_length()):
        if of >> place & 1:
            found = np.concatenate([found, found | 1 << place])
    return found


def _followed(taken: Integers, count: int, tasks: int) -> Integers:
    labels, left = np.zeros(tasks, dtype=np.int64), 2**tasks - 1
    for label in range(count):
        group = int(taken[count - label, left])
        labels[(group >> np.arange(tasks)) & 1 == 1] = label
        left ^= group
    return labels


def _by_local_moves(pairs: Floats) -> dict[int, Integers]:
    counts = range(2, len(pairs) + 1)
    distances = squareform(pairs.max() - pairs, checks=False)
    starts = [_cuts(linkage(distances, method)) for method in ("average", "complete")]
    chosen = {}
    for count in counts:
        ends = [_improved(pairs, start[count]) for start in starts]
        chosen[count] = max(ends, key=lambda labels: float(_GroupSums(pairs, labels).scores.sum()))
    return chosen


def _cuts(merges: Floats) -> dict[int, Integers]:
    """Return the labels (T,) of every number of clusters; SciPy's own cut gives fewer where distances are equal."""
    tasks = len(merges) + 1
    labels, cuts = np.arange(tasks), {}
    for step, (one, other) in enumerate(merges[:, :2].astype(np.int64)):
        cuts[tasks - step] = np.unique(labels, return_inverse=True)[1]
        labels = np.where((labels == one) | (labels == other), tasks + step, labels)
    return cuts


def _improved(pairs: Floats, labels: Integers) -> Integers:
    """Take the best move or swap again and again, until none gains."""
    while True:
        sums = _GroupSums(pairs, labels)
        moves, swaps = sums.gains_of_moves(), sums.gains_of_swaps()
        if max(moves.max(), swaps.max()) <= _GAIN:
            return labels
        labels = labels.copy()
        if moves.max() >= swaps.max():
            task, group = np.unravel_index(moves.argmax(), moves.shape)
            labels[task] = group
        else:
            one, other = np.unravel_index(swaps.argmax(), swaps.shape)
            labels[[one, other]] = labels[[other, one]]


class _GroupSums:
    """What the groups of a partition score, and what every move or swap of tasks would gain, all at once.

    ``labels`` (T,) gives every task one of k groups; ``towards[i, g]`` is the sum of A[i, j] over the members j of g.
    """

    def __init__(self, pairs: Floats, labels: Integers) -> None:
        self._pairs, self._labels = pairs, labels
        members = np.eye(labels.max() + 1)[labels]
        self._sizes = members.sum(axis=0)
        self._towards = pairs @ members
        self._within = (members * self._towards).sum(axis=0) / 2
        self.scores = self._score(self._within, self._sizes)

    def gains_of_moves(self) -> Floats:
        """Return (T, k): task i goes over to group g."""
        own = self._labels
        left = self._score(self._within[own] - self._own_sums(), self._sizes[own] - 1)
        entered = self._score(self._within + self._towards, self._sizes + 1)
        gains = left[:, None] + entered - self.scores[own][:, None] - self.scores
        gains[np.arange(len(own)), own] = -np.inf
        return gains

    def gains_of_swaps(self) -> Floats:
        """Return (T, T): tasks i and j change places."""
        own = self._labels
        # row i, column j: the group of i after i has left it and j has come
        changed = self._within[own] - self._own_sums()
        after = self._score(changed[:, None] + self._towards[:, own].T - self._pairs, self._sizes[own][:, None])
        gains = after + after.T - self.scores[own][:, None] - self.scores[own]
        gains[own[:, None] == own] = -np.inf
        return gains

    def _own_sums(self) -> Floats:
        sums: Floats = self._towards[np.arange(len(self._labels)), self._labels]
        return sums

    def _score(self, within: Floats, sizes: Floats) -> Floats:
        return _scores(within, sizes, len(self._labels))


def _scores(within: Floats, sizes: Floats | Integers, tasks: int) -> Floats:
    """Return what groups score: sums over pairs by size - 1; impossible if empty, the last resort if alone.

    Sums of pairs are scaled to at most 1, so scores of partitions differ by T at most, which ``-2 T`` outweighs.
    """
    scores = within / np.maximum(sizes - 1, 1)
    scores = np.where(sizes == 1, -2.0 * tasks, scores)
    return np.where(sizes < 1, -np.inf, scores)


def _in_order(labels: Integers) -> Groups:
    groups = (tuple(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels))
    return tuple(sorted(groups))
