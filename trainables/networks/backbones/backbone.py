"""What every backbone is: stages that run in order, each with a known output shape."""

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
"""Gets a stage's name and output, ``(B, C, H, W)`` or ``(B, C)``; what it returns takes the output's place."""


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

    Attributes:
        stages: What runs, by name and in order; empty where ``staged`` is False. A ``ModuleDict`` owns its stages; a
            plain dictionary shows modules that the backbone holds elsewhere.
        shapes: The output of every stage.
        staged: Whether stages can be run on their own. Where they cannot, ``run`` is the only way through.
        weights: The file ``initialize`` takes start values from, if any.
    """

    UNSAVED: ClassVar[tuple[str, ...]] = ()
    """Beginnings of names of tensors that a file of start weights does not hold."""

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
        """Map images ``(B, 3, H, W)`` to embeddings ``(B, D)``, with ``at_point`` applied to every stage's output."""
        features = images
        for name, stage in self.stages.items():
            features = at_point(name, stage(features))
        return features

    def initialize(self, generator: torch.Generator) -> None:
        """Set every parameter and buffer: drawn from ``generator`` alone, then from the file of start weights, if any.

        Raises:
            ValueError: If the file does not fit; names the file, the tensor and the shapes.
        """
        self.draw_parameters(generator)
        if self.weights is not None:
            load_pretrained(self, self.weights, self.tensors_from_file, self.UNSAVED)

    @abstractmethod
    def draw_parameters(self, generator: torch.Generator) -> None:
        """Set every parameter and buffer, drawing from ``generator`` alone."""

    def tensors_from_file(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a file of start weights under this backbone's names; by default they are the same."""
        return dict(tensors)

    def layers(self, stage: str) -> dict[str, nn.Module]:
        """Return the modules of a stage with parameters or buffers of their own, by name, in the order they run."""
        return {
            f"stages.{stage}.{name}" if name else f"stages.{stage}": module
            for name, module in self.stages[stage].named_modules()
            if is_layer(module)
        }

    def stage_parameters(self, stage: str) -> list[nn.Parameter]:
        """Return the parameters of a stage; every parameter belongs to one stage."""
        return list(self.stages[stage].parameters())

    def stage_buffers(self, stage: str) -> list[Tensor]:
        """Return the buffers of a stage that are saved; each belongs to one stage."""
        return list(self.stages[stage].buffers())


def is_layer(module: nn.Module) -> bool:
    """Return whether a module holds parameters or buffers of its own, not only through modules inside it."""
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return len(own) > 0


def scaled(channels: int, width: float) -> int:
    """Return ``channels`` times the width multiplier, rounded, at least 1."""
    return max(1, round(channels * width))


def _unchanged(_: str, features: Tensor) -> Tensor:
    return features
