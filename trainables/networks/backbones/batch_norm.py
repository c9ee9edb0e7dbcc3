"""Batch norm whose every buffer is a running statistic, with a bias alone or with a scale as well."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.networks.backbones.norm_calls import batch_norm


class BiasBatchNorm(nn.Module):
    """Batch norm that learns a bias only; its scale stays 1 and is no parameter (the default of TensorFlow-Slim).

    Unlike torch's it keeps no count of the steps, which nothing reads and which is no floating-point number.
    """

    weight: nn.Parameter | None
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, momentum: float, epsilon: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.epsilon = epsilon
        self.register_parameter("weight", None)
        self.bias = nn.Parameter(torch.empty(channels))
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise ``(N, C, ...)`` over all but the channels: batch statistics in training, running ones after it."""
        return batch_norm(
            features,
            self.running_mean,
            self.running_var,
            weight=self.weight,
            bias=self.bias,
            training=self.training,
            momentum=self.momentum,
            eps=self.epsilon,
        )

    @torch.no_grad()
    def start(self) -> None:
        """Set what it learns and keeps: scale 1, bias 0, running mean 0, running variance 1."""
        self.bias.zero_()
        self.running_mean.zero_()
        self.running_var.fill_(1)


class BatchNorm(BiasBatchNorm):
    """Batch norm that learns a scale and a bias: the numbers of ``torch.nn.BatchNorm2d``."""

    weight: nn.Parameter

    def __init__(self, channels: int, momentum: float, epsilon: float) -> None:
        super().__init__(channels, momentum, epsilon)
        self.weight = nn.Parameter(torch.empty(channels))

    @torch.no_grad()
    def start(self) -> None:
        """As ``BiasBatchNorm.start``, with the scale at 1."""
        super().start()
        self.weight.fill_(1)
