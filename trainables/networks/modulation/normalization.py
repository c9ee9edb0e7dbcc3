"""Batch norm per group: its statistics, its bias, its scale and bias, or all of these."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.config.registries import OwnValues
from trainables.networks.modulation.base import RATE_FACTOR, Site
from trainables.networks.modulation.inside import (
    AdaptedLayer,
    InsideModulation,
    LayerAdapter,
    is_batch_norm,
    is_norm,
    norm_channels,
)
from trainables.networks.modulation.routing import by_group
from trainables.networks.modulation.vectors import rows_of


class NormBias(LayerAdapter):
    """A bias per group and channel after the norm: C parameters per group, starting at 0."""

    def __init__(self, layer: nn.Module, groups: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(groups, norm_channels(layer)))

    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:  # noqa: ARG002 - the same everywhere
        """Set the biases to 0, so that the layer starts unchanged."""
        nn.init.zeros_(self.bias)

    def forward(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:
        """Add the group's bias."""
        normalised = layer.plain(features)
        return normalised + rows_of(self.bias, normalised, groups)


class NormAffine(NormBias):
    """A scale (starting at 1) and a bias (starting at 0) per group after the norm: 2 C parameters per group."""

    def __init__(self, layer: nn.Module, groups: int) -> None:
        super().__init__(layer, groups)
        self.weight = nn.Parameter(torch.empty(groups, norm_channels(layer)))

    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:
        """Set scales to 1 and biases to 0, so that the layer starts unchanged."""
        super().initialize(layer, generator)
        nn.init.ones_(self.weight)

    def normalise(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:  # noqa: ARG002 - see below
        """Normalise all rows together."""
        return layer.plain(features)

    def forward(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:
        """Multiply by the group's scale and add its bias."""
        normalised = self.normalise(layer, features, groups)
        scaled = normalised * rows_of(self.weight, normalised, groups)
        return scaled + rows_of(self.bias, normalised, groups)


class NormStatistics(LayerAdapter):
    """Statistics per group: batches are normalised group by group. The first group uses the layer's own statistics."""

    own_mean: Tensor
    own_variance: Tensor

    def __init__(self, layer: nn.Module, groups: int) -> None:
        super().__init__()
        shape = groups - 1, norm_channels(layer)
        self.register_buffer("own_mean", torch.empty(shape))
        self.register_buffer("own_variance", torch.empty(shape))

    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:  # noqa: ARG002 - nothing is drawn
        """Initialize the statistics of every group to those of the layer."""
        self.own_mean.copy_(layer.get_buffer("running_mean").expand_as(self.own_mean))
        self.own_variance.copy_(layer.get_buffer("running_var").expand_as(self.own_variance))

    def forward(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:
        """Normalise the rows of each group separately."""

        def run(group: int, rows: Tensor) -> Tensor:
            if not group:
                return layer.plain(rows)
            own = {"running_mean": self.own_mean[group - 1], "running_var": self.own_variance[group - 1]}
            return layer.plain(rows, own)

        return by_group(features, groups, run)


class OwnNorm(NormAffine):
    """Statistics, scale and bias per group."""

    def __init__(self, layer: nn.Module, groups: int) -> None:
        super().__init__(layer, groups)
        self.statistics = NormStatistics(layer, groups)

    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:
        """Start with the statistics of the layer, scale 1 and bias 0."""
        super().initialize(layer, generator)
        self.statistics.initialize(layer, generator)

    def normalise(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:
        """Normalise the rows of each group separately."""
        normalised: Tensor = self.statistics(layer, features, groups)
        return normalised


class BatchNormBias(InsideModulation):
    """A bias per group at every norm (1,632 parameters per task on ``simplenet``, whose norms have no scale)."""

    own_values: ClassVar[OwnValues] = RATE_FACTOR

    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter | None:
        """Adapt every normalisation layer."""
        return NormBias(layer, site.groups) if is_norm(layer) else None


class BatchNormAffine(InsideModulation):
    """Scale and bias per group at every norm (the patches of Mudrakarta et al., ICLR 2019, with shared statistics)."""

    own_values: ClassVar[OwnValues] = RATE_FACTOR

    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter | None:
        """Adapt every normalisation layer."""
        return NormAffine(layer, site.groups) if is_norm(layer) else None


class BatchNormStatistics(InsideModulation):
    """Statistics per group at every batch norm; adds no parameters, but 2 C running statistics per group."""

    keeps_first: ClassVar[bool] = True
    has_parameters: ClassVar[bool] = False

    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter | None:
        """Adapt every batch norm; layer and group norms keep no statistics."""
        return NormStatistics(layer, site.groups) if is_batch_norm(layer) else None


class BatchNorm(InsideModulation):
    """Statistics, scale and bias per group at every batch norm (per-task batch norm of Maninis et al., CVPR 2019)."""

    own_values: ClassVar[OwnValues] = RATE_FACTOR

    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter | None:
        """Adapt every batch norm."""
        return OwnNorm(layer, site.groups) if is_batch_norm(layer) else None
