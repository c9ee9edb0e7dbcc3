"""RLW: random loss weighting (Lin, Ye, Zhang, Tsang 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.foundation.random_streams import random_stream
from trainables.losses.balancing.balancer import StepLoss
from trainables.losses.balancing.loss_weighting.weighted import WeightedLosses, softmax_over


class RandomWeights(WeightedLosses):
    """Random loss weighting (Lin et al. 2022): softmax over the present tasks of normal draws, redrawn every step."""

    def weights(self, loss: StepLoss, step: int) -> Tensor:
        """Return weights drawn from the random stream of the step."""
        draws = torch.randn(self.tasks, generator=random_stream(self.seed, "balancing", str(step)))
        return softmax_over(draws.to(self.device), loss.present)
