"""A training step as rows of the training split, and a stream of such steps.

Rows only: the caller reads the pixels. Each sampler draws from its own torch generator, so its numbers depend only on
the seed and the labels, and ``state_dict`` (tensors only, safe for ``torch.load(weights_only=True)``) lets a run resume
after any epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingLabels:
    """The input of a sampler.

    Attributes:
        tasks: names of the label columns, in order.
        labels: (N, T) of the training split, -1 = unlabelled.
        triplets: published triplets (M, 3) of training rows by task, used by the scheme ``triplets``.
    """

    tasks: tuple[str, ...]
    labels: Integers
    triplets: Mapping[str, Integers] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """One step: ``rows`` (B,) of the training split; ``task_index`` (B,) of each slot, or None for all tasks."""

    rows: Integers
    task_index: torch.Tensor | None = None


class Batches(Protocol):
    """A stream of steps that can be stopped and resumed."""

    steps_per_epoch: int

    def epoch(self) -> Iterator[Batch]:
        """Yield the ``steps_per_epoch`` steps of the next epoch."""
        ...

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return everything that later steps depend on."""
        ...

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Resume from a ``state_dict``."""
        ...
