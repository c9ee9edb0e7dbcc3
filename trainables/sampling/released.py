"""The scheme ``released``: the sampling of the released code, quirks included."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from trainables.foundation.seeds import named_seed
from trainables.sampling.batch import Batch, Integers
from trainables.sampling.shuffled_cycle import check_same_images


def released_lists(labels: Integers, task: str) -> tuple[Integers, Integers]:
    """Return the rows (P,) that have the attribute of a binary task (class 1) and the rows (N,) that lack it.

    Raises:
        ValueError: the task has more than two classes; the message gives its name.
    """
    if labels.max() > 1:
        raise ValueError(
            f"task {task!r} on split 'train': the scheme 'released' requires attributes (class 1 has it, class 0"
            f" lacks it), but the task has a class {labels.max()}; use the scheme 'triplets'"
        )
    return np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)


class ReleasedBatches:
    """``released``: the sampling of the released code (train_mm.py and facenet.py) with all its quirks.

    For each task, the images with and without the attribute are shuffled once for the whole training. In each epoch,
    the image at position i of the first list is the anchor of one triplet. Its positive is drawn from positions i to
    the end, so it may be the anchor itself, and late anchors have few partners; its negative is drawn from all images
    that lack the attribute. With K triplets per task and step, step b takes triplets b * K to b * K + K - 1 of each
    task, in the layout of ``TripletBatches``. An epoch ends with the list of the *first* task: shorter lists restart
    from their first triplet with the same partners; the rest of longer lists is not used, because the next epoch
    starts each list from its beginning.

    There are two departures, with no effect on the distribution, or on data of realistic size. The released code
    reshuffles the negatives in each epoch, although it draws from them independently. It leaves slots black if a task
    has fewer positives than triplets per step; here the list restarts as often as needed.
    """

    def __init__(
        self, members: Sequence[tuple[Integers, Integers]], per_task: int, seed: int, steps_per_epoch: int | None = None
    ) -> None:
        """Take ``per_task`` triplets per step from the (positives, negatives) of each task."""
        self.steps_per_epoch = steps_per_epoch or math.ceil(len(members[0][0]) / per_task)
        self._per_task = per_task
        self._generator = torch.Generator().manual_seed(named_seed(seed, "batches"))
        self._orders = {
            f"{name}.{task}": rows[torch.randperm(len(rows), generator=self._generator).numpy()]
            for task, lists in enumerate(members)
            for name, rows in zip(("positives", "negatives"), lists, strict=True)
        }
        self._tasks = len(members)
        self._task_index = torch.arange(self._tasks).repeat_interleave(3 * per_task)

    def epoch(self) -> Iterator[Batch]:
        """Yield the steps of the next epoch: rows, and the task of each slot."""
        triplets = [self._draw(task) for task in range(self._tasks)]
        for step in range(self.steps_per_epoch):
            places = np.arange(step * self._per_task, (step + 1) * self._per_task)
            chosen = [drawn[places % len(drawn)] for drawn in triplets]
            yield Batch(np.concatenate(chosen).reshape(-1), self._task_index)

    def _draw(self, task: int) -> Integers:
        """Return the epoch's triplets (P, 3) of a task, in the order of its positives."""
        positives, negatives = self._orders[f"positives.{task}"], self._orders[f"negatives.{task}"]
        uniform = torch.rand(2, len(positives), dtype=torch.float64, generator=self._generator).numpy()
        place = np.arange(len(positives))
        partner = place + (uniform[0] * (len(positives) - place)).astype(np.int64)
        negative = (uniform[1] * len(negatives)).astype(np.int64)
        return np.stack([positives, positives[partner], negatives[negative]], axis=1)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the generator's state and the order of each list."""
        orders = {name: torch.from_numpy(rows.copy()) for name, rows in self._orders.items()}
        return {"generator": self._generator.get_state(), **orders}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Resume after the epoch in which ``state_dict`` was taken."""
        for name, rows in self._orders.items():
            check_same_images(state[name], torch.from_numpy(rows))
        self._orders = {name: state[name].numpy().copy() for name in self._orders}
        self._generator.set_state(state["generator"])
