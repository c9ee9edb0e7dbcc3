"""Forms stored as one bit per unit or weight: ``task_routing`` and ``weight_mask``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812 - the conventional name
from torch import Tensor, nn

from trainables.config.registries import OwnValues
from trainables.foundation.bits import pack_bits, unpack_bits
from trainables.networks.modulation.base import RATE_FACTOR, Site
from trainables.networks.modulation.inside import AdaptedLayer, InsideModulation, LayerAdapter, is_norm, norm_channels
from trainables.networks.modulation.routing import by_group
from trainables.networks.modulation.vectors import MASK_THRESHOLD, above_threshold

FIRST_SCORE = 1e-2
"""Start value of all scores in the released code of Piggyback: above the threshold, so that all weights are on."""


def first_score(site: Site) -> float:
    """Return the start value of all scores: ``score_steps`` steps of the learning rate above the threshold.

    An early step of Adam moves every score by about the learning rate, whatever its gradient. Piggyback's scores start
    50 such steps above the threshold (0.01 against 0.005 at a rate of 1e-4) and are trained for thousands. At the rates
    that suit a network trained from scratch, its start value would be less than one step away, and the first step
    would switch off every weight whose gradient is positive. The default of 10 suits some hundred steps.
    """
    if site.learning_rate is None:
        return FIRST_SCORE
    return MASK_THRESHOLD + site.settings.score_steps * site.learning_rate


class UnitRouting(LayerAdapter):
    """A fixed random half of the units is on for each group: y = m x after the norm, with m in {0, 1}."""

    mask: Tensor

    def __init__(self, layer: nn.Module, groups: int) -> None:
        super().__init__()
        self.register_buffer("mask", torch.empty(groups, norm_channels(layer), dtype=torch.bool))

    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:  # noqa: ARG002 - only C matters
        """Switch on half of the units for every group, drawn without replacement."""
        groups, channels = self.mask.shape
        self.mask.fill_(value=False)
        for group in range(groups):
            self.mask[group, torch.randperm(channels, generator=generator)[: channels - channels // 2]] = True

    def forward(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:
        """Switch off the units that are not on for the group."""
        normalised = layer.plain(features)
        rows = F.embedding(groups, self.mask.to(normalised.dtype))
        return normalised * rows[(..., *[None] * (normalised.ndim - rows.ndim))]


class WeightScores(LayerAdapter):
    """A trained score per group and weight; a weight is on for a group if its score exceeds the threshold."""

    def __init__(self, layer: nn.Module, groups: int, first: float) -> None:
        super().__init__()
        self._first = first
        self.scores = nn.Parameter(torch.empty(groups, layer.get_parameter("weight").numel()))

    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:  # noqa: ARG002 - nothing is drawn
        """Switch every weight on."""
        nn.init.constant_(self.scores, self._first)

    def forward(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:
        """Run each group's rows through the layer, with the weights that are off for the group set to 0."""
        shared = layer.weight

        def run(group: int, rows: Tensor) -> Tensor:
            return layer.plain(rows, {"weight": shared * above_threshold(self.scores[group]).view_as(shared)})

        return by_group(features, groups, run)


class _OneBit(InsideModulation):
    """Adapters of which one tensor, named ``tensor``, is stored as bits."""

    tensor: str

    @abstractmethod
    def _bits(self, name: str) -> Tensor:
        """Return the bool mask (groups, ...) of an adapter."""

    def unstored(self) -> set[str]:
        """Return the names of the tensors that the bits replace."""
        return {f"adapters.{name}.{self.tensor}" for name in self.adapters}

    def packed(self) -> dict[str, Tensor]:
        """Return the packed bits of every adapter: uint8 ``(ceil(bits / 8),)``, eight bits per byte."""
        return {f"adapters.{name}.bits": pack_bits(self._bits(name)).cpu() for name in self.adapters}

    def mask_bits(self) -> dict[str, int]:
        """Return one bit per group and mask entry, layer by layer."""
        return {f"adapters.{name}.bits": getattr(own, self.tensor).numel() for name, own in self.adapters.items()}

    def unpack(self, packed: Mapping[str, Tensor]) -> None:
        """Restore the masks from packed bits."""
        for name, adapter in self.adapters.items():
            target = getattr(adapter, self.tensor)
            bits = unpack_bits(packed[f"adapters.{name}.bits"], target.numel())
            on = bits.view(target.shape).to(target.device)
            with torch.no_grad():
                target.copy_(on if target.dtype == torch.bool else on * FIRST_SCORE)


class TaskRouting(_OneBit):
    """A fixed random half of the units of every norm is on for each group (Task Routing, Strezoski et al., ICCV 2019).

    Applied after the norm and before the ReLU, as released; one bit per unit, nothing is learned. The released code
    writes the masks into ``.data``, bypassing the gradient; here the gradient is masked too.
    """

    has_parameters: ClassVar[bool] = False
    tensor = "mask"

    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter | None:
        """Adapt every normalisation layer."""
        return UnitRouting(layer, site.groups) if is_norm(layer) else None

    def _bits(self, name: str) -> Tensor:
        return self.adapters[name].get_buffer("mask")


class WeightMask(_OneBit):
    """A learned binary mask over the weights of every layer (Piggyback, Mallya et al., ECCV 2018): one bit per weight.

    In Piggyback, the shared weights are pretrained and frozen; here they are trained jointly. Scores are trained with a
    straight-through gradient and not stored.
    """

    has_scores: ClassVar[bool] = True
    own_values: ClassVar[OwnValues] = {
        **RATE_FACTOR,
        "score_steps": {"low": 2.0, "high": 100.0, "log": True},
    }
    tensor = "scores"

    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter | None:
        """Adapt every convolution and linear layer."""
        maskable = isinstance(layer, nn.Conv2d | nn.Linear)
        return WeightScores(layer, site.groups, first_score(site)) if maskable else None

    def _bits(self, name: str) -> Tensor:
        return self.adapters[name].get_parameter("scores") > MASK_THRESHOLD
