"""RLW: random loss weighting (Lin, Ye, Zhang, Tsang 2022)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from trainables.foundation.random_streams import random_stream
from trainables.losses.balancing.balancer import StepLoss
from trainables.losses.balancing.loss_weighting.weighted import WeightedLosses, softmax_over


class RandomWeights(WeightedLosses):
    """Random loss weighting (Lin et al. 2022): softmax over the present tasks of normal draws, redrawn every step."""

    captures: ClassVar[bool] = True

    def before_step(self, step: int) -> Tensor:
        """Return the draws (T,) from the random stream of the step."""
        return torch.randn(self.tasks, generator=random_stream(self.seed, "balancing", str(step)))

    def weights(self, loss: StepLoss, step: int) -> Tensor:
        """Return weights from the draws of the step."""
        draws = self.before_step(step).to(self.device) if loss.numbers is None else loss.numbers
        return softmax_over(draws, loss.present)
