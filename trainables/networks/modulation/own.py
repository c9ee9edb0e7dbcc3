"""``own``: every group has the stage for itself, as in networks that branch (own head, own last stages)."""

from __future__ import annotations

import copy
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from trainables.networks.modulation.base import Site
from trainables.networks.modulation.inside import AdaptedLayer, InsideModulation, LayerAdapter
from trainables.networks.modulation.routing import by_group


class OwnLayer(LayerAdapter):
    """Copies of one layer for every group but the first, which keeps the shared one."""

    def __init__(self, layer: nn.Module, groups: int) -> None:
        super().__init__()
        self.copies = nn.ModuleList([copy.deepcopy(layer) for _ in range(groups - 1)])

    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:  # noqa: ARG002 - nothing is drawn
        """Start every copy as the shared layer starts, so that the arm begins as the shared network."""
        for own in self.copies:
            own.load_state_dict(layer.state_dict())

    def forward(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:
        """Run each group's rows through its own layer."""

        def run(group: int, rows: Tensor) -> Tensor:
            return cast("Tensor", self.copies[group - 1](rows)) if group else layer.plain(rows)

        return by_group(features, groups, run)


class Own(InsideModulation):
    """Copies of every layer of the stage: with G groups, G - 1 times the stage's parameters are added."""

    keeps_first: ClassVar[bool] = True

    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter:
        """Copy any layer.

        Raises:
            ValueError: The layer holds other layers beside parameters of its own, so that it cannot be copied alone.
        """
        if next(layer.children(), None) is not None:
            raise ValueError(
                f"modulation.form: 'own' cannot copy {type(layer).__name__} in stage {site.stage!r},"
                " which has parameters beside layers"
            )
        return OwnLayer(layer, site.groups)

    def decayed_parameters(self) -> list[nn.Parameter]:
        """Weights of the copies decay as those of the shared layers do."""
        return [parameter for parameter in self.parameters() if parameter.ndim > 1]
