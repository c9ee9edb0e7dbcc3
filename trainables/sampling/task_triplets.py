"""The scheme ``triplets``: each task draws its own triplets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch

from trainables.foundation.seeds import named_seed
from trainables.sampling.batch import Batch, Integers
from trainables.sampling.listed_triplets import TripletItems
from trainables.sampling.shuffled_cycle import ShuffledCycle


class TripletBatches:
    """``triplets``: one batch contains each task's own anchor, positive and negative images.

    Slots are ordered by task, and within a task alternate between anchor, positive and negative. Each task visits its
    anchors in shuffled order, so that each is used once before any is used twice; rare tasks wrap around more often.
    Partners are redrawn each time. Departures from the released code (``ReleasedBatches``): anchors come from all
    classes, the positive is never the anchor itself, and an epoch has as many slots as there are training images
    instead of ending with the positives of the first task.
    """

    def __init__(
        self, pools: tuple[TripletItems, ...], images: int, per_task: int, seed: int, steps_per_epoch: int | None = None
    ) -> None:
        """Take ``per_task`` triplets per step from each pool; ``images`` is the size of the training split."""
        slots = 3 * per_task * len(pools)
        self.steps_per_epoch = steps_per_epoch or max(1, images // slots)
        self._pools = pools
        self._per_task = per_task
        self._generator = torch.Generator().manual_seed(named_seed(seed, "batches"))
        self._cycles = tuple(ShuffledCycle(pool.anchors, self._generator) for pool in pools)
        self._task_index = torch.arange(len(pools)).repeat_interleave(3 * per_task)

    def epoch(self) -> Iterator[Batch]:
        """Yield the steps of the next epoch: rows, and the task of each slot."""
        for _ in range(self.steps_per_epoch):
            triplets = [self._draw(pool, cycle) for pool, cycle in zip(self._pools, self._cycles, strict=True)]
            yield Batch(np.concatenate(triplets).reshape(-1), self._task_index)

    def _draw(self, pool: TripletItems, cycle: ShuffledCycle) -> Integers:
        anchors = cycle.take(self._per_task)
        uniform = torch.rand(2, len(anchors), dtype=torch.float64, generator=self._generator)
        return pool.complete(anchors, uniform.numpy())

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the generator's state and each task's position among its anchors."""
        state = {"generator": self._generator.get_state()}
        for task, cycle in enumerate(self._cycles):
            state |= {f"{key}.{task}": value for key, value in cycle.state_dict().items()}
        return state

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Resume from a ``state_dict``."""
        self._generator.set_state(state["generator"])
        for task, cycle in enumerate(self._cycles):
            cycle.load_state_dict({key: state[f"{key}.{task}"] for key in ("order", "cursor")})
