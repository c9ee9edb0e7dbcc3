"""Networks of a user with norms that have a bias and no scale, as modules and as functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class NormsWithoutScale(nn.Sequential):
    """Batch, instance and group norm, each with a bias alone."""

    def __init__(self) -> None:
        first, second = nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 8, 3, stride=2)
        norms = nn.BatchNorm2d(8), nn.InstanceNorm2d(8, affine=True), nn.GroupNorm(2, 8)
        for norm in norms:
            norm.register_parameter("weight", None)
        super().__init__()
        self.first = nn.Sequential(first, norms[0], nn.ReLU())
        self.second = nn.Sequential(second, norms[1], nn.ReLU(), nn.Conv2d(8, 8, 3), norms[2], nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6))


class FunctionalNorms(nn.Module):
    """The same norms as calls of functions, and a layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 8, 3, stride=2)
        self.biases = nn.ParameterList(torch.zeros(8) for _ in range(4))
        self.register_buffer("running_mean", torch.zeros(8))
        self.register_buffer("running_var", torch.ones(8))

    def forward(self, images: Tensor) -> Tensor:
        moving = self.running_mean, self.running_var
        features = F.batch_norm(self.first(images), *moving, bias=self.biases[0], training=self.training).relu()
        features = F.instance_norm(features, bias=self.biases[1])
        features = F.group_norm(self.second(features), 2, bias=self.biases[2]).relu()
        return F.layer_norm(features.mean((2, 3)), (8,), bias=self.biases[3])
