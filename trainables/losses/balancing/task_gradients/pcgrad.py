"""PCGrad: projects every gradient onto the normal planes of those it conflicts with (Yu et al. 2020)."""

from __future__ import annotations

from trainables.losses.balancing.balancer import Balancer, BalancingSetup
from trainables.losses.balancing.task_gradients.gramian import Memoryless
from trainables.networks.multi_task import MultiTaskModel


def pcgrad(model: MultiTaskModel, setup: BalancingSetup) -> Balancer:
    """PCGrad (Yu et al. 2020, algorithm 1): projects every gradient onto the normal planes of conflicting ones.

    The step is the mean of the projected gradients, not their sum.
    """
    from torchjd.aggregation import PCGradWeighting

    weighting = PCGradWeighting()
    return Memoryless(model, setup, lambda gramian: weighting(gramian) / len(gramian))
