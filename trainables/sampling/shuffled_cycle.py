"""An endless stream of items in shuffled order, with a state that can be saved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from trainables.sampling.batch import Integers


class ShuffledCycle:
    """Yields items in shuffled order endlessly; the order and the position in it can be saved."""

    def __init__(self, items: Integers, generator: torch.Generator) -> None:
        self._items = torch.from_numpy(np.ascontiguousarray(items))
        self._generator = generator
        self.reshuffle()

    @property
    def remaining(self) -> int:
        """Return the number of items left in the current order."""
        return len(self._order) - self._cursor

    def reshuffle(self) -> None:
        """Start a new order."""
        self._order = self._items[torch.randperm(len(self._items), generator=self._generator)]
        self._cursor = 0

    def take(self, count: int) -> Integers:
        """Return the next ``count`` items; start a new order when the current one is exhausted."""
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
        """Return the order and the position in it; the owner of the generator saves its state."""
        return {"order": self._order.clone(), "cursor": torch.tensor(self._cursor)}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Resume from a ``state_dict``.

        Raises:
            ValueError: the state belongs to other items.
        """
        check_same_images(state["order"], self._items)
        self._order = state["order"].clone()
        self._cursor = int(state["cursor"])


def check_same_images(saved: torch.Tensor, present: torch.Tensor) -> None:
    """Check that a saved order is a permutation of these images.

    Raises:
        ValueError: the state belongs to other data.
    """
    if not torch.equal(saved.sort().values, present.sort().values):
        raise ValueError(
            f"the saved order of {len(saved)} images does not match these {len(present)} images: "
            "the state belongs to other data"
        )
