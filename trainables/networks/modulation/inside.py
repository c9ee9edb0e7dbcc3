"""Forms that act inside a stage: adapters on its layers compute each layer's output for a group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainables.networks.modulation.base import Modulation, Site


class LayerAdapter(nn.Module, ABC):
    """Group-specific changes to one layer. ``groups`` is set while the layer computes for groups, else None."""

    groups: Tensor | None = None

    @abstractmethod
    def initialize(self, layer: nn.Module, generator: torch.Generator) -> None:
        """Set all parameters and buffers, given the layer with its start values."""

    @abstractmethod
    def forward(self, layer: AdaptedLayer, features: Tensor, groups: Tensor) -> Tensor:
        """Return the layer's output for rows ``(N, ...)`` that belong to groups ``(N,)`` or ``(1,)``."""


class AdaptedLayer:
    """Replaces the ``forward`` of a layer and delegates to the adapter while groups are set.

    The layer keeps its place and name, and computes as before when no groups are set.
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

    @property
    def weight(self) -> Tensor:
        """The layer's weight: its parameter, or what ``torch.func`` has put in its place."""
        return cast("Tensor", self.layer.weight)

    def plain(self, features: Tensor, tensors: Mapping[str, Tensor] | None = None) -> Tensor:
        """Compute the unadapted layer, optionally with some of its parameters and buffers replaced."""
        self._plain = True
        try:
            output: Tensor = functional_call(self.layer, dict(tensors or {}), (features,))
        finally:
            self._plain = False
        return output


class InsideModulation(Modulation, ABC):
    """Adapters on the layers of a stage that the form modifies."""

    inside: ClassVar[bool] = True

    def __init__(self, site: Site) -> None:
        super().__init__()
        found = {name: self.adapter(layer, site) for name, layer in site.layers.items()}
        self.adapters = nn.ModuleDict({_key(name): adapter for name, adapter in found.items() if adapter is not None})
        self.adapted = [
            AdaptedLayer(site.layers[name], adapter) for name, adapter in found.items() if adapter is not None
        ]

    def acts(self) -> bool:
        """Return whether any layer is adapted, even if a network with one group stores nothing for it (``own``)."""
        return bool(self.adapters)

    @abstractmethod
    def adapter(self, layer: nn.Module, site: Site) -> LayerAdapter | None:
        """Return the adapter of a layer, or None if the form leaves the layer unchanged."""

    def initialize(self, generator: torch.Generator) -> None:
        """Initialize the adapters in the order of the layers."""
        for adapted in self.adapted:
            adapted.adapter.initialize(adapted.layer, generator)

    @contextmanager
    def serving(self, groups: Tensor) -> Iterator[None]:
        """Make the layers compute for these groups within the ``with`` block."""
        for adapted in self.adapted:
            adapted.adapter.groups = groups
        try:
            yield
        finally:
            for adapted in self.adapted:
                adapted.adapter.groups = None


def _key(name: str) -> str:
    """Return the name of a layer as a key of a module dictionary, in which dots are not allowed."""
    return name.replace(".", "-") or "layer"


def is_convolution(layer: nn.Module) -> bool:
    """Return whether the layer is a 2-D convolution."""
    return isinstance(layer, nn.Conv2d)


def is_norm(layer: nn.Module) -> bool:
    """Return whether the layer is a batch norm (with or without a scale), a layer norm or a group norm."""
    return is_batch_norm(layer) or isinstance(layer, nn.LayerNorm | nn.GroupNorm)


def is_batch_norm(layer: nn.Module) -> bool:
    """Return whether the layer keeps running batch statistics."""
    return isinstance(getattr(layer, "running_mean", None), Tensor)


def norm_channels(layer: nn.Module) -> int:
    """Return the number of channels C of a normalisation layer."""
    if is_batch_norm(layer):
        return int(layer.get_buffer("running_mean").numel())
    shape = layer.normalized_shape[-1] if isinstance(layer, nn.LayerNorm) else layer.num_channels
    return int(shape)  # type: ignore[arg-type]
