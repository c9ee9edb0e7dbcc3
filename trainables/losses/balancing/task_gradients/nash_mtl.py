"""Nash-MTL: the step as the outcome of a bargaining game between the tasks (Navon et al. 2022, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainables.losses.balancing.balancer import BalancingSetup
from trainables.losses.balancing.task_gradients.gramian import GramianBalancer
from trainables.networks.multi_task import MultiTaskModel

if TYPE_CHECKING:
    from torchjd.aggregation import NashMTL


class NashBargaining(GramianBalancer):
    """Weights a with G a = 1 / a, from TorchJD with the published settings, divided by the number of tasks.

    The published weights define a sum. Its norm is sqrt(n) for gradients of any size and is clipped at
    ``balancing.nash_max_norm`` (published: 1). Unlike in other methods, the step does not shrink with the gradients.

    The state consists of the weights of the previous step (initially 1), which the solver starts from. If the solver
    finds no solution, these weights are kept; absent tasks always keep theirs.
    """

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup) -> None:
        super().__init__(model, setup)
        self.previous = torch.ones(self.tasks, dtype=torch.float64)
        self._solvers: Callable[[int], NashMTL] = lru_cache(maxsize=None)(
            partial(_solver, max_norm=self.settings.nash_max_norm)
        )

    def weigh(self, gramian: Tensor, present: list[int]) -> Tensor:
        """Solve for the weights of the present tasks.

        The library takes gradients but uses only their inner products, so it is given small vectors with the same
        inner products.
        """
        values, vectors = torch.linalg.eigh(gramian.double())
        rows = vectors * values.clamp_min(0).sqrt()
        aggregator = self._solvers(len(present))
        aggregator.reset()
        aggregator.weighting.prvs_alpha = self.previous[present].numpy()
        weights: Tensor = aggregator.weighting(rows)
        self.previous[present] = torch.as_tensor(aggregator.weighting.prvs_alpha, dtype=torch.float64)
        return weights / len(present)

    def state_dict(self) -> dict[str, Any]:
        """Return the weights that the next solution starts from."""
        return {"previous": self.previous}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the weights that the next solution starts from."""
        self.previous = state["previous"].clone()


def _solver(tasks: int, max_norm: float) -> NashMTL:
    from torchjd.aggregation import NashMTL

    return NashMTL(n_tasks=tasks, max_norm=max_norm)
