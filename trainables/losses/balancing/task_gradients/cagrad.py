"""CAGrad: the best worst case within a ball around the mean (Liu, Liu, Jin, Stone, Liu 2021)."""

from __future__ import annotations

from trainables.losses.balancing.balancer import Balancer, BalancingSetup
from trainables.losses.balancing.task_gradients.gramian import Memoryless
from trainables.networks.multi_task import MultiTaskModel


def cagrad(model: MultiTaskModel, setup: BalancingSetup) -> Balancer:
    """CAGrad (Liu et al. 2021, algorithm 1), c = ``balancing.cagrad_c``; not rescaled by 1 / (1 + c^2)."""
    from torchjd.aggregation import CAGradWeighting

    return Memoryless(model, setup, CAGradWeighting(setup.settings.cagrad_c))
