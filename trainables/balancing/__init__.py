"""Task balancing: how the losses of the tasks become one step of training. ``docs/balancing.md`` lists the methods."""

from __future__ import annotations

from trainables.balancing import bargaining, famo, gradnorm, sign_dropout, surgery, vaccine, weighting  # noqa: F401
from trainables.balancing.balancer import BALANCERS, Balancer, Objective, register_balancer
from trainables.config import TrialConfig
from trainables.extensions import find
from trainables.network import MultiTaskModel

__all__ = ["BALANCERS", "Balancer", "Objective", "build_balancer", "check_balancing", "register_balancer"]


def check_balancing(config: TrialConfig) -> None:
    """Refuse a method that nobody has registered.

    Raises:
        ValueError: names the nearest one.
    """
    find("balancing.method", config.balancing.method, BALANCERS, "modstudy.balancers")


def build_balancer(model: MultiTaskModel, config: TrialConfig) -> Balancer:
    """Return the balancer of a trial; the model is on its device.

    Raises:
        ValueError: the method is unknown.
    """
    return find("balancing.method", config.balancing.method, BALANCERS, "modstudy.balancers")(model, config)
