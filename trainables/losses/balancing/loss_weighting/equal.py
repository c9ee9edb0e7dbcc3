"""Equal weights: no balancing."""

from __future__ import annotations

from typing import ClassVar

import torch

from trainables.losses.balancing.balancer import Balancer, StepLoss


class Equal(Balancer):
    """The mean loss over the tasks that have a valid triplet."""

    captures: ClassVar[bool] = True

    def backward(self, loss: StepLoss, step: int) -> None:  # noqa: ARG002 - part of the interface
        """Differentiate the mean."""
        torch.autograd.backward(loss.total)
