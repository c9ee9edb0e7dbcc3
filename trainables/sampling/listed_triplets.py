"""Published triplets of one task: used unchanged for training and evaluation, instead of sampling by label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainables.sampling.triplets import TripletPool

Integers = NDArray[np.int64]


class TripletItems(Protocol):
    """The source of a task's triplets: items to visit in shuffled order, each completed to a triplet."""

    anchors: Integers

    def complete(self, anchors: Integers, uniform: NDArray[np.float64]) -> Integers:
        """Return triplets (M, 3) of image rows for items (M,) and uniform numbers (2, M)."""
        ...


class ListedTriplets:
    """A published list; its items are the triplets themselves, and only their order is random."""

    def __init__(self, triplets: Integers, task: str, split: str) -> None:
        """Take a list (K, 3) of rows: anchor, positive, negative.

        Raises:
            ValueError: the list is empty; the message gives task and split.
        """
        if not len(triplets):
            raise ValueError(f"task {task!r} on split {split!r}: the published list of triplets is empty")
        self._triplets = triplets
        self.anchors: Integers = np.arange(len(triplets))

    def complete(self, anchors: Integers, uniform: NDArray[np.float64]) -> Integers:  # noqa: ARG002
        """Return the triplets (M, 3) with these indices."""
        return self._triplets[anchors]


def triplet_items(labels: Integers, listed: Mapping[str, Integers], task: str, split: str) -> TripletItems:
    """Return the published list of a task, or the pool of its labelled images (N,) if there is none.

    Raises:
        ValueError: no triplet can be formed; the message gives task and split.
    """
    if task in listed:
        return ListedTriplets(listed[task], task, split)
    return TripletPool(labels, task, split)
