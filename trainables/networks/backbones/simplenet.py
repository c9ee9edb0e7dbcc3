"""The network of the released modulation code: 13 convolutions with residual pairs and one fully connected layer.

Source: github.com/Zhaoxiangyun/Multi-Task-Modulation-Module, ``models/single_net_attention_res4.py``. Convolutions are
3x3 with stride 1 and no bias, each followed by batch norm and ReLU. At 150 x 150 and width 1 it has 2,953,664
trainable parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.config.network import NetworkConfig
from trainables.networks.backbones.backbone import Backbone, StageShape, scaled
from trainables.networks.backbones.batch_norm import BiasBatchNorm

BLOCK_CHANNELS = {"res2": 64, "res3": 128, "res4": 128, "res5": 128}
FIRST_CHANNELS = 32
EMBEDDING_SIZE = 256
MINIMUM_IMAGE_SIZE = 48
"""The smallest size at which res5 still outputs a pixel."""

INITIAL_STD = 0.1
BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.005
"""As released; running statistics need about a thousand steps to approach those of the data."""


class ResidualBlock(nn.Module):
    """Convolution without padding, halving by max pooling, then two padded convolutions added to the pooled tensor."""

    def __init__(self, channels_in: int, channels: int, momentum: float) -> None:
        super().__init__()
        self.reduce = nn.Sequential(_convolution(channels_in, channels, momentum, padding=0), nn.MaxPool2d(2))
        self.refine = nn.Sequential(
            _convolution(channels, channels, momentum, padding=1), _convolution(channels, channels, momentum, padding=1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C', (H - 2) // 2, (W - 2) // 2)``; no ReLU follows the sum."""
        reduced: Tensor = self.reduce(features)
        refined: Tensor = self.refine(reduced)
        return reduced + refined


class SimpleNet(Backbone):
    """Stages ``conv1``, ``res2`` to ``res5`` and ``fc``; the embedding is non-negative (``fc`` ends in a ReLU)."""

    @torch.no_grad()
    def draw_parameters(self, generator: torch.Generator) -> None:
        """Draw all weights from a normal with std 0.1 truncated at two std, regardless of fan-in, as released."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                bound = 2 * INITIAL_STD
                nn.init.trunc_normal_(module.weight, std=INITIAL_STD, a=-bound, b=bound, generator=generator)
            elif isinstance(module, BiasBatchNorm):
                module.start()


def simplenet(network: NetworkConfig, image_size: int) -> SimpleNet:
    """Return the network with unset parameters, for square images of ``image_size`` pixels.

    Raises:
        ValueError: If the images are too small for the five stages.
    """
    if image_size < MINIMUM_IMAGE_SIZE:
        raise ValueError(f"data.image_size must be at least {MINIMUM_IMAGE_SIZE} for simplenet, got {image_size}")
    momentum = network.batch_norm_momentum or BATCH_NORM_MOMENTUM
    channels, side = scaled(FIRST_CHANNELS, network.width), image_size - 2
    stages: dict[str, nn.Module] = {"conv1": _convolution(3, channels, momentum, padding=0)}
    shapes = [StageShape("conv1", channels, side, side)]
    for name, full_channels in BLOCK_CHANNELS.items():
        channels_in, channels, side = channels, scaled(full_channels, network.width), (side - 2) // 2
        stages[name] = ResidualBlock(channels_in, channels, momentum)
        shapes.append(StageShape(name, channels, side, side))
    embedding_size = network.embedding_size or scaled(EMBEDDING_SIZE, network.width)
    stages["fc"] = nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * side * side, embedding_size, bias=False),
        BiasBatchNorm(embedding_size, momentum, BATCH_NORM_EPSILON),
        nn.ReLU(inplace=True),
    )
    shapes.append(StageShape("fc", embedding_size, 1, 1))
    return SimpleNet(nn.ModuleDict(stages), shapes)


def _convolution(channels_in: int, channels: int, momentum: float, *, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, kernel_size=3, padding=padding, bias=False),
        BiasBatchNorm(channels, momentum, BATCH_NORM_EPSILON),
        nn.ReLU(inplace=True),
    )
