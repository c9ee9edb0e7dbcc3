"""Forms that mix the channels of a stage's output: ``projection``, ``low_rank`` and ``squeeze_excite``."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.config.registries import OwnValues
from trainables.networks.modulation.base import RATE_FACTOR, Modulation, Site
from trainables.networks.modulation.routing import by_group


class Projection(Modulation):
    """A C x C matrix per group: y = W x at every position, initialized to the identity (the paper's general form)."""

    own_values: ClassVar[OwnValues] = RATE_FACTOR

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.matrices = nn.Parameter(torch.empty(site.groups, site.channels, site.channels))

    def initialize(self, generator: torch.Generator) -> None:  # noqa: ARG002 - nothing is drawn
        """Set every matrix to the identity."""
        with torch.no_grad():
            self.matrices.copy_(torch.eye(self.matrices.shape[1]).expand_as(self.matrices))

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:
        """Mix the channels by the group's matrix."""
        return by_group(features, groups, lambda group, rows: _mix(self.matrices[group], rows))

    def multiply_adds(self, pixels: int) -> int:
        """Return C x C multiply-adds per position."""
        return pixels * self.matrices[0].numel()


class LowRank(Modulation):
    """A residual of rank r per group: y = x + U V x, 2 r C parameters; V is random, U starts at 0 (as in LoRA)."""

    own_values: ClassVar[OwnValues] = RATE_FACTOR

    default_size: ClassVar[int | None] = 4

    def __init__(self, site: Site) -> None:
        super().__init__()
        rank = self.size_at(site)
        self.down = nn.Parameter(torch.empty(site.groups, rank, site.channels))
        self.up = nn.Parameter(torch.empty(site.groups, site.channels, rank))

    def initialize(self, generator: torch.Generator) -> None:
        """Draw V from N(0, 1 / C) and set U to 0, so that the form starts as the identity."""
        self.down.data.normal_(0, 1 / math.sqrt(self.down.shape[2]), generator=generator)
        nn.init.zeros_(self.up)

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:
        """Add the group's residual."""
        return by_group(features, groups, lambda group, rows: rows + _mix(self.up[group], _mix(self.down[group], rows)))

    def multiply_adds(self, pixels: int) -> int:
        """Return 2 r C multiply-adds per position."""
        return pixels * (self.down[0].numel() + self.up[0].numel())


class SqueezeExcite(Modulation):
    """An image-dependent gate per group: y = sigmoid(W2 relu(W1 mean(x) + b1) + b2) x.

    ``mean`` is over positions. 2 C^2 / r + C / r + C parameters per group, with reduction r (Hu et al., CVPR 2018; one
    per task as in Maninis et al., CVPR 2019). W2 and b2 start at 0, so that every gate starts at one half, which the
    next batch norm or the normalisation of the embedding cancels.
    """

    own_values: ClassVar[OwnValues] = RATE_FACTOR

    default_size: ClassVar[int | None] = 16  # Maninis et al., as in the original paper

    def __init__(self, site: Site) -> None:
        super().__init__()
        hidden = max(1, site.channels // self.size_at(site))
        self.squeeze = nn.Parameter(torch.empty(site.groups, hidden, site.channels))
        self.squeeze_bias = nn.Parameter(torch.empty(site.groups, hidden))
        self.excite = nn.Parameter(torch.empty(site.groups, site.channels, hidden))
        self.excite_bias = nn.Parameter(torch.empty(site.groups, site.channels))

    def initialize(self, generator: torch.Generator) -> None:
        """Draw W1 from N(0, 2 / C) and set the rest to 0."""
        self.squeeze.data.normal_(0, math.sqrt(2 / self.squeeze.shape[2]), generator=generator)
        for parameter in (self.squeeze_bias, self.excite, self.excite_bias):
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:
        """Multiply each channel by the gate that the group's network computes from the image."""
        return by_group(features, groups, self._gate)

    def _gate(self, group: int, rows: Tensor) -> Tensor:
        pooled = rows.flatten(2).mean(dim=2) if rows.ndim > 2 else rows
        hidden = torch.nn.functional.linear(pooled, self.squeeze[group], self.squeeze_bias[group]).relu()
        gate = torch.nn.functional.linear(hidden, self.excite[group], self.excite_bias[group]).sigmoid()
        return rows * gate.to(rows.dtype)[(..., *[None] * (rows.ndim - 2))]

    def multiply_adds(self, pixels: int) -> int:  # noqa: ARG002 - the gate is computed once per image
        """Return 2 C^2 / r."""
        return self.squeeze[0].numel() + self.excite[0].numel()


def _mix(matrix: Tensor, rows: Tensor) -> Tensor:
    """Return ``matrix`` (C', C) applied to ``rows`` ``(N, C)`` or, as a 1 x 1 convolution, ``(N, C, H, W)``."""
    if rows.ndim == 2:
        return torch.nn.functional.linear(rows, matrix)
    return torch.nn.functional.conv2d(rows, matrix[:, :, None, None])
