"""Forms that act inside a stage: an adapter on each of its layers computes what the layer's output is for a group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainables.networks.modulation.base import Modulation, Site


class LayerAdapter(nn.Module, ABC):
    """What groups change at one layer. ``groups`` is set while the layer serves branches, else None."""

    groups: Tensor | None = None

    @abstractmethod
    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:
        """Set every parameter and buffer, knowing the layer's own start values."""

    @abstractmethod
    def forward(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:
        """Return the layer's output for rows ``(N, ...)`` of groups ``(N,)`` or ``(1,)``."""


class AdaptedLayer:
    """Stands in for the ``forward`` of a layer and asks the adapter, while there are groups to serve.

    The layer stays where it is, under its own name, and computes as before when no group is served.
    """

    def __init__(self, layer: nn.Module, adapter: LayerAdapter) -> None:
        self.layer = layer
        self.adapter = adapter
        self._plain = False
        layer.__dict__["forward"] = self

    def __call__(self, features: Tensor) -> Tensor:
        """Compute the layer's output."""
        groups = self.adapter.groups
        if self._plain or groups is None:
            output: Tensor = type(self.layer).forward(self.layer, features)
        else:
            output = self.adapter(self, features, groups)
        return output

    def plain(self, features: Tensor, tensors: Mapping[str, Tensor] | None = None) -> Tensor:
        """Compute the layer as it is, or with some of its parameters and buffers replaced."""
        self._plain = True
        try:
            output: Tensor = functional_call(self.layer, dict(tensors or {}), (features,))
        finally:
            self._plain = False
        return output


class InsideModulation(Modulation, ABC):
    """Adapters on those layers of a stage that the form is about."""

    inside: ClassVar[bool] = True

    def __init__(self, site: Site) -> None:
        super().__init__()
        found = {name: self.adapter(layer, site) for name, layer in site.layers.items()}
        self.adapters = nn.ModuleDict({_key(name): adapter for name, adapter in found.items() if adapter is not None})
        self._adapted = [
            AdaptedLayer(site.layers[name], adapter) for name, adapter in found.items() if adapter is not None
        ]

    def acts(self) -> bool:
        """Whether a layer is adapted; a network of one group may have nothing to store for it (``own``)."""
        return bool(self.adapters)

    @abstractmethod
    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter | None:
        """Return the adapter of a layer, or None where the form leaves the layer alone."""

    def initialize(self, generator: torch.Generator) -> None:
        """Set the adapters in the order of the layers."""
        for adapted in self._adapted:
            adapted.adapter.initialize(adapted.layer, generator)

    @contextmanager
    def serving(self, groups: Tensor) -> Iterator[None]:
        """Let the layers serve these groups while the block runs."""
        for adapted in self._adapted:
            adapted.adapter.groups = groups
        try:
            yield
        finally:
            for adapted in self._adapted:
                adapted.adapter.groups = None


def _key(name: str) -> str:
    """Return a layer's name as a key of a module dictionary, which allows no dots."""
    return name.replace(".", "-") or "layer"


def is_convolution(layer: nn.Module) -> bool:
    """Whether the layer is a 2-D convolution."""
    return isinstance(layer, nn.Conv2d)


def is_norm(layer: nn.Module) -> bool:
    """Whether the layer normalises: batch norms (also ones without a scale), layer norms, group norms."""
    return is_batch_norm(layer) or isinstance(layer, nn.LayerNorm | nn.GroupNorm)


def is_batch_norm(layer: nn.Module) -> bool:
    """Whether the layer keeps running statistics over a batch."""
    return isinstance(getattr(layer, "running_mean", None), Tensor)


def norm_channels(layer: nn.Module) -> int:
    """Return C of a normalising layer."""
    if is_batch_norm(layer):
        return int(layer.get_buffer("running_mean").numel())
    shape = layer.normalized_shape[-1] if isinstance(layer, nn.LayerNorm) else layer.num_channels
    return int(shape)  # type: ignore[arg-type]
