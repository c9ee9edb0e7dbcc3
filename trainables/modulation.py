"""Forms of modulation: what a group of tasks changes at the end of a stage.

A form is added after a stage, so no backbone knows of it. A new one is a class beside ``Scale`` and one entry in
``FORMS``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

from trainables.config import ModulationConfig
from trainables.initialization import disjoint_blocks, initialize_vectors


class Modulation(nn.Module, ABC):
    """One modulation point: parameters for every group of tasks, unset until ``initialize`` is called."""

    @abstractmethod
    def initialize(self, generator: torch.Generator) -> None:
        """Set every parameter; ValueError where the initialization does not fit the number of groups."""

    @abstractmethod
    def forward(self, features: Tensor, groups: Tensor) -> Tensor:
        """Change ``features`` as the groups want it.

        Args:
            features: ``(..., C, H, W)`` or ``(..., C)``.
            groups: Group indices, broadcast against the leading dimensions: ``(B,)`` or ``(1,)`` for ``(B, C, H, W)``,
                ``(G, 1)`` for ``(1, B, C, H, W)``, which gives ``(G, B, C, H, W)``.
        """

    @abstractmethod
    def magnitude(self, groups: Tensor) -> Tensor:
        """Return the L1 norm ``(N,)`` of what the groups ``(N,)`` act with, after the activation; for ``mask_l1``."""

    @abstractmethod
    def dead_channels(self) -> int:
        """Return how many channels give nothing and get no gradient any more, over all groups."""


class Scale(Modulation):
    """One factor per group and channel, with or without a ReLU on it (released ``train_mm.py``: with)."""

    def __init__(self, groups: int, channels: int, modulation: ModulationConfig) -> None:
        super().__init__()
        self.rectified = modulation.activation == "relu"
        self.initialization = modulation.initialization
        if self.initialization.kind == "disjoint":
            disjoint_blocks(groups, channels)  # refuses what would not fit before anything is planned on it
        self.vectors = nn.Parameter(torch.empty(groups, channels), requires_grad=self.initialization.trainable)

    def initialize(self, generator: torch.Generator) -> None:
        """Set the vectors; raises ValueError for more disjoint blocks than channels."""
        initialize_vectors(self.vectors, self.initialization, generator)

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:
        """Multiply each channel by its group's factor."""
        rows = self._factors(groups).to(features.dtype)
        return features * rows[(..., *[None] * (features.ndim - rows.ndim))]

    def magnitude(self, groups: Tensor) -> Tensor:
        """Return the sum of the absolute factors of each group."""
        return self._factors(groups).abs().sum(dim=-1)

    def _factors(self, groups: Tensor) -> Tensor:
        """Return (..., C) for groups (...)."""
        factors = self.vectors.relu() if self.rectified else self.vectors
        # The backward pass of `embedding` sums in a fixed order, that of plain indexing does not with several threads.
        return F.embedding(groups, factors)

    def dead_channels(self) -> int:
        """Return how many factors the ReLU holds at 0."""
        return int((self.vectors <= 0).sum()) if self.rectified else 0


FORMS: dict[str, Callable[[int, int, ModulationConfig], Modulation]] = {"scale": Scale}
"""Name -> function of the number of groups, the channels and the settings."""
