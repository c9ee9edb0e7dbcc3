"""MGDA: the convex combination of least norm (Sener, Koltun 2018)."""

from __future__ import annotations

from trainables.config.trial import TrialConfig
from trainables.losses.balancing.balancer import Balancer, register_balancer
from trainables.losses.balancing.task_gradients.gramian import Memoryless
from trainables.networks.multi_task import MultiTaskModel


@register_balancer("mgda")
def mgda(model: MultiTaskModel, config: TrialConfig) -> Balancer:
    """MGDA (Sener, Koltun 2018, algorithm 2): the convex combination of least norm, by Frank-Wolfe."""
    from torchjd.aggregation import MGDAWeighting

    return Memoryless(model, config, MGDAWeighting())
