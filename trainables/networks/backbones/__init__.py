"""Backbones by name. A new one is a function that returns a ``Backbone``, and one call of ``register_backbone``."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch

from trainables.config.network import NetworkConfig
from trainables.foundation.registry import Registry
from trainables.networks.backbones.backbone import AtPoint, Backbone, StageShape
from trainables.networks.backbones.csn_resnet18 import csn_resnet18
from trainables.networks.backbones.imported.loading import imported_backbone
from trainables.networks.backbones.simplenet import simplenet

__all__ = ["BACKBONES", "AtPoint", "Backbone", "StageShape", "build_backbone", "register_backbone", "stage_shapes"]

BackboneFactory = Callable[[NetworkConfig, int], Backbone]
"""Function of the network's settings and the image size (pixels)."""

_BUILT_IN: dict[str, BackboneFactory | str] = {"simplenet": simplenet, "csn_resnet18": csn_resnet18}
BACKBONES = Registry("backbone", "network.backbone", "modstudy.backbones", _BUILT_IN)


def register_backbone(name: str, factory: BackboneFactory) -> None:
    """Make a backbone known by name in this process.

    Raises:
        ValueError: If the name is taken, or holds a ``:`` and so would be an import path.

    Example:
        >>> def narrow(network: NetworkConfig, image_size: int) -> Backbone:
        ...     return simplenet(network.model_copy(update={"width": 0.125}), image_size)
        >>> register_backbone("narrow", narrow)
        >>> stage_shapes(NetworkConfig(backbone="narrow"), 48)[-1].channels
        32
    """
    BACKBONES.register(name, factory)


def build_backbone(network: NetworkConfig, image_size: int) -> Backbone:
    """Return the backbone on torch's default device with unset parameters; ``Backbone.initialize`` sets them.

    Under ``torch.device("meta")`` nothing is allocated. The global random state is left as it is.

    Raises:
        ValueError: If the backbone is unknown or cannot be imported, or the images are too small for it.
    """
    make: BackboneFactory = imported_backbone if network.imported else BACKBONES.find(network.backbone)
    device = torch.get_default_device()
    # torch's layers draw their start values from the global generator when they are made, except on the meta device.
    with torch.device("meta"):
        backbone = make(network, image_size)
    backbone.weights = network.weights
    if device.type == "meta":
        return backbone  # it is there already, and moving it would load sympy
    return backbone.to_empty(device=device)


@lru_cache(maxsize=64)
def stage_shapes(network: NetworkConfig, image_size: int) -> tuple[StageShape, ...]:
    """Return the stages in order with their output shapes for square images; allocates no weights.

    Raises:
        ValueError: If the backbone is unknown, or the images are too small for it.
    """
    with torch.device("meta"):
        return build_backbone(network, image_size).shapes
