"""DualProj: the mean gradient projected onto the dual cone (GEM; Lopez-Paz, Ranzato 2017)."""

from __future__ import annotations

from trainables.losses.balancing.balancer import Balancer, BalancingSetup
from trainables.losses.balancing.task_gradients.gramian import Memoryless
from trainables.networks.multi_task import MultiTaskModel


def dualproj(model: MultiTaskModel, setup: BalancingSetup) -> Balancer:
    """DualProj (GEM, Lopez-Paz, Ranzato 2017, equation 11): the mean gradient projected onto the dual cone."""
    from torchjd.aggregation import DualProjWeighting

    from trainables.losses.balancing.task_gradients.dual_cone import NonNegativeProjector

    return Memoryless(model, setup, DualProjWeighting(projector=NonNegativeProjector()))
