"""Partitions tasks into the groups whose members help each other most, given the affinities between tasks.

The objective is that of TAG (Fifty et al., NeurIPS 2021, arXiv 2109.04617; google-research, folder ``tag``, notebook
``TAG_network_selection``): a task scores the mean affinity it receives from the other members of its group, and a
grouping scores the mean over its tasks. As in the released selection, single-task groups are a last resort (such a
task scores -10^6 there). Of two groupings, the one with fewer single-task groups is therefore better; the score
decides only between equal numbers. Adding a constant to all affinities changes no choice.

TAG allows overlapping groups and serves each task by the group in which it scores best. Here the groups form a
partition, since tasks that share vectors or a network share all of them.

Let A = S + S^T, where S[i, j] is the affinity of task i onto task j. The scores of the tasks in a group G add up to the
sum of A[i, j] over pairs i < j in G, divided by |G| - 1. The code below works on these sums.
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
"""The exact search visits 3^12 pairs of group and rest, half a million; each further task triples the number."""

_GAIN = 1e-9
"""Minimum gain of a local move as a share of the largest affinity; keeps rounding from causing endless cycles."""


def grouping_score(affinity: Floats, groups: Groups) -> float:
    """Return the mean affinity that tasks receive from the other members of their group, averaged over tasks.

    Tasks alone in their group are left out; NaN if all tasks are alone.

    Args:
        affinity: (T, T), ``[i, j]`` is the affinity of task i onto task j; the diagonal is ignored.
        groups: Task indices of each group.
    """
    received = [
        np.mean([affinity[other, task] for other in group if other != task])
        for group in groups
        if len(group) > 1
        for task in group
    ]
    return float(np.mean(received)) if received else float("nan")


def choose_groups(affinity: Floats) -> dict[int, Groups]:
    """Return the best partition of the tasks for every number of groups k = 2 .. T.

    Up to ``MOST_TASKS_EXACT`` tasks, the optimum is found by dynamic programming over subsets. For more tasks,
    hierarchical clusters (average and complete linkage) are refined by moving one task or swapping two, until no such
    step improves the score.

    Args:
        affinity: (T, T) as for ``grouping_score``.

    Returns:
        Groups of task indices by k; members in ascending order, groups ordered by their first member.

    Raises:
        ValueError: ``affinity`` is not a square matrix of finite numbers for at least two tasks.
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
    """Fill ``best[k, subset]`` from smaller subsets: the group of the subset's last task plus the best of the rest."""
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
    """Return all subsets of a bit mask, including the empty one and the mask itself."""
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
    """Return the labels (T,) for every number of clusters; SciPy's own cut yields fewer clusters for tied distances."""
    tasks = len(merges) + 1
    labels, cuts = np.arange(tasks), {}
    for step, (one, other) in enumerate(merges[:, :2].astype(np.int64)):
        cuts[tasks - step] = np.unique(labels, return_inverse=True)[1]
        labels = np.where((labels == one) | (labels == other), tasks + step, labels)
    return cuts


def _improved(pairs: Floats, labels: Integers) -> Integers:
    """Apply the best move or swap repeatedly until none improves the score."""
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
    """Scores of a partition's groups, and the gains of all moves and swaps of tasks, computed at once.

    ``labels`` (T,) assigns each task to one of k groups; ``towards[i, g]`` is the sum of A[i, j] over the members j
    of group g.
    """

    def __init__(self, pairs: Floats, labels: Integers) -> None:
        self._pairs, self._labels = pairs, labels
        members = np.eye(labels.max() + 1)[labels]
        self._sizes = members.sum(axis=0)
        self._towards = pairs @ members
        self._within = (members * self._towards).sum(axis=0) / 2
        self.scores = self._score(self._within, self._sizes)

    def gains_of_moves(self) -> Floats:
        """Return the gains (T, k) of moving task i to group g."""
        own = self._labels
        left = self._score(self._within[own] - self._own_sums(), self._sizes[own] - 1)
        entered = self._score(self._within + self._towards, self._sizes + 1)
        gains = left[:, None] + entered - self.scores[own][:, None] - self.scores
        gains[np.arange(len(own)), own] = -np.inf
        return gains

    def gains_of_swaps(self) -> Floats:
        """Return the gains (T, T) of swapping tasks i and j."""
        own = self._labels
        # row i, column j: the group of i once j has replaced i
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
    """Return the scores of groups: the sum over pairs divided by size - 1.

    An empty group scores ``-inf``; a single-task group scores ``-2 T``, as a last resort. Affinities are scaled to at
    most 1, so the scores of partitions differ by at most T, which ``-2 T`` outweighs.
    """
    scores = within / np.maximum(sizes - 1, 1)
    scores = np.where(sizes == 1, -2.0 * tasks, scores)
    return np.where(sizes < 1, -np.inf, scores)


def _in_order(labels: Integers) -> Groups:
    groups = (tuple(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels))
    return tuple(sorted(groups))
