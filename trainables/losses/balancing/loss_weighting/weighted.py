"""Base class of methods whose weights are constant within a step: one backward pass through the weighted sum."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from trainables.losses.balancing.balancer import ScalarBalancer, StepLoss


class WeightedLosses(ScalarBalancer):
    """Weighted sum of the losses, with weights that are constant within a step."""

    @abstractmethod
    def weights(self, loss: StepLoss, step: int) -> Tensor:
        """Return the weights (T,); those of absent tasks are ignored."""

    def objective(self, loss: StepLoss, step: int) -> tuple[Tensor, Tensor]:
        """Return the weighted sum and the weights."""
        weights = self.weights(loss, step).masked_fill(~loss.present, 0.0)
        return loss.plus_penalties((weights * loss.triplets.per_task).sum()), weights


def softmax_over(logits: Tensor, present: Tensor) -> Tensor:
    """Return the softmax (T,) over the present tasks, 0 for the others; all 0 if none is present."""
    weights = logits.masked_fill(~present, -torch.inf).softmax(dim=0)
    return weights.masked_fill(~present, 0.0)
