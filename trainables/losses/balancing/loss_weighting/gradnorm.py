"""GradNorm: weights that equalize the gradient magnitudes of the tasks (Chen et al. 2018, algorithm 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables.config.registries import OwnValues
from trainables.config.trial import TrialConfig
from trainables.losses.balancing.balancer import BalancingSetup, StepLoss
from trainables.losses.balancing.loss_weighting.shared_layers import last_weight_for_all, weights_for_all
from trainables.losses.balancing.loss_weighting.task_weights import TaskWeightOptimizer
from trainables.losses.balancing.loss_weighting.weighted import WeightedLosses
from trainables.losses.gradients import gradients_of
from trainables.networks.multi_task import MultiTaskModel, assemble_model

EPSILON = 1e-12
"""Lower bound of denominators."""


class GradNorm(WeightedLosses):
    """Weights w_t / n, where w starts at 1 and sums to the number of tasks T.

    W is the last layer that all tasks train (``shared_layers``), G_t = w_t |grad_W L_t|, r_t is the relative inverse
    training rate L_t / L_t(0) divided by its mean, and L_t(0) is the loss in the first step in which the task was
    present. The target of G_t is mean(G) r_t^alpha, treated as a constant; Adam updates w with the gradient of
    sum |G_t - target_t|, which is sign(G_t - target_t) |grad_W L_t|. Then w is clamped at 0 and rescaled to sum to T.
    Means are over the present tasks, and the gradient of an absent task is 0. Each step uses the weights from before
    its update, as in the algorithm.
    """

    captures: ClassVar[bool] = True
    own_values: ClassVar[OwnValues] = {"gradnorm_alpha": {"low": 0.1, "high": 3.0, "log": True}}

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup) -> None:
        super().__init__(model, setup)
        self._layer = last_weight_for_all(model, setup.image_size)
        self._weights = torch.ones(self.tasks, device=self.device)
        self._first = torch.full((self.tasks,), torch.nan, device=self.device)
        self._optimizer = TaskWeightOptimizer(self._weights, self.settings.gradnorm_learning_rate)

    @classmethod
    def check(cls, config: TrialConfig) -> None:
        """Raise ValueError if the tasks share no trained layer."""
        weights_for_all(assemble_model(config))

    def weights(self, loss: StepLoss, step: int) -> Tensor:  # noqa: ARG002 - part of the interface
        """Return the weights of this step and update those of the next."""
        present = loss.present
        used = self._weights / present.sum().clamp_min(1)
        losses = loss.triplets.per_task.detach()
        self._first.copy_(torch.where(self._first.isnan() & present, losses, self._first))
        self._learn(self._norms(loss), losses, present)
        return used

    def _learn(self, norms: Tensor, losses: Tensor, present: Tensor) -> None:
        """Update the weights, unless no task is present."""
        before, count = self._weights.clone(), present.sum()
        rates = (losses / self._first.clamp_min(EPSILON)).masked_fill(~present, 0.0)
        relative = rates * count / rates.sum().clamp_min(EPSILON)
        weighted = self._weights * norms
        target = weighted.sum() / count * relative**self.settings.gradnorm_alpha
        gradient = ((weighted - target).sign() * norms).masked_fill(~present, 0.0)
        self._optimizer.step(gradient, present.any())
        self._weights.clamp_(min=0)
        self._weights *= self.tasks / self._weights.sum().clamp_min(EPSILON)
        self._weights.copy_(torch.where(present.any(), self._weights, before))

    def _norms(self, loss: StepLoss) -> Tensor:
        """Return the gradient norms (T,) of the shared layer, 0 for absent tasks."""
        by_task = [gradients_of(each, [self._layer], retain_graph=True)[0] for each in loss.triplets.per_task]
        return torch.stack([gradient.norm() for gradient in by_task]).masked_fill(~loss.present, 0.0)

    def state_dict(self) -> dict[str, Any]:
        """Return the weights, the first losses, and the state of the weights' optimizer."""
        return {"weights": self._weights, "first": self._first, "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the weights in place, since their optimizer refers to them."""
        self._weights.copy_(state["weights"])
        self._first.copy_(state["first"])
        self._optimizer.load_state_dict(state["optimizer"])
