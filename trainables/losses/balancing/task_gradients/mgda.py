"""MGDA: the convex combination with the smallest norm (Sener, Koltun 2018)."""

from __future__ import annotations

from trainables.losses.balancing.balancer import Balancer, BalancingSetup
from trainables.losses.balancing.task_gradients.gramian import Memoryless
from trainables.networks.multi_task import MultiTaskModel


def mgda(model: MultiTaskModel, setup: BalancingSetup) -> Balancer:
    """MGDA (Sener, Koltun 2018, algorithm 2): the convex combination with the smallest norm, by Frank-Wolfe."""
    from torchjd.aggregation import MGDAWeighting

    return Memoryless(model, setup, MGDAWeighting())
