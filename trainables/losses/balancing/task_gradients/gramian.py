"""Methods of TorchJD that weigh gradients by their inner products, made scale-free, repeatable and resumable.

The inner products are divided by their trace. This changes no method, but keeps the small gradients of late training
above the thresholds of the library (1e-4 of a squared norm). Inner products and weights are float32, whose rounding the
rank decisions of the library assume.
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
    """Weights from the matrix (n, n) of inner products, computed on the CPU."""

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup) -> None:
        super().__init__(model, setup)
        self.unsolved: int = 0

    def combine(self, rows: Tensor, present: list[int], step: int) -> tuple[Tensor, Tensor]:
        """Weigh the rows. Equal weights where all are zero or not finite, and where the solver finds no solution."""
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
        """Return the weights (n,) for a matrix (n, n) with a positive trace, and the tasks of its rows."""

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
    """A method that is one function of the matrix, given with trace 1."""

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup, weighting: Weigh) -> None:
        super().__init__(model, setup)
        self._weighting = weighting

    def weigh(self, gramian: Tensor, present: list[int]) -> Tensor:  # noqa: ARG002 - part of the interface
        """Weigh."""
        return self._weighting(gramian / gramian.trace())


def drawing(seed: int, step: int, device: torch.device | None = None) -> AbstractContextManager[None]:
    """Seed the global generators, from which the library draws, by the step; restore them afterwards."""
    return global_stream(named_seed(seed, "balancing", str(step)), device)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings solvers give in every step; failures are counted instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
