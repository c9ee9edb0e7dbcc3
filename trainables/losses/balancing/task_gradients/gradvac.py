"""GradVac: aligns gradients to their usual similarity (Wang, Tsvetkov, Firat, Cao 2021, algorithm 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainables.losses.balancing.balancer import BalancingSetup
from trainables.losses.balancing.task_gradients.gramian import GramianBalancer
from trainables.networks.multi_task import MultiTaskModel


class GradientVaccine(GramianBalancer):
    """TorchJD's GradVac weights divided by the number of tasks, since they are weights of a sum.

    The state is the moving average (T, T) of the cosine similarities; entries of absent tasks do not change.
    """

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup) -> None:
        super().__init__(model, setup)
        self.similarities = torch.zeros(self.tasks, self.tasks)

    def weigh(self, gramian: Tensor, present: list[int]) -> Tensor:
        """Return the weights of the present tasks and update their entries of the moving average."""
        from torchjd.aggregation import GradVacWeighting

        weighting = GradVacWeighting()
        weighting(torch.eye(len(present)))  # creates the buffer
        rows, columns = torch.meshgrid(torch.tensor(present), torch.tensor(present), indexing="ij")
        weighting.load_state_dict({"_phi_t": self.similarities[rows, columns]})
        weights: Tensor = weighting(gramian / gramian.trace())
        self.similarities[rows, columns] = weighting.state_dict()["_phi_t"]
        return weights / len(present)

    def state_dict(self) -> dict[str, Any]:
        """Return the moving average."""
        return {"similarities": self.similarities}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the moving average."""
        self.similarities = state["similarities"].clone()
