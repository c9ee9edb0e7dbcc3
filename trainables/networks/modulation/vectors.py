"""Forms made of vectors per group: ``scale`` (C parameters) and ``scale_shift`` (2 C parameters)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812 - the conventional name
from torch import Tensor, nn

from trainables.config.registries import OwnValues
from trainables.foundation.registry import look_up
from trainables.networks.modulation.base import RATE_FACTOR, Modulation, Site
from trainables.networks.modulation.initialization import disjoint_blocks, initialize_vectors
from trainables.networks.precision import TwoValues

MASK_THRESHOLD = 5e-3
"""Scores above this threshold count as 1 (Piggyback, Mallya et al. 2018, released code)."""


def above_threshold(scores: Tensor) -> Tensor:
    """Return 1 where a score is above ``MASK_THRESHOLD``, else 0; uses a straight-through gradient."""
    hard = (scores > MASK_THRESHOLD).to(scores.dtype)
    return hard + (scores - scores.detach())


def _twice_sigmoid(vectors: Tensor) -> Tensor:
    return 2 * vectors.sigmoid()


def _as_they_are(vectors: Tensor) -> Tensor:
    return vectors


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "none": _as_they_are,
    "sigmoid": torch.sigmoid,
    "twice_sigmoid": _twice_sigmoid,
    "softplus": F.softplus,
    "threshold": above_threshold,
}
"""Functions applied to a vector before it is used. Released: ``relu``. ``twice_sigmoid`` is 1 at 0."""


class Scale(Modulation):
    """One factor per group and channel: y = a(s) x with activation a (a ReLU in the released ``train_mm.py``)."""

    of_vectors: ClassVar[bool] = True
    own_values: ClassVar[OwnValues] = RATE_FACTOR

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.activation = site.settings.activation
        self.initialization = site.settings.initialization
        look_up("modulation.activation", self.activation, ACTIVATIONS)
        if self.initialization.kind == "disjoint":
            disjoint_blocks(site.groups, site.channels)  # fails early, during planning
        self.vectors = nn.Parameter(torch.empty(site.groups, site.channels))

    def initialize(self, generator: torch.Generator) -> None:
        """Set the vectors; raises ValueError if there are more disjoint blocks than channels."""
        initialize_vectors(self.vectors, self.initialization, generator)

    def factors(self) -> Tensor:
        """Return the factors ``(groups, C)`` by which channels are multiplied."""
        return ACTIVATIONS[self.activation](self.vectors)

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:
        """Multiply each channel by its group's factor."""
        return features * rows_of(self.factors(), features, groups)

    def magnitude(self, groups: Tensor) -> Tensor:
        """Return the sum of the absolute factors of each group."""
        return F.embedding(groups, self.factors()).abs().sum(dim=-1)

    def two_valued(self) -> Mapping[str, TwoValues]:
        """Return the vectors if a threshold follows, or if they stay at a start of two values."""
        start = self.initialization
        if self.activation == "threshold":
            return {"vectors": TwoValues(0.0, MASK_THRESHOLD, 1.0)}
        if not start.trainable and start.kind in ("disjoint", "binary"):
            off = start.off if start.kind == "disjoint" else 0.0
            return {"vectors": TwoValues(off, (off + 1) / 2, 1.0)} if off < 1 else {}
        return {}

    def dead_channels(self) -> int:
        """Return the number of factors that the ReLU sets to 0."""
        return int((self.vectors <= 0).sum()) if self.activation == "relu" else 0


class ScaleShift(Scale):
    """FiLM: y = a(s) x + b, with b starting at 0 (Perez et al., AAAI 2018, with free vectors, no generator)."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.shifts = nn.Parameter(torch.empty(site.groups, site.channels))

    def initialize(self, generator: torch.Generator) -> None:
        """Set the vectors as in ``Scale`` and the shifts to 0."""
        super().initialize(generator)
        nn.init.zeros_(self.shifts)

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:
        """Multiply each channel by the factor of its group and add the group's shift."""
        return super().forward(features, groups) + rows_of(self.shifts, features, groups)

    def dead_channels(self) -> int:
        """Return 0: a channel whose factor is 0 still has a trainable shift."""
        return 0


def rows_of(vectors: Tensor, features: Tensor, groups: Tensor) -> Tensor:
    """Return each row's vector from ``(groups, C)``, in the dtype of ``features`` and broadcastable to them."""
    # The backward pass of `embedding` sums in a fixed order; that of plain indexing does not with several threads.
    rows = F.embedding(groups, vectors).to(features.dtype)
    return rows[(..., *[None] * (features.ndim - rows.ndim))]
