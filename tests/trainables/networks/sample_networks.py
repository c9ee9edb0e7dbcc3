"""Networks as users bring them: from transformers with small configurations, and small ones of every shape of flow."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything here is made from a configuration

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

NOT_CALLABLE = 3


def resnet(depth: int = 1) -> nn.Module:
    from transformers import ResNetConfig, ResNetModel

    return ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 12, 16], depths=[depth] * 3, layer_type="basic"))


def convnext() -> nn.Module:
    from transformers import ConvNextConfig, ConvNextModel

    return ConvNextModel(ConvNextConfig(num_stages=3, hidden_sizes=[8, 12, 16], depths=[1, 1, 1]))


def mobilenet() -> nn.Module:
    from transformers import MobileNetV2Config, MobileNetV2Model

    return MobileNetV2Model(MobileNetV2Config(depth_multiplier=0.1, min_depth=4, depth_divisible_by=4))


def regnet() -> nn.Module:
    from transformers import RegNetConfig, RegNetModel

    return RegNetModel(RegNetConfig(embedding_size=8, hidden_sizes=[8, 12, 16], depths=[1, 1, 1], groups_width=4))


class Sample(nn.Module):
    """Three convolutions and a linear layer; what lies between differs from sample to sample."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.b = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.c = nn.Conv2d(4, 6, 3, stride=2)
        self.head = nn.Linear(6, 5)
        self.spare = nn.Linear(2, 2)


class Chain(Sample):
    """Nothing but modules, one after the other, with a flag given to one of them; the result is a map."""

    def forward(self, images: Tensor) -> Tensor:
        return self.c(self.b(input=self.a(images)))


class Vector(Sample):
    """The chain ends in a vector that comes from a module."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.c(self.b(self.a(images)))))


class Flattened(Sample):
    """The chain ends in a flattened map of several positions."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        return torch.flatten(self.pool(self.c(self.b(self.a(images)))), start_dim=1)


class Functional(Sample):
    """A function between two modules."""

    def forward(self, images: Tensor) -> Tensor:
        return self.c(F.relu(self.b(self.a(images))))


class FunctionalInPlace(Sample):
    """A function that changes a module's output in place, so that it is the same object."""

    def forward(self, images: Tensor) -> Tensor:
        return self.c(F.relu(self.b(self.a(images)), inplace=True))


class Skip(Sample):
    """An addition that passes ``b`` by."""

    def forward(self, images: Tensor) -> Tensor:
        kept = self.a(images)
        return self.c(self.b(kept) + kept)


class SkipInPlace(Sample):
    """The same in place."""

    def forward(self, images: Tensor) -> Tensor:
        kept = self.a(images)
        features = self.b(kept)
        features += kept
        return self.c(features)


class SkipToTheEnd(Sample):
    """The result is made of the chain's end and of something earlier."""

    def forward(self, images: Tensor) -> Tensor:
        kept = self.a(images)
        return torch.cat([self.c(self.b(kept)).mean((2, 3)), kept.mean((2, 3))], dim=1)


class InTraining(Sample):
    """Something happens in training alone."""

    def forward(self, images: Tensor) -> Tensor:
        features = self.b(self.a(images))
        return self.c(features * 2 if self.training else features)


class Dropping(Sample):
    """Random numbers in training, from torch's global stream."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        return self.c(self.drop(self.b(self.a(images))))


class ChangesImages(Chain):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.sub_(0.5))


class Remembering(Sample):
    """A module reads what another one has kept, though the modules are a chain."""

    class Keep(nn.Module):
        kept: list[Tensor]

        def forward(self, features: Tensor) -> Tensor:
            self.kept = [features]
            return features

    class Add(nn.Module):
        def __init__(self, keep: Remembering.Keep) -> None:
            super().__init__()
            self.keep = [keep]

        def forward(self, features: Tensor) -> Tensor:
            return features + self.keep[0].kept[0]

    def __init__(self) -> None:
        super().__init__()
        self.keep = self.Keep()
        self.add = self.Add(self.keep)

    def forward(self, images: Tensor) -> Tensor:
        return self.c(self.add(self.b(self.keep(self.a(images)))))


class Twice(Sample):
    """``b`` runs twice."""

    def forward(self, images: Tensor) -> Tensor:
        return self.c(self.b(self.b(self.a(images))))


class Pairs(Sample):
    """``split`` gives two tensors, and so does the network."""

    class Split(nn.Module):
        def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
            return features, features

    def __init__(self) -> None:
        super().__init__()
        self.split = self.Split()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.split(self.a(images))


class Tokens(Sample):
    """The result has three dimensions."""

    def forward(self, images: Tensor) -> Tensor:
        return self.a(images).flatten(2)


class Buffers(Chain):
    """Buffers of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.rand(3))
        self.register_buffer("passing", torch.arange(4.0), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images * self.kept[:, None, None] + self.passing.sum())


class PlainTensor(Chain):
    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.zeros(3)


class Tied(Chain):
    def __init__(self) -> None:
        super().__init__()
        self.spare.weight = self.head.weight


class NoMeta(Chain):
    def __init__(self) -> None:
        super().__init__()
        self.rates = [float(rate) for rate in torch.linspace(0, 0.1, 3)]


def no_network() -> str:
    return "network"


_MADE: list[int] = []


def another_every_time() -> nn.Module:
    _MADE.append(1)
    return nn.Sequential(nn.Conv2d(3, len(_MADE), 3))
