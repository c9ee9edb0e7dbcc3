"""Aligned-MTL: principal directions of equal length (Senushkin et al. 2023)."""

from __future__ import annotations

from trainables.losses.balancing.balancer import Balancer, BalancingSetup
from trainables.losses.balancing.task_gradients.gramian import Memoryless
from trainables.networks.multi_task import MultiTaskModel


def aligned_mtl(model: MultiTaskModel, setup: BalancingSetup) -> Balancer:
    """Aligned-MTL (Senushkin et al. 2023): mean after scaling principal directions to the smallest singular value."""
    from torchjd.aggregation import AlignedMTLWeighting

    return Memoryless(model, setup, AlignedMTLWeighting())
