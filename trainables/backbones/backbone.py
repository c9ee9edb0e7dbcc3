"""What every backbone is: stages that run in order, each with a known output shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class StageShape:
    """The output of one stage for one image. A stage that ends in a vector has height and width 1."""

    name: str
    channels: int
    height: int
    width: int


class Backbone(nn.Module, ABC):
    """Named stages in order. It knows nothing of tasks.

    Every stage maps ``(B, C, H, W)`` to ``(B, C', H', W')`` or, once spatial size is gone, to ``(B, C')``; the last one
    gives the embedding ``(B, D)``. The parameters are unset until ``initialize`` is called.
    """

    def __init__(self, stages: Mapping[str, nn.Module], shapes: Sequence[StageShape]) -> None:
        super().__init__()
        self.stages = nn.ModuleDict(stages)
        self.shapes = tuple(shapes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(B, 3, H, W)`` to embeddings ``(B, D)``, not normalised."""
        features = images
        for stage in self.stages.values():
            features = stage(features)
        return features

    def layers(self, stage: str) -> dict[str, nn.Module]:
        """Return the modules of a stage that hold parameters or buffers of their own, by name, in order."""
        return {
            name: module
            for name, module in self.stages[stage].named_modules()
            if next(module.parameters(recurse=False), None) is not None
            or next(module.buffers(recurse=False), None) is not None
        }

    @abstractmethod
    def initialize(self, generator: torch.Generator) -> None:
        """Set every parameter and buffer, drawing from ``generator`` alone."""
