"""Networks that draw random numbers wherever people draw them from: torch, numpy, Python; some in evaluation, too."""

from __future__ import annotations

import random

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class Drawing(nn.Module):
    """Dropout in training, or everywhere (``F.dropout`` is on unless told otherwise), and noise from other streams."""

    def __init__(self, always: bool) -> None:
        super().__init__()
        self.always = always
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(), nn.Dropout2d(0.2))
        self.head = nn.Linear(8, 6)
        self.jitter = random.random() + np.random.random()  # noqa: NPY002, S311 - as people do

    def forward(self, images: Tensor) -> Tensor:
        features = self.second(self.first(images)).mean(dim=(2, 3))
        if self.always or self.training:
            factor = 1 + 0.1 * random.random() + 0.1 * np.random.random() + 0.1 * torch.rand_like(features)  # noqa: NPY002, S311
            features = F.dropout(features * factor, 0.3)
        return self.head(features)


class PartlyUnused(nn.Module):
    """A layer that never runs, one without a say in the embedding, a frozen one; the last defined is not the last."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 6)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.frozen = nn.Conv2d(8, 8, 1).requires_grad_(requires_grad=False)
        self.spare = nn.Linear(8, 8)
        self.auxiliary = nn.Linear(6, 3)
        self.last_loss: None = None

    def forward(self, images: Tensor) -> Tensor:
        embedded = self.head(self.frozen(self.body(images)).mean(dim=(2, 3)))
        self.auxiliary(embedded)
        return embedded


def drawing() -> nn.Module:
    return Drawing(always=False)


def drawing_always() -> nn.Module:
    return Drawing(always=True)


def partly_unused() -> nn.Module:
    return PartlyUnused()


def all_frozen() -> nn.Module:
    return PartlyUnused().requires_grad_(requires_grad=False)
