"""Items in shuffled order, again and again, with a state that can be saved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from trainables.sampling.batch import Integers


class ShuffledCycle:
    """Items in shuffled order, again and again; the order and the place in it can be saved."""

    def __init__(self, items: Integers, generator: torch.Generator) -> None:
        self._items = torch.from_numpy(np.ascontiguousarray(items))
        self._generator = generator
        self.reshuffle()

    @property
    def remaining(self) -> int:
        """Return how many items are left of the current order."""
        return len(self._order) - self._cursor

    def reshuffle(self) -> None:
        """Start a new order."""
        self._order = self._items[torch.randperm(len(self._items), generator=self._generator)]
        self._cursor = 0

    def take(self, count: int) -> Integers:
        """Return the next ``count`` items, continuing with a new order when this one is used up."""
        parts = []
        while count:
            if not self.remaining:
                self.reshuffle()
            part = self._order[self._cursor : self._cursor + count]
            self._cursor += len(part)
            count -= len(part)
            parts.append(part)
        taken: Integers = torch.cat(parts).numpy()
        return taken

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the order and the position in it; the generator is saved by its owner."""
        return {"order": self._order.clone(), "cursor": torch.tensor(self._cursor)}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue where ``state_dict`` was taken.

        Raises:
            ValueError: the state is of other items.
        """
        check_same_images(state["order"], self._items)
        self._order = state["order"].clone()
        self._cursor = int(state["cursor"])


def check_same_images(saved: torch.Tensor, present: torch.Tensor) -> None:
    """Check that a saved order is one of these images.

    Raises:
        ValueError: it is not: the state belongs to other data.
    """
    if not torch.equal(saved.sort().values, present.sort().values):
        raise ValueError(
            f"the saved order of {len(saved)} images is not one of these {len(present)} images: "
            "the state belongs to other data"
        )
