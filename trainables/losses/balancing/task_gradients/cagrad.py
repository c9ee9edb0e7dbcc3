"""CAGrad: the best worst case within a ball around the mean (Liu, Liu, Jin, Stone, Liu 2021)."""

from __future__ import annotations

from trainables.config.trial import TrialConfig
from trainables.losses.balancing.balancer import Balancer, register_balancer
from trainables.losses.balancing.task_gradients.gramian import Memoryless
from trainables.networks.multi_task import MultiTaskModel


@register_balancer("cagrad")
def cagrad(model: MultiTaskModel, config: TrialConfig) -> Balancer:
    """CAGrad (Liu et al. 2021, algorithm 1), c = ``balancing.cagrad_c``; not rescaled by 1 / (1 + c^2)."""
    from torchjd.aggregation import CAGradWeighting

    return Memoryless(model, config, CAGradWeighting(config.balancing.cagrad_c))
