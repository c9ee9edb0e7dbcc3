"""DWA: dynamic weight average (Liu, Johns, Davison 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables.losses.balancing.balancer import BalancingSetup, StepLoss
from trainables.losses.balancing.loss_weighting.weighted import WeightedLosses, softmax_over
from trainables.networks.multi_task import MultiTaskModel


def widest_float(device: torch.device) -> torch.dtype:
    """Return the most precise floating-point type of a device: float64, which Apple's mps lacks."""
    return torch.float32 if device.type == "mps" else torch.float64


class DynamicWeightAverage(WeightedLosses):
    """Dynamic weight average (Liu, Johns, Davison 2019, equation 7).

    w_t = softmax_t(r_t / temperature) over the present tasks, where r_t is the mean loss of the last epoch divided by
    that of the epoch before; weights are equal in the first two epochs. The published weights sum to T; here they sum
    to 1, see ``Balancer``. The mean of an epoch is over the steps in which the task was present; a task that was never
    present keeps its previous mean.

    ``torchjd.scalarization.DWA`` yields the same weights, times T, while all tasks are present. It is not used because
    it counts the loss of an absent task as 0, gives that task a weight, and has no ``state_dict`` to resume from.
    """

    captures: ClassVar[bool] = True

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup) -> None:
        super().__init__(model, setup)
        dtype = widest_float(self.device)
        self.sums, self.counts = torch.zeros(2, self.tasks, dtype=dtype, device=self.device)
        self.means = torch.zeros(0, self.tasks, dtype=dtype, device=self.device)
        self._rates = torch.ones(self.tasks, device=self.device)

    def weights(self, loss: StepLoss, step: int) -> Tensor:  # noqa: ARG002 - part of the interface
        """Return weights from the means of the last two epochs, and add the losses to the running sums."""
        self.sums.add_(loss.triplets.per_task.detach())
        self.counts.add_(loss.present)
        return softmax_over(self._rates / self.settings.dwa_temperature, loss.present)

    def end_epoch(self) -> None:
        """Turn the running sums into the mean of the epoch, and reset them."""
        known = self.means[-1] if len(self.means) else torch.ones_like(self.sums)
        mean = torch.where(self.counts > 0, self.sums / self.counts.clamp_min(1), known)
        self.means = torch.cat([self.means, mean[None]])[-2:]
        self.sums.zero_()
        self.counts.zero_()
        self._set_rates()

    def _set_rates(self) -> None:
        """Derive the rates from the means of two epochs; they stay 1 until there are two."""
        if len(self.means) == 2:
            self._rates.copy_(self.means[1] / self.means[0].clamp_min(1e-12))

    def state_dict(self) -> dict[str, Any]:
        """Return the running sums and the means of the last two epochs."""
        return {"sums": self.sums.clone(), "counts": self.counts.clone(), "means": self.means}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore sums and means; the rates follow from the means."""
        self.sums.copy_(state["sums"])
        self.counts.copy_(state["counts"])
        self.means = state["means"].to(self.means.dtype).to(self.device)
        self._set_rates()
