"""The gradient methods of TorchJD, made scale-free, repeatable and restartable.

Nearly all of them are weights computed from the inner products of the gradients. They get these divided by their trace:
the methods do not change by that, while thresholds inside the library (1e-4 of a squared norm) would take the small
gradients of late training for none. Inner products and weights are float32, whose rounding their rank decisions assume.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from torch import Tensor

from trainables.config.trial import TrialConfig
from trainables.foundation.global_stream import global_stream
from trainables.foundation.seeds import named_seed
from trainables.losses.balancing.balancer import Balancer, register_balancer
from trainables.losses.balancing.gradients import GradientBalancer
from trainables.networks.multi_task import MultiTaskModel

Weigh = Callable[[Tensor], Tensor]


class GramianBalancer(GradientBalancer):
    """Weights from the matrix (n, n) of inner products, computed on the CPU."""

    def __init__(self, model: MultiTaskModel, config: TrialConfig) -> None:
        super().__init__(model, config)
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

    def __init__(self, model: MultiTaskModel, config: TrialConfig, weighting: Weigh) -> None:
        super().__init__(model, config)
        self._weighting = weighting

    def weigh(self, gramian: Tensor, present: list[int]) -> Tensor:  # noqa: ARG002 - part of the interface
        """Weigh."""
        return self._weighting(gramian / gramian.trace())


def drawing(seed: int, step: int, device: torch.device | None = None) -> AbstractContextManager[None]:
    """Lend the global generators, on which the library draws, a seed of the step, and put them back."""
    return global_stream(named_seed(seed, "balancing", str(step)), device)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what the solvers say in every step about their inner workings; failures are counted instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@register_balancer("pcgrad")
def pcgrad(model: MultiTaskModel, config: TrialConfig) -> Balancer:
    """PCGrad (Yu et al. 2020, algorithm 1): every gradient projected off those it conflicts with; mean, not sum."""
    from torchjd.aggregation import PCGradWeighting

    weighting = PCGradWeighting()
    return Memoryless(model, config, lambda gramian: weighting(gramian) / len(gramian))


@register_balancer("cagrad")
def cagrad(model: MultiTaskModel, config: TrialConfig) -> Balancer:
    """CAGrad (Liu et al. 2021, algorithm 1), c = ``balancing.cagrad_c``; not rescaled by 1 / (1 + c^2)."""
    from torchjd.aggregation import CAGradWeighting

    return Memoryless(model, config, CAGradWeighting(config.balancing.cagrad_c))


@register_balancer("mgda")
def mgda(model: MultiTaskModel, config: TrialConfig) -> Balancer:
    """MGDA (Sener, Koltun 2018, algorithm 2): the convex combination of least norm, by Frank-Wolfe."""
    from torchjd.aggregation import MGDAWeighting

    return Memoryless(model, config, MGDAWeighting())


@register_balancer("upgrad")
def upgrad(model: MultiTaskModel, config: TrialConfig) -> Balancer:
    """UPGrad (Quinton, Rey 2024): mean of the gradients, each projected onto the dual cone of all."""
    from torchjd.aggregation import UPGradWeighting

    from trainables.losses.balancing.dual_cone import NonNegativeProjector

    return Memoryless(model, config, UPGradWeighting(projector=NonNegativeProjector()))


@register_balancer("dualproj")
def dualproj(model: MultiTaskModel, config: TrialConfig) -> Balancer:
    """DualProj (GEM, Lopez-Paz, Ranzato 2017, equation 11): the mean gradient projected onto the dual cone."""
    from torchjd.aggregation import DualProjWeighting

    from trainables.losses.balancing.dual_cone import NonNegativeProjector

    return Memoryless(model, config, DualProjWeighting(projector=NonNegativeProjector()))


@register_balancer("imtl_g")
def imtl_g(model: MultiTaskModel, config: TrialConfig) -> Balancer:
    """IMTL-G (Liu et al. 2021): the step has equal projections on all gradients; weights sum to 1."""
    from torchjd.aggregation import IMTLGWeighting

    return Memoryless(model, config, IMTLGWeighting())


@register_balancer("aligned_mtl")
def aligned_mtl(model: MultiTaskModel, config: TrialConfig) -> Balancer:
    """Aligned-MTL (Senushkin et al. 2023): principal directions scaled to the least singular value, then the mean."""
    from torchjd.aggregation import AlignedMTLWeighting

    return Memoryless(model, config, AlignedMTLWeighting())
