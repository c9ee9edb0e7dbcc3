"""The scheme ``all_tasks``: every image of a step serves every task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from trainables.foundation.seeds import named_seed
from trainables.sampling.batch import Batch, Integers
from trainables.sampling.shuffled_cycle import ShuffledCycle


class AllTasksBatches:
    """``all_tasks``: every pass goes over the images that have any label, in a new order, without replacement.

    The images left over at the end of a pass, fewer than a batch, are dropped; since every pass is shuffled anew these
    are different ones each time, and no batch ever holds an image twice.
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
        """Return the generator's state and the place in the current pass."""
        return {"generator": self._generator.get_state(), **self._cycle.state_dict()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on where ``state_dict`` was taken."""
        self._generator.set_state(state["generator"])
        self._cycle.load_state_dict(state)
