"""Methods that multiply the loss of every task with a weight: one backward pass, like no balancing at all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainables.config.trial import TrialConfig
from trainables.foundation.random_streams import random_stream
from trainables.losses.balancing.balancer import Balancer, Objective, register_balancer
from trainables.networks.multi_task import MultiTaskModel


@register_balancer("equal")
class Equal(Balancer):
    """The mean over the tasks that have a valid triplet."""

    def backward(self, objective: Objective, step: int) -> None:  # noqa: ARG002 - part of the interface
        """Differentiate the mean."""
        torch.autograd.backward(objective.total)


class WeightedLosses(Balancer):
    """The sum of the losses times weights that are constants of the step."""

    @abstractmethod
    def weights(self, objective: Objective, step: int) -> Tensor:
        """Return (T,) weights, for present tasks alone to be looked at."""

    def backward(self, objective: Objective, step: int) -> Tensor:
        """Differentiate the weighted sum."""
        weights = torch.where(objective.present, self.weights(objective, step), 0.0)
        torch.autograd.backward(objective.plus_penalties((weights * objective.triplets.per_task).sum()))
        return weights


@register_balancer("rlw")
class RandomWeights(WeightedLosses):
    """Random loss weighting: softmax over the present tasks of normal draws, new in every step (Lin et al. 2022)."""

    def weights(self, objective: Objective, step: int) -> Tensor:
        """Draw from the stream of the step."""
        draws = torch.randn(self.tasks, generator=random_stream(self.seed, "balancing", str(step)))
        return softmax_over(draws.to(self.device), objective.present)


@register_balancer("dwa")
class DynamicWeightAverage(WeightedLosses):
    """Dynamic weight average (Liu, Johns, Davison 2019, equation 7).

    w_t = softmax_t(r_t / temperature) over the present tasks, r_t the mean loss of the last epoch over that of the one
    before; equal weights in the first two epochs. The published weights sum to T; here to 1, see ``Balancer``. An
    epoch's mean is over the steps in which the task was present; a task that was in none keeps its last one.

    ``torchjd.scalarization.DWA`` gives the same weights, times T, while all tasks are present. It is not used since it
    counts the loss of an absent task as 0, gives that task a weight, and has no ``state_dict`` to resume from.
    """

    def __init__(self, model: MultiTaskModel, config: TrialConfig) -> None:
        super().__init__(model, config)
        self.sums, self.counts = torch.zeros(2, self.tasks, dtype=torch.float64, device=self.device)
        self.means = torch.zeros(0, self.tasks, dtype=torch.float64, device=self.device)

    def weights(self, objective: Objective, step: int) -> Tensor:  # noqa: ARG002 - part of the interface
        """Weigh by the last two epochs, and add the losses to those of the running one."""
        self.sums = self.sums + objective.triplets.per_task.detach()
        self.counts = self.counts + objective.present
        rates = torch.ones(self.tasks, device=self.device)
        if len(self.means) == 2:
            rates = (self.means[1] / self.means[0].clamp_min(1e-12)).float()
        return softmax_over(rates / self.settings.dwa_temperature, objective.present)

    def end_epoch(self) -> None:
        """Close the running means."""
        known = self.means[-1] if len(self.means) else torch.ones_like(self.sums)
        mean = torch.where(self.counts > 0, self.sums / self.counts.clamp_min(1), known)
        self.means = torch.cat([self.means, mean[None]])[-2:]
        self.sums, self.counts = torch.zeros_like(self.sums), torch.zeros_like(self.counts)

    def state_dict(self) -> dict[str, Any]:
        """Return the running sums and the means of the last two epochs."""
        return {"sums": self.sums, "counts": self.counts, "means": self.means}


@register_balancer("uncertainty")
class Uncertainty(Balancer):
    """Weights exp(-s_t) with learned log-variances s_t (Kendall, Gal, Cipolla 2018, equation 10 in log form).

    The loss is the mean over the n present tasks of exp(-s_t) L_t + s_t, with s_t = 0 at the start, where it is the
    equal loss. The trial's optimizer trains s at the trial's learning rate, without decay.
    """

    def __init__(self, model: MultiTaskModel, config: TrialConfig) -> None:
        super().__init__(model, config)
        self.log_variances = nn.Parameter(torch.zeros(self.tasks, device=self.device))

    def backward(self, objective: Objective, step: int) -> Tensor:  # noqa: ARG002 - part of the interface
        """Differentiate the loss, also by the log-variances."""
        present = objective.present
        share = present / present.sum().clamp_min(1)
        self.log_variances.grad = None
        terms = (-self.log_variances).exp() * objective.triplets.per_task + self.log_variances
        torch.autograd.backward(objective.plus_penalties((share * terms).sum()))
        return share * (-self.log_variances.detach()).exp()

    def parameters(self) -> list[nn.Parameter]:
        """Return the log-variances."""
        return [self.log_variances]

    def state_dict(self) -> dict[str, Any]:
        """Return the log-variances; what the optimizer knows of them is in its own state."""
        return {"log_variances": self.log_variances.detach()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the log-variances in place, since the optimizer holds them."""
        with torch.no_grad():
            self.log_variances.copy_(state["log_variances"])


def softmax_over(logits: Tensor, present: Tensor) -> Tensor:
    """Return the softmax (T,) over the present tasks, 0 for the others; all 0 if none is present."""
    weights = logits.masked_fill(~present, -torch.inf).softmax(dim=0)
    return torch.where(present, weights, 0.0)
