"""Forms that change the weights of a convolution for each group: parallel 1 x 1, low rank, and mixed filters.

Each is implemented as a change of the kernel. The outputs equal those of a second convolution in parallel with the
first, at no extra cost once the kernel has been computed.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.config.registries import OwnValues
from trainables.networks.modulation.base import RATE_FACTOR, Site
from trainables.networks.modulation.inside import AdaptedLayer, InsideModulation, LayerAdapter
from trainables.networks.modulation.routing import by_group


class KernelAdapter(LayerAdapter):
    """A different kernel ``(C', C, k, k)`` for each group."""

    @abstractmethod
    def kernel(self, shared: Tensor, group: int) -> Tensor:
        """Return the kernel of the group, computed from the shared one."""

    def forward(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:
        """Convolve each group's rows with the kernel of the group."""
        shared = layer.weight
        return by_group(features, groups, lambda group, rows: layer.plain(rows, {"weight": self.kernel(shared, group)}))


class ParallelKernel(KernelAdapter):
    """conv(x) + A x, with A a 1 x 1 convolution per group, starting at 0: A is added at the centre of the kernel."""

    def __init__(self, layer: nn.Conv2d, groups: int) -> None:
        super().__init__()
        self.centre = nn.Parameter(torch.empty(groups, *layer.weight.shape[:2]))

    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:  # noqa: ARG002 - nothing is drawn
        """Set A to 0, so that the layer starts unchanged."""
        nn.init.zeros_(self.centre)

    def kernel(self, shared: Tensor, group: int) -> Tensor:
        """Add A at the centre."""
        height, width = shared.shape[2:]
        top, left = height // 2, width // 2
        margins = (left, width - 1 - left, top, height - 1 - top)
        return shared + nn.functional.pad(self.centre[group][:, :, None, None], margins)


class LowRankKernel(KernelAdapter):
    """W + U V with random V ``(r, C k k)`` and U ``(C', r)`` starting at 0: r (k k C + C') parameters per group."""

    def __init__(self, layer: nn.Conv2d, groups: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(groups, rank, layer.weight[0].numel()))
        self.up = nn.Parameter(torch.empty(groups, layer.weight.shape[0], rank))

    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:  # noqa: ARG002 - only shapes matter
        """Draw V from N(0, 1 / (C k k)) and set U to 0, so that the layer starts unchanged."""
        self.down.data.normal_(0, 1 / math.sqrt(self.down.shape[2]), generator=generator)
        nn.init.zeros_(self.up)

    def kernel(self, shared: Tensor, group: int) -> Tensor:
        """Add the product U V."""
        return shared + (self.up[group] @ self.down[group]).view_as(shared)


class MixedKernel(KernelAdapter):
    """M W with M ``(C', C')`` per group, initialized to the identity: filters become mixtures of the shared ones."""

    def __init__(self, layer: nn.Conv2d, groups: int) -> None:
        super().__init__()
        self.mixing = nn.Parameter(torch.empty(groups, layer.weight.shape[0], layer.weight.shape[0]))

    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:  # noqa: ARG002 - nothing is drawn
        """Set M to the identity, so that the layer starts unchanged."""
        with torch.no_grad():
            self.mixing.copy_(torch.eye(self.mixing.shape[1]).expand_as(self.mixing))

    def kernel(self, shared: Tensor, group: int) -> Tensor:
        """Mix the filters."""
        return (self.mixing[group] @ shared.flatten(1)).view_as(shared)


class ParallelAdapter(InsideModulation):
    """Parallel 1 x 1 residual adapters at every convolution (Rebuffi et al., CVPR 2018): C C' parameters each."""

    own_values: ClassVar[OwnValues] = RATE_FACTOR

    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter | None:
        """Adapt every convolution."""
        return ParallelKernel(layer, site.groups) if isinstance(layer, nn.Conv2d) else None


class LowRankConvolution(InsideModulation):
    """Low-rank adapters at every convolution (LoRA, Hu et al. 2022, in its convolutional form)."""

    own_values: ClassVar[OwnValues] = RATE_FACTOR

    default_size: ClassVar[int | None] = 4

    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter | None:
        """Adapt every convolution."""
        if not isinstance(layer, nn.Conv2d):
            return None
        return LowRankKernel(layer, site.groups, self.size_at(site))


class FilterMixing(InsideModulation):
    """Reparameterised convolutions (RCM, Kanakis et al., ECCV 2020): C' C' parameters at every convolution.

    In RCM, the shared filters are pretrained and frozen, and M is initialized from the responses; here both are trained
    and M starts at the identity.
    """

    own_values: ClassVar[OwnValues] = RATE_FACTOR

    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter | None:
        """Adapt every convolution."""
        return MixedKernel(layer, site.groups) if isinstance(layer, nn.Conv2d) else None
