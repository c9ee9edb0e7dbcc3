"""UPGrad: the mean of all gradients after projection onto the dual cone (Quinton, Rey 2024)."""

from __future__ import annotations

from trainables.losses.balancing.balancer import Balancer, BalancingSetup
from trainables.losses.balancing.task_gradients.gramian import Memoryless
from trainables.networks.multi_task import MultiTaskModel


def upgrad(model: MultiTaskModel, setup: BalancingSetup) -> Balancer:
    """UPGrad (Quinton, Rey 2024): the mean of the gradients, each projected onto the dual cone of all gradients."""
    from torchjd.aggregation import UPGradWeighting

    from trainables.losses.balancing.task_gradients.dual_cone import NonNegativeProjector

    return Memoryless(model, setup, UPGradWeighting(projector=NonNegativeProjector()))
