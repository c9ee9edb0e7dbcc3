"""Uncertainty weighting: learned log-variances (Kendall, Gal, Cipolla 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainables.losses.balancing.balancer import BalancingSetup, ScalarBalancer, StepLoss
from trainables.networks.multi_task import MultiTaskModel


class Uncertainty(ScalarBalancer):
    """Weights exp(-s_t) with learned log-variances s_t (Kendall, Gal, Cipolla 2018, equation 10 in log form).

    The loss is the mean over the n present tasks of exp(-s_t) L_t + s_t, with s_t = 0 at the start, where it equals the
    loss of ``equal``. The trial's optimizer trains s with the trial's learning rate, without decay.
    """

    captures: ClassVar[bool] = True

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup) -> None:
        super().__init__(model, setup)
        self.log_variances = nn.Parameter(torch.zeros(self.tasks, device=self.device))

    def objective(self, loss: StepLoss, step: int) -> tuple[Tensor, Tensor]:  # noqa: ARG002 - part of the interface
        """Return the loss, which depends on the log-variances too, and the weights."""
        present = loss.present
        share = present / present.sum().clamp_min(1)
        terms = (-self.log_variances).exp() * loss.triplets.per_task + self.log_variances
        weights = share * (-self.log_variances.detach()).exp()
        return loss.plus_penalties((share * terms).sum()), weights

    def parameters(self) -> list[nn.Parameter]:
        """Return the log-variances."""
        return [self.log_variances]

    def state_dict(self) -> dict[str, Any]:
        """Return the log-variances; their optimizer state belongs to the trial's optimizer."""
        return {"log_variances": self.log_variances.detach()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the log-variances in place, since the optimizer refers to them."""
        with torch.no_grad():
            self.log_variances.copy_(state["log_variances"])
