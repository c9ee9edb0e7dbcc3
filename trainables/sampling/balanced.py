"""Class-balanced steps of the scheme ``all_tasks``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch

from trainables.foundation.seeds import named_seed
from trainables.sampling.batch import Batch, Integers

IMAGES_OF_A_CLASS = 2
"""Images drawn of a class at a time, so that each has a positive in the batch."""


class BalancedBatches:
    """Every image serves all tasks, but rare classes are as likely as frequent ones.

    The tasks take turns: in its turn, a task draws one of its classes uniformly, and of that class two images uniformly
    that are not in the batch yet. So each class has a positive pair, as in batches of P classes with K images (Hermans,
    Beyer and Leibe 2017, section 2), and class probabilities are those of class-balanced sampling (Kang et al. 2020,
    "Decoupling representation and classifier", equation 1 with q = 0). The images that one task draws also serve the
    others, so with several tasks classes are more even than in the data, not equal. Steps are independent draws.
    """

    def __init__(self, labels: Integers, images: int, seed: int, steps_per_epoch: int | None = None) -> None:
        """Draw steps of ``images`` images.

        Args:
            labels: (N, T) of the training split, -1 = unlabelled.
            images: of a step.
            seed: the ``train_seed`` of the trial.
            steps_per_epoch: None means as many as one pass over the labelled images takes.

        Raises:
            ValueError: fewer images can be drawn than a step needs.
        """
        self._classes = [_classes_of(column) for column in labels.T]
        drawable = np.unique(np.concatenate([rows for classes in self._classes for rows in classes]))
        if len(drawable) < images:
            raise ValueError(
                f"batches.batch_size is {images}, but only {len(drawable)} training images share a class with another"
            )
        self.steps_per_epoch = steps_per_epoch or max(1, int((labels >= 0).any(axis=1).sum()) // images)
        self._images = images
        self._generator = torch.Generator().manual_seed(named_seed(seed, "batches"))

    def epoch(self) -> Iterator[Batch]:
        """Yield the steps of the next epoch: rows only, all tasks on every image."""
        for _ in range(self.steps_per_epoch):
            yield Batch(self._draw())

    def _draw(self) -> Integers:
        self._numbers = self._uniform(2 * self._images)
        taken: dict[int, None] = {}  # in the order of drawing
        turn = self._below(len(self._classes))
        while len(taken) < self._images:
            classes = self._classes[turn % len(self._classes)]
            rows = classes[self._below(len(classes))]
            for _ in range(min(IMAGES_OF_A_CLASS, self._images - len(taken))):
                self._take_one(rows, taken)
            turn += 1
        return np.fromiter(taken, dtype=np.int64)

    def _take_one(self, rows: Integers, taken: dict[int, None]) -> None:
        """Add one of the rows that is not taken yet, if there is one."""
        row = int(rows[self._below(len(rows))])
        if row in taken:
            left = [each for each in rows.tolist() if each not in taken]
            if not left:
                return
            row = left[self._below(len(left))]
        taken[row] = None

    def _below(self, limit: int) -> int:
        return int(next(self._numbers) * limit)

    def _uniform(self, at_once: int) -> Iterator[float]:
        """Yield numbers from [0, 1), drawn so many at once, since a call of torch takes longer than all else here."""
        while True:
            yield from torch.rand(at_once, dtype=torch.float64, generator=self._generator).tolist()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the generator's state."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Resume from a ``state_dict``."""
        self._generator.set_state(state["generator"])


def _classes_of(labels: Integers) -> list[Integers]:
    """Return the rows of each class of one task that has at least two images."""
    rows = np.flatnonzero(labels >= 0)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    starts = np.unique(labels[rows], return_index=True)[1]
    return [own for own in np.split(rows, starts[1:]) if len(own) > 1]
