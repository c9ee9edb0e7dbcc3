"""The layers around the output of a stage: those that read it, and the one that makes it.

Known for the networks of this package alone: what a network of somebody else does with a stage's output can only be
seen by running it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from trainables.networks.backbones import Backbone
from trainables.networks.backbones.csn_resnet18 import BasicBlock, CsnResNet18, Embedding, Stem
from trainables.networks.backbones.simplenet import ResidualBlock, SimpleNet
from trainables.packs.folding.errors import NotFoldableError


@dataclass(frozen=True)
class Around:
    """What is around the output of a stage.

    Attributes:
        readers: The convolutions and linear layers that read it, if nothing else does; else empty.
        maker: The norm or linear layer that makes it, if every channel depends on the same channel of it; else None.
        clipped: Whether a ReLU follows the maker, so that only factors that are not negative pass it.
    """

    readers: tuple[nn.Module, ...] = ()
    maker: nn.Module | None = None
    clipped: bool = True


def around(backbone: Backbone, stage: str) -> Around:
    """Return the layers around a stage's output.

    Raises:
        NotFoldableError: The network is not one of this package.
    """
    if not isinstance(backbone, SimpleNet | CsnResNet18):
        raise NotFoldableError("what an imported network does with the output is not known")
    stages = dict(backbone.stages.items())
    names = list(stages)
    place = names.index(stage)
    following = stages[names[place + 1]] if place + 1 < len(names) else None
    maker, clipped = _maker(stages[stage])
    return Around(_readers(following), maker, clipped)


def _readers(stage: nn.Module | None) -> tuple[nn.Module, ...]:
    if isinstance(stage, ResidualBlock):
        return _all_in(stage.reduce)[:1]
    if isinstance(stage, Embedding):
        return (stage.embeddingnet,)
    layers = _all_in(stage) if isinstance(stage, nn.Sequential) else ()
    if layers and isinstance(layers[0], BasicBlock):
        block = layers[0]
        return () if block.downsample is None else (block.conv1, block.downsample[0])
    return tuple(layer for layer in layers if isinstance(layer, nn.Linear))  # fc of simplenet: flatten, linear, ...


def _maker(stage: nn.Module) -> tuple[nn.Module | None, bool]:
    if isinstance(stage, Stem):
        return stage.bn1, True
    if isinstance(stage, Embedding):
        return stage.embeddingnet, False
    layers = _all_in(stage) if isinstance(stage, nn.Sequential) else ()
    if layers and isinstance(layers[-1], nn.ReLU):
        return layers[-2], True
    return None, True  # the sum of two paths


def _all_in(module: nn.Module) -> tuple[nn.Module, ...]:
    """Return the layers of nested sequences in order."""
    if not isinstance(module, nn.Sequential):
        return (module,)
    return tuple(layer for child in module for layer in _all_in(child))
