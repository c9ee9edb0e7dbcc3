"""IMTL-G: a step with equal projections onto all gradients (Liu et al. 2021)."""

from __future__ import annotations

from trainables.losses.balancing.balancer import Balancer, BalancingSetup
from trainables.losses.balancing.task_gradients.gramian import Memoryless
from trainables.networks.multi_task import MultiTaskModel


def imtl_g(model: MultiTaskModel, setup: BalancingSetup) -> Balancer:
    """IMTL-G (Liu et al. 2021): a step with equal projections onto all gradients; weights sum to 1."""
    from torchjd.aggregation import IMTLGWeighting

    return Memoryless(model, setup, IMTLGWeighting())
