"""RLW: random loss weighting (Lin, Ye, Zhang, Tsang 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.foundation.random_streams import random_stream
from trainables.losses.balancing.balancer import StepLoss
from trainables.losses.balancing.loss_weighting.weighted import WeightedLosses, softmax_over


class RandomWeights(WeightedLosses):
    """Random loss weighting: softmax over the present tasks of normal draws, new in every step (Lin et al. 2022)."""

    def weights(self, loss: StepLoss, step: int) -> Tensor:
        """Draw from the stream of the step."""
        draws = torch.randn(self.tasks, generator=random_stream(self.seed, "balancing", str(step)))
        return softmax_over(draws.to(self.device), loss.present)
