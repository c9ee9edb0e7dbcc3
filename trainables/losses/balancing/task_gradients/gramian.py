"""TorchJD methods that weight gradients by their inner products, made scale-free, reproducible and resumable.

The matrix of inner products is divided by its trace. This changes no method, but keeps the small gradients of late
training above the thresholds of the library (1e-4 of a squared norm). Inner products and weights are float32, since the
library's rank decisions assume float32 rounding.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from torch import Tensor

from trainables.foundation.global_stream import global_stream
from trainables.foundation.seeds import named_seed
from trainables.losses.balancing.balancer import BalancingSetup
from trainables.losses.balancing.task_gradients.balancer import GradientBalancer
from trainables.networks.multi_task import MultiTaskModel

Weigh = Callable[[Tensor], Tensor]


class GramianBalancer(GradientBalancer):
    """Computes weights on the CPU from the matrix (n, n) of inner products."""

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup) -> None:
        super().__init__(model, setup)
        self.unsolved: int = 0

    def combine(self, rows: Tensor, present: list[int], step: int) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the rows, and the weights.

        Weights are equal if all rows are zero, if any row is not finite, or if the solver finds no solution.
        """
        gramian = (rows @ rows.T).cpu()
        weights = torch.full((len(rows),), 1 / len(rows))
        trace = gramian.trace()
        if trace.isfinite() and trace > 0:
            with drawing(self.seed, step), quiet():
                weights = self._solve(gramian, present, weights)
        weights = weights.to(rows)
        return weights @ rows, weights

    @abstractmethod
    def weigh(self, gramian: Tensor, present: list[int]) -> Tensor:
        """Return the weights (n,) for a matrix (n, n) with positive trace, whose rows are the ``present`` tasks."""

    def _solve(self, gramian: Tensor, present: list[int], otherwise: Tensor) -> Tensor:
        from cvxpy.error import SolverError

        try:
            weights = self.weigh(gramian, present).float()
        except (SolverError, np.linalg.LinAlgError, torch.linalg.LinAlgError):  # type: ignore[attr-defined]  # missing in stubs
            weights = torch.full_like(otherwise, torch.nan)
        if weights.isfinite().all():
            return weights
        self.unsolved += 1
        return otherwise


class Memoryless(GramianBalancer):
    """A method without state: a function of the matrix, scaled to trace 1."""

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup, weighting: Weigh) -> None:
        super().__init__(model, setup)
        self._weighting = weighting

    def weigh(self, gramian: Tensor, present: list[int]) -> Tensor:  # noqa: ARG002 - part of the interface
        """Return the weights (n,) of the method."""
        return self._weighting(gramian / gramian.trace())


def drawing(seed: int, step: int, device: torch.device | None = None) -> AbstractContextManager[None]:
    """Seed the global generators, which the library draws from, for this step; restore them afterwards."""
    return global_stream(named_seed(seed, "balancing", str(step)), device)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the warnings that solvers issue in every step; failures are counted instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
