"""The base class of backbones: stages that run in order, each with a known output shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.config.network import WeightsConfig
from trainables.networks.backbones.pretrained import load_pretrained

AtPoint = Callable[[str, Tensor], Tensor]
"""Receives a stage's name and output, ``(B, C, H, W)`` or ``(B, C)``; its result replaces the output."""


@dataclass(frozen=True)
class StageShape:
    """The output of one stage for one image. A stage that ends in a vector has height and width 1."""

    name: str
    channels: int
    height: int
    width: int


class Backbone(nn.Module, ABC):
    """Named stages in order, independent of tasks.

    Each stage maps ``(B, C, H, W)`` to ``(B, C', H', W')`` or, without spatial extent, to ``(B, C')``; the last one
    outputs the embedding ``(B, D)``. The parameters are unset until ``initialize`` is called.

    Attributes:
        stages: The stages by name, in order; empty if ``staged`` is False. A ``ModuleDict`` owns its stages; a plain
            dictionary refers to modules that the backbone holds elsewhere.
        shapes: The output shape of each stage.
        staged: Whether stages can run separately. If not, only ``run`` runs the network.
        weights: The file of initial weights for ``initialize``, if any.
    """

    UNSAVED: ClassVar[tuple[str, ...]] = ()
    """Name prefixes of tensors that a file of initial weights need not contain."""

    stages: nn.ModuleDict | dict[str, nn.Module]
    staged: bool = True
    weights: WeightsConfig | None = None

    def __init__(self, stages: nn.ModuleDict | dict[str, nn.Module], shapes: Sequence[StageShape]) -> None:
        super().__init__()
        self.stages = stages
        self.shapes = tuple(shapes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(B, 3, H, W)`` to embeddings ``(B, D)``, not normalised."""
        return self.run(images, _unchanged)

    def run(self, images: Tensor, at_point: AtPoint) -> Tensor:
        """Map images ``(B, 3, H, W)`` to embeddings ``(B, D)``, with ``at_point`` applied to each stage's output."""
        features = images
        for name, stage in self.stages.items():
            features = at_point(name, stage(features))
        return features

    def initialize(self, generator: torch.Generator) -> None:
        """Set all parameters and buffers: draw them from ``generator``, then load the file of initial weights, if any.

        Raises:
            ValueError: If the file does not fit; the message gives the file, the tensor and the shapes.
        """
        self.draw_parameters(generator)
        if self.weights is not None:
            load_pretrained(self, self.weights, self.tensors_from_file, self.UNSAVED)

    @abstractmethod
    def draw_parameters(self, generator: torch.Generator) -> None:
        """Set all parameters and buffers, drawing only from ``generator``."""

    def tensors_from_file(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a file of initial weights under this backbone's names; by default they are the same."""
        return dict(tensors)

    def layers(self, stage: str) -> dict[str, nn.Module]:
        """Return the modules of a stage that have their own parameters or buffers, by name, in execution order."""
        return {
            f"stages.{stage}.{name}" if name else f"stages.{stage}": module
            for name, module in self.stages[stage].named_modules()
            if is_layer(module)
        }

    def stage_parameters(self, stage: str) -> list[nn.Parameter]:
        """Return the parameters of a stage; each belongs to one stage."""
        return list(self.stages[stage].parameters())

    def stage_buffers(self, stage: str) -> list[Tensor]:
        """Return the buffers of a stage that are saved; each belongs to one stage."""
        return list(self.stages[stage].buffers())


def is_layer(module: nn.Module) -> bool:
    """Return whether a module has its own parameters or buffers, not only those of its submodules."""
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return len(own) > 0


def scaled(channels: int, width: float) -> int:
    """Return ``channels`` times the width multiplier, rounded, at least 1."""
    return max(1, round(channels * width))


def _unchanged(_: str, features: Tensor) -> Tensor:
    return features
