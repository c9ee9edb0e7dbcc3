"""The scheme ``all_tasks``: every image of a step serves every task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from trainables.foundation.seeds import named_seed
from trainables.sampling.batch import Batch, Integers
from trainables.sampling.shuffled_cycle import ShuffledCycle


class AllTasksBatches:
    """``all_tasks``: each pass covers the images that have any label in a new random order, without replacement.

    The incomplete batch at the end of a pass is dropped. Since each pass is reshuffled, it contains different images
    each time, and no batch contains an image twice.
    """

    def __init__(self, rows: Integers, images: int, seed: int, steps_per_epoch: int | None = None) -> None:
        """Take ``images`` of ``rows`` a step; ``steps_per_epoch`` None means one pass.

        Raises:
            ValueError: fewer rows than ``images``.
        """
        if len(rows) < images:
            raise ValueError(f"batches.batch_size is {images}, but only {len(rows)} training images have a label")
        self.steps_per_epoch = steps_per_epoch or len(rows) // images
        self._images = images
        self._generator = torch.Generator().manual_seed(named_seed(seed, "batches"))
        self._cycle = ShuffledCycle(rows, self._generator)

    def epoch(self) -> Iterator[Batch]:
        """Yield the steps of the next epoch: rows only, all tasks on every image."""
        for _ in range(self.steps_per_epoch):
            if self._cycle.remaining < self._images:
                self._cycle.reshuffle()
            yield Batch(self._cycle.take(self._images))

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the generator's state and the position in the current pass."""
        return {"generator": self._generator.get_state(), **self._cycle.state_dict()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Resume from a ``state_dict``."""
        self._generator.set_state(state["generator"])
        self._cycle.load_state_dict(state)
