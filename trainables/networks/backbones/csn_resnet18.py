"""The network of Conditional Similarity Networks: ResNet-18 without its last group of blocks, and a linear embedding.

Source: A. Veit, S. Belongie, T. Karaletsos, *Conditional Similarity Networks*, CVPR 2017, arXiv 1603.07810;
github.com/andreasveit/conditional-similarity-networks, ``Resnet_18.py``; K. He, X. Zhang, S. Ren, J. Sun, *Deep
Residual Learning for Image Recognition*, CVPR 2016, arXiv 1512.03385. At width 1 it has 2,782,784 parameters before the
embedding and 16,448 in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812 - the conventional name
from torch import Tensor, nn

from trainables.config.network import NetworkConfig
from trainables.networks.backbones.backbone import Backbone, StageShape, scaled
from trainables.networks.backbones.batch_norm import BatchNorm
from trainables.networks.backbones.resnet18_names import resnet18_tensors

STEM_CHANNELS = 64
LAYER_CHANNELS = {"layer1": 64, "layer2": 128, "layer3": 256}
BLOCKS_PER_LAYER = 2
EMBEDDING_SIZE = 64
MINIMUM_IMAGE_SIZE = 32
"""The smallest size at which layer3 outputs 2 x 2 pixels; below it, nothing is left to average."""

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.1


class Stem(nn.Module):
    """A 7 x 7 convolution with stride 2, batch norm, ReLU, and 3 x 3 max pooling with stride 2."""

    def __init__(self, channels: int, momentum: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = BatchNorm(channels, momentum, BATCH_NORM_EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, C, H / 4, W / 4)``, rounded up twice."""
        return F.max_pool2d(F.relu(self.bn1(self.conv1(images))), kernel_size=3, stride=2, padding=1)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm, added to the input (projected if the shape changes), then ReLU."""

    def __init__(self, channels_in: int, channels: int, stride: int, momentum: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = BatchNorm(channels, momentum, BATCH_NORM_EPSILON)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = BatchNorm(channels, momentum, BATCH_NORM_EPSILON)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, kernel_size=1, stride=stride, bias=False),
                BatchNorm(channels, momentum, BATCH_NORM_EPSILON),
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C', H / stride, W / stride)``, rounded up."""
        changed: Tensor = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(features)))))
        kept: Tensor = features if self.downsample is None else self.downsample(features)
        return F.relu(changed + kept)


class Embedding(nn.Module):
    """The mean over all positions, then a linear layer with bias. No ReLU, no normalisation."""

    def __init__(self, channels: int, embedding_size: int) -> None:
        super().__init__()
        self.embeddingnet = nn.Linear(channels, embedding_size)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, D)``."""
        embedded: Tensor = self.embeddingnet(features.mean(dim=(2, 3)))
        return embedded


class CsnResNet18(Backbone):
    """Stages ``stem``, ``layer1`` to ``layer3`` and ``embedding``. A file of initial weights has a whole ResNet-18."""

    UNSAVED = ("stages.embedding.",)

    def tensors_from_file(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a ResNet-18 of torchvision or transformers without its last blocks and classifier."""
        return resnet18_tensors(tensors)

    @torch.no_grad()
    def draw_parameters(self, generator: torch.Generator) -> None:
        """Draw convolutions from N(0, 2 / (outputs x kernel area)) and the linear layer with torch's default.

        ``Resnet_18.py`` does the same: ``m.weight.data.normal_(0, math.sqrt(2. / n))`` for convolutions, nothing for
        the linear layer, whose default is uniform within 1 / sqrt(inputs) for weight and bias.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                outputs_per_position = module.out_channels * math.prod(module.kernel_size)
                module.weight.normal_(0, math.sqrt(2 / outputs_per_position), generator=generator)
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.uniform_(-bound, bound, generator=generator)
            elif isinstance(module, BatchNorm):
                module.start()


def csn_resnet18(network: NetworkConfig, image_size: int) -> CsnResNet18:
    """Return the network with unset parameters, for square images of ``image_size`` pixels.

    ``network.width`` scales the feature maps, not the embedding, whose size is ``network.embedding_size``, by default
    64.

    Raises:
        ValueError: If the images are too small.
    """
    if image_size < MINIMUM_IMAGE_SIZE:
        raise ValueError(f"data.image_size must be at least {MINIMUM_IMAGE_SIZE} for csn_resnet18, got {image_size}")
    momentum = network.batch_norm_momentum or BATCH_NORM_MOMENTUM
    channels, side = scaled(STEM_CHANNELS, network.width), _halved(_halved(image_size))
    stages: dict[str, nn.Module] = {"stem": Stem(channels, momentum)}
    shapes = [StageShape("stem", channels, side, side)]
    for name, full_channels in LAYER_CHANNELS.items():
        channels_in, channels = channels, scaled(full_channels, network.width)
        stride = 1 if name == "layer1" else 2
        side = side if stride == 1 else _halved(side)
        blocks = [BasicBlock(channels_in, channels, stride, momentum)]
        blocks += [BasicBlock(channels, channels, 1, momentum) for _ in range(BLOCKS_PER_LAYER - 1)]
        stages[name] = nn.Sequential(*blocks)
        shapes.append(StageShape(name, channels, side, side))
    embedding_size = network.embedding_size or EMBEDDING_SIZE
    stages["embedding"] = Embedding(channels, embedding_size)
    shapes.append(StageShape("embedding", embedding_size, 1, 1))
    return CsnResNet18(nn.ModuleDict(stages), shapes)


def _halved(side: int) -> int:
    """Return the side of a map after a padded convolution or pooling with stride 2."""
    return (side + 1) // 2
