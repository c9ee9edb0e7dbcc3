"""Batch norm whose only buffers are running statistics, with a bias only or with a scale as well."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.networks.backbones.norm_calls import batch_norm


class BiasBatchNorm(nn.Module):
    """Batch norm that learns only a bias; its scale is fixed at 1 and is not a parameter (TensorFlow-Slim's default).

    Unlike torch's, it keeps no step count, which nothing reads and which is not a floating-point number.
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
        """Normalise ``(N, C, ...)`` over all but the channels: batch statistics in training, running ones otherwise."""
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
        """Set parameters and buffers: scale 1, bias 0, running mean 0, running variance 1."""
        self.bias.zero_()
        self.running_mean.zero_()
        self.running_var.fill_(1)


class BatchNorm(BiasBatchNorm):
    """Batch norm that learns a scale and a bias: gives the numbers of ``torch.nn.BatchNorm2d``."""

    weight: nn.Parameter

    def __init__(self, channels: int, momentum: float, epsilon: float) -> None:
        super().__init__(channels, momentum, epsilon)
        self.weight = nn.Parameter(torch.empty(channels))

    @torch.no_grad()
    def start(self) -> None:
        """Set parameters and buffers like ``BiasBatchNorm.start``, with the scale at 1."""
        super().start()
        self.weight.fill_(1)
