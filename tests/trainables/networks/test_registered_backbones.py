"""A backbone registered in code."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainables.config.network import NetworkConfig
from trainables.networks.backbones import (
    BACKBONES,
    Backbone,
    StageShape,
    build_backbone,
    register_backbone,
    stage_shapes,
)
from trainables.networks.backbones.imported.loading import imported_backbone


class _Registered(Backbone):
    """A backbone from outside of the packages."""

    def draw_parameters(self, generator: torch.Generator) -> None:
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.normal_(generator=generator)


def _registered(network: NetworkConfig, image_size: int) -> Backbone:
    channels = round(10 * network.width)
    stages = {"map": nn.Conv2d(3, channels, 1), "vector": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())}
    side = StageShape("map", channels, image_size, image_size)
    return _Registered(nn.ModuleDict(stages), (side, StageShape("vector", channels, 1, 1)))


def test_a_backbone_from_elsewhere_is_one_registration_away() -> None:
    register_backbone("registered_in_a_test", _registered)
    register_backbone("registered_in_a_test", _registered)  # a module may be read twice
    try:
        network = NetworkConfig(backbone="registered_in_a_test", width=0.5)
        assert [shape.channels for shape in stage_shapes(network, 16)] == [5, 5]
        backbone = build_backbone(network, 16)
        backbone.initialize(torch.Generator().manual_seed(0))
        assert backbone(torch.randn(2, 3, 16, 16)).shape == (2, 5)
        assert list(backbone.layers("map")) == ["stages.map"]
        with pytest.raises(ValueError, match="'registered_in_a_test' is registered already"):
            register_backbone("registered_in_a_test", imported_backbone)
        with pytest.raises(ValueError, match="must hold no ':', got 'a:b'"):
            register_backbone("a:b", _registered)
    finally:
        del BACKBONES["registered_in_a_test"]
