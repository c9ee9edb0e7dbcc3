"""Base class of methods that use the gradient of every task: one forward pass and a backward pass per task."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from trainables.losses.balancing.balancer import Balancer, BalancingSetup, StepLoss
from trainables.losses.gradients import gradients_of
from trainables.networks.multi_task import MultiTaskModel


class GradientBalancer(Balancer):
    """Combines the task gradients of the backbone weights; every other parameter receives its plain gradient.

    The backbone parameters (of all networks together) are shared by the tasks; their gradients form the rows (n, P) of
    the present tasks. Modulation parameters belong to their tasks: they receive the gradient of the mean loss, as with
    ``equal``, and are excluded from the combination. Additional memory: n x P numbers.
    """

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup) -> None:
        super().__init__(model, setup)
        shared = [parameter for network in model.members for parameter in network.backbone.parameters()]
        self._shared = [parameter for parameter in shared if parameter.requires_grad]
        known = {id(parameter) for parameter in shared}
        self._own = [each for each in model.parameters() if each.requires_grad and id(each) not in known]

    @abstractmethod
    def combine(self, rows: Tensor, present: list[int], step: int) -> tuple[Tensor, Tensor | None]:
        """Return the combined gradient (P,) of ``rows`` (n, P), and the weights (n,) if the method has any.

        ``present`` lists the indices of the n >= 1 tasks of the rows in ascending order.
        """

    def backward(self, loss: StepLoss, step: int) -> Tensor | None:
        """Differentiate each present task separately and combine the gradients."""
        present: list[int] = torch.nonzero(loss.present).flatten().tolist()
        if not present:
            torch.autograd.backward(loss.total)
            return torch.zeros(self.tasks, device=self.device)
        rows, own = self._rows(loss, present)
        combined, weights = self.combine(rows, present, step)
        self._set(self._shared, combined)
        self._set(self._own, own / len(present))
        if loss.penalties:
            torch.autograd.backward(loss.plus_penalties(torch.zeros((), device=self.device)))
        if weights is None:
            return None
        found = torch.zeros(self.tasks, dtype=weights.dtype, device=self.device)
        found[present] = weights
        return found

    def _rows(self, loss: StepLoss, present: list[int]) -> tuple[Tensor, Tensor]:
        """Return the gradients (n, P) of the shared parameters, and those of the others summed over tasks (Q,)."""
        parameters = [*self._shared, *self._own]
        split = sum(parameter.numel() for parameter in self._shared)
        rows = torch.empty(len(present), split, device=self.device)
        own = torch.zeros(sum(parameter.numel() for parameter in self._own), device=self.device)
        losses = loss.triplets.per_task
        for row, task in enumerate(present):
            more = row + 1 < len(present) or bool(loss.penalties)
            flat = [gradient.reshape(-1) for gradient in gradients_of(losses[task], parameters, retain_graph=more)]
            if self._shared:
                torch.cat(flat[: len(self._shared)], out=rows[row])
            if self._own:
                own += torch.cat(flat[len(self._shared) :])
        return rows, own

    @staticmethod
    def _set(parameters: list[nn.Parameter], flat: Tensor) -> None:
        """Assign each parameter its part of a flat gradient, in the memory layout of the parameter."""
        sizes = [parameter.numel() for parameter in parameters]
        for parameter, part in zip(parameters, torch.split(flat, sizes), strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(part.view(parameter.shape))
