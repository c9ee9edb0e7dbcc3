"""UPGrad: the mean of the gradients, each projected onto the dual cone (Quinton, Rey 2024)."""

from __future__ import annotations

from trainables.config.trial import TrialConfig
from trainables.losses.balancing.balancer import Balancer, register_balancer
from trainables.losses.balancing.task_gradients.gramian import Memoryless
from trainables.networks.multi_task import MultiTaskModel


@register_balancer("upgrad")
def upgrad(model: MultiTaskModel, config: TrialConfig) -> Balancer:
    """UPGrad (Quinton, Rey 2024): mean of the gradients, each projected onto the dual cone of all."""
    from torchjd.aggregation import UPGradWeighting

    from trainables.losses.balancing.task_gradients.dual_cone import NonNegativeProjector

    return Memoryless(model, config, UPGradWeighting(projector=NonNegativeProjector()))
