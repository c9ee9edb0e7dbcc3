"""A training step as rows of the training split, and a stream of such steps.

Rows only: reading pixels is the caller's. Samplers draw from a torch generator of their own, so their numbers depend on
the seed and the labels alone, and ``state_dict`` (tensors only, safe for ``torch.load(weights_only=True)``) lets a run
resume after any epoch.
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
    """What batches are drawn from.

    Attributes:
        tasks: names of the label columns, in order.
        labels: (N, T) of the training split, -1 = unlabelled.
        triplets: published triplets (M, 3) of training rows by task, which the scheme ``triplets`` takes.
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
    """A stream of steps that can be stopped and continued."""

    steps_per_epoch: int

    def epoch(self) -> Iterator[Batch]:
        """Yield the ``steps_per_epoch`` steps of the next epoch."""
        ...

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return everything the coming steps depend on."""
        ...

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on where ``state_dict`` was taken."""
        ...
