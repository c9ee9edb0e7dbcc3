"""Equal weights: no balancing."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from trainables.losses.balancing.balancer import ScalarBalancer, StepLoss


class Equal(ScalarBalancer):
    """The mean loss over the tasks that have a valid triplet."""

    captures: ClassVar[bool] = True

    def objective(self, loss: StepLoss, step: int) -> tuple[Tensor, None]:  # noqa: ARG002 - part of the interface
        """Return the mean; it has no weights."""
        return loss.total, None
