"""Task balancing: how the losses of the tasks become one step of training. ``docs/balancing.md`` lists the methods."""

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
    """Return what makes the balancer of a method.

    Raises:
        ValueError: the method is unknown.
    """
    return BALANCERS.find(method)


def check_balancing(config: TrialConfig) -> None:
    """Check before any weight exists that the method can balance the tasks of a trial.

    Raises:
        ValueError: it cannot, or is unknown.
    """
    factory = balancer_named(config.balancing.method)
    if isinstance(factory, type) and issubclass(factory, Balancer):
        factory.check(config)


def build_balancer(model: MultiTaskModel, setup: BalancingSetup) -> Balancer:
    """Return the balancer of a model, which is on its device.

    Raises:
        ValueError: the method is unknown.
    """
    return balancer_named(setup.settings.method)(model, setup)
