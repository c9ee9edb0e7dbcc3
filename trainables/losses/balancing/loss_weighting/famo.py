"""FAMO: weights learned from the decrease of each loss in the last step (Liu, Feng, Stone, Liu 2023, algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables.losses.balancing.balancer import BalancingSetup, StepLoss
from trainables.losses.balancing.loss_weighting.task_weights import TaskWeightOptimizer
from trainables.losses.balancing.loss_weighting.weighted import WeightedLosses, softmax_over
from trainables.networks.multi_task import MultiTaskModel

EPSILON = 1e-8
"""Added to a loss before its logarithm, as in the released code (github.com/Cranial-XIX/FAMO)."""


class Famo(WeightedLosses):
    """Task weights c z_t / (L_t + eps) over the present tasks, with z = softmax(w) and c such that they sum to 1.

    The resulting step is the gradient of c sum(z_t log(L_t + eps)). After the step, the losses L' of the same batch are
    computed again, in training mode and without updating the running statistics, and Adam (rate 0.025, L2 decay 0.001)
    updates w with the gradient of sum(z_t (log L_t - log L'_t)): w_t decreases if the loss of task t fell more than
    others. w starts at 0, and absent tasks contribute a gradient of 0.

    ``torchjd.scalarization.FAMO`` yields the same weights while all tasks are present. It is not used because it
    divides by the loss of an absent task, 0, so that this task takes the entire step, and because its ``state_dict``
    lacks Adam's moments, so that a resumed trial would differ.
    """

    captures: ClassVar[bool] = True

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup) -> None:
        super().__init__(model, setup)
        self._logits = torch.zeros(self.tasks, device=self.device, requires_grad=True)
        self._optimizer = TaskWeightOptimizer(
            self._logits, self.settings.famo_learning_rate, self.settings.famo_weight_decay
        )

    def weights(self, loss: StepLoss, step: int) -> Tensor:  # noqa: ARG002 - part of the interface
        """Return the weights from logits and losses."""
        shares = softmax_over(self._logits.detach(), loss.present)
        raw = shares / (loss.triplets.per_task.detach() + EPSILON)
        return raw / raw.sum().clamp_min(torch.finfo(raw.dtype).tiny)

    def after_step(self, loss: StepLoss, losses_again: Callable[[], Tensor]) -> None:
        """Update the logits from the change of each loss in the step."""
        before, after = loss.triplets.per_task.detach(), losses_again()
        fallen = ((before + EPSILON).log() - (after + EPSILON).log()).masked_fill(~loss.present, 0.0)
        shares = self._logits.masked_fill(~loss.present, -torch.inf).softmax(dim=0)
        (gradient,) = torch.autograd.grad(shares, self._logits, fallen)
        self._optimizer.step(gradient, loss.present.any())

    def state_dict(self) -> dict[str, Any]:
        """Return the logits and the state of their optimizer."""
        return {"logits": self._logits.detach(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the logits in place, since their optimizer refers to them."""
        with torch.no_grad():
            self._logits.copy_(state["logits"])
        self._optimizer.load_state_dict(state["optimizer"])
