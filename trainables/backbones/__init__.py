"""Backbones by name. A new one is a module beside ``simplenet.py`` and one entry in ``BACKBONES``."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch

from trainables.backbones.backbone import Backbone, StageShape
from trainables.backbones.simplenet import simplenet
from trainables.config import NetworkConfig
from trainables.names import look_up

__all__ = ["BACKBONES", "Backbone", "StageShape", "build_backbone", "stage_shapes"]

BACKBONES: dict[str, Callable[[NetworkConfig, int], Backbone]] = {"simplenet": simplenet}
"""Name -> function of the network's settings and the image size (pixels) that returns a backbone."""


def build_backbone(network: NetworkConfig, image_size: int) -> Backbone:
    """Return the backbone on torch's default device with unset parameters; ``Backbone.initialize`` sets them.

    Under ``torch.device("meta")`` nothing is allocated. The global random state is left as it is.

    Raises:
        ValueError: If the backbone is unknown, or the images are too small for it.
    """
    make = look_up("network.backbone", network.backbone, BACKBONES)
    device = torch.get_default_device()
    # torch's layers draw their start values from the global generator when they are made, except on the meta device.
    with torch.device("meta"):
        backbone = make(network, image_size)
    return backbone.to_empty(device=device)


@lru_cache(maxsize=64)
def stage_shapes(network: NetworkConfig, image_size: int) -> tuple[StageShape, ...]:
    """Return the stages in order with their output shapes for square images; allocates no weights.

    Raises:
        ValueError: If the backbone is unknown, or the images are too small for it.
    """
    with torch.device("meta"):
        return build_backbone(network, image_size).shapes
