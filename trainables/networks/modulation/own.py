"""``own``: every group has a separate copy of the stage, as in branched networks (separate heads or last stages)."""

from __future__ import annotations

import copy
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from trainables.config.registries import OwnValues
from trainables.networks.modulation.base import RATE_FACTOR, Site
from trainables.networks.modulation.inside import AdaptedLayer, InsideModulation, LayerAdapter
from trainables.networks.modulation.routing import by_group


class OwnLayer(LayerAdapter):
    """Copies of one layer for every group except the first, which uses the shared layer."""

    def __init__(self, layer: nn.Module, groups: int) -> None:
        super().__init__()
        self.copies = nn.ModuleList([copy.deepcopy(layer) for _ in range(groups - 1)])

    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:  # noqa: ARG002 - nothing is drawn
        """Initialize every copy to the shared layer, so that the arm starts as the shared network."""
        for own in self.copies:
            own.load_state_dict(layer.state_dict())

    def forward(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:
        """Run each group's rows through the layer of the group."""

        def run(group: int, rows: Tensor) -> Tensor:
            return cast("Tensor", self.copies[group - 1](rows)) if group else layer.plain(rows)

        return by_group(features, groups, run)


class Own(InsideModulation):
    """A copy of every layer of the stage per group: G groups add G - 1 times the stage's parameters."""

    own_values: ClassVar[OwnValues] = RATE_FACTOR

    keeps_first: ClassVar[bool] = True

    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter:
        """Copy the layer, whatever its type.

        Raises:
            ValueError: The layer has both parameters and child layers, so it cannot be copied separately.
        """
        if next(layer.children(), None) is not None:
            raise ValueError(
                f"modulation.form: 'own' cannot copy {type(layer).__name__} in stage {site.stage!r},"
                " which has parameters beside layers"
            )
        return OwnLayer(layer, site.groups)

    def decayed_parameters(self) -> list[nn.Parameter]:
        """Return the weights of the copies, which decay like those of the shared layers."""
        return [parameter for parameter in self.parameters() if parameter.ndim > 1]
