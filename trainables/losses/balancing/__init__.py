"""Task balancing: combines the task losses into one training step. ``docs/balancing.md`` lists the methods."""

from __future__ import annotations

from trainables.config.trial import TrialConfig
from trainables.losses.balancing.balancer import (
    BALANCERS,
    Balancer,
    BalancerFactory,
    BalancingSetup,
    StepLoss,
    register_balancer,
)
from trainables.networks.multi_task import MultiTaskModel

__all__ = [
    "BALANCERS",
    "Balancer",
    "BalancingSetup",
    "StepLoss",
    "balancer_named",
    "build_balancer",
    "check_balancing",
    "register_balancer",
]


def balancer_named(method: str) -> BalancerFactory:
    """Return the balancer factory of a method.

    Raises:
        ValueError: The method is unknown.
    """
    return BALANCERS.find(method)


def check_balancing(config: TrialConfig) -> None:
    """Check, before any weights are created, that the method can balance the tasks of a trial.

    Raises:
        ValueError: The method is unknown or cannot balance the tasks.
    """
    factory = balancer_named(config.balancing.method)
    if isinstance(factory, type) and issubclass(factory, Balancer):
        factory.check(config)


def build_balancer(model: MultiTaskModel, setup: BalancingSetup) -> Balancer:
    """Return the balancer of a model that is already on its device.

    Raises:
        ValueError: The method is unknown.
    """
    return balancer_named(setup.settings.method)(model, setup)
