"""Triplets of one task: valid anchors, positives and negatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class TripletPool:
    """The labelled images of one task in one split, ordered by class, ready to complete anchors to triplets.

    Any image whose class has at least two members may be an anchor. (The released code takes only images that have the
    attribute, so binary tasks never learn what the negatives have in common.) The positive is drawn uniformly from the
    other images of its class, the negative uniformly from the images of all other classes.
    """

    def __init__(self, labels: Integers, task: str, split: str) -> None:
        """Index the task.

        Args:
            labels: (N,) of one task, -1 = unlabelled.
            task: its name, for messages.
            split: the split's name, for messages.

        Raises:
            ValueError: no triplet can be formed; the message gives task and split.
        """
        labelled = np.flatnonzero(labels >= 0)
        self._by_class = labelled[np.argsort(labels[labelled], kind="stable")]
        classes, starts, sizes = np.unique(labels[self._by_class], return_index=True, return_counts=True)
        if len(classes) < 2 or sizes.max() < 2:
            raise ValueError(
                f"task {task!r} on split {split!r}: triplets need two classes, one of them with two images; of "
                f"{len(labels)} images {len(labelled)} are labelled, in classes of sizes {sizes.tolist()[:10]}"
            )
        self._start = np.repeat(starts, sizes)
        self._size = np.repeat(sizes, sizes)
        self._position = np.empty(len(labels), dtype=np.int64)
        self._position[self._by_class] = np.arange(len(labelled))
        self.anchors: Integers = np.sort(self._by_class[self._size >= 2])

    def complete(self, anchors: Integers, uniform: NDArray[np.float64]) -> Integers:
        """Return triplets (M, 3) of image rows: anchor, positive, negative.

        Args:
            anchors: (M,), elements of ``self.anchors``.
            uniform: (2, M) numbers in [0, 1) that select positive and negative. The caller draws them, so that both
                NumPy's and torch's generators can be used. ``floor(u * n)`` is below n for every double u below 1.
        """
        own = self._position[anchors]
        start, size = self._start[own], self._size[own]
        positive = start + (uniform[0] * (size - 1)).astype(np.int64)
        positive += positive >= own
        negative = (uniform[1] * (len(self._by_class) - size)).astype(np.int64)
        negative += np.where(negative >= start, size, 0)
        return np.stack([anchors, self._by_class[positive], self._by_class[negative]], axis=1)


def draw_triplets(pool: TripletPool, count: int, generator: np.random.Generator) -> Integers:
    """Return ``count`` triplets (count, 3), with anchors drawn uniformly from the pool, with replacement."""
    anchors = pool.anchors[generator.integers(0, len(pool.anchors), size=count)]
    return pool.complete(anchors, generator.random((2, count)))
