"""What all balancing methods share: from the loss of a step to the gradient of every parameter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from trainables.config import registries
from trainables.config.training import BalancingConfig
from trainables.config.trial import TrialConfig
from trainables.foundation.registry import Registry
from trainables.losses.triplet import TripletLoss
from trainables.networks.multi_task import MultiTaskModel


@dataclass(frozen=True)
class StepLoss:
    """The loss of a training step; everything carries its graph.

    Attributes:
        triplets: The losses of the tasks, and which of them have a valid triplet in the step.
        penalties: Scalars by name, already times their coefficients. They belong to no task: every method adds their
            plain gradient, like a weight decay.
    """

    triplets: TripletLoss
    penalties: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """Scalar: mean over the tasks with a valid triplet, plus the penalties."""
        return self.plus_penalties(self.triplets.loss)

    @property
    def present(self) -> Tensor:
        """(T,) whether the task has a valid triplet in this step."""
        return self.triplets.valid > 0

    def plus_penalties(self, loss: Tensor) -> Tensor:
        """Return ``loss`` plus all penalties; the very same tensor if there are none."""
        for penalty in self.penalties.values():
            loss = loss + penalty
        return loss


@dataclass(frozen=True)
class BalancingSetup:
    """What a method needs to know of its trial besides the model.

    Attributes:
        settings: The section ``balancing``.
        seed: Seeds what is random.
        image_size: Side of the training images in pixels.
    """

    settings: BalancingConfig
    seed: int
    image_size: int


class Balancer(ABC):
    """Turns the losses of the tasks into the ``.grad`` of every parameter, and keeps what it learns on the way.

    All methods are scaled so that equal treatment of n tasks with a valid triplet means weight 1/n: a learning rate
    then means about the same for all of them. A task without a valid triplet is left out of the step.

    Attributes:
        unsolved: Steps, since it was last set to 0, that used equal weights because the solver found none; None for
            methods without a solver.
    """

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup) -> None:
        self.model = model
        self.tasks = len(model.tasks)
        self.settings = setup.settings
        self.seed = setup.seed
        self.device = next(model.parameters()).device
        self.unsolved: int | None = None

    @classmethod  # noqa: B027 - most take every trial
    def check(cls, config: TrialConfig) -> None:
        """Raise ValueError, naming ``balancing.method``, for a trial whose tasks the method cannot balance."""

    @abstractmethod
    def backward(self, loss: StepLoss, step: int) -> Tensor | None:
        """Set ``.grad`` of the model's parameters, which hold none.

        Args:
            loss: Of this step.
            step: Steps done so far; seeds what is random.

        Returns:
            (T,) what the gradient of each task is multiplied with, 0 for an absent task; None if the method has no
            weights.
        """

    def after_step(self, loss: StepLoss, losses_again: Callable[[], Tensor]) -> None:  # noqa: B027 - most do nothing
        """Learn from the step just taken; ``losses_again`` gives the losses (T,) of the same batch after it."""

    def end_epoch(self) -> None:  # noqa: B027 - most do nothing
        """Called after the last step of an epoch."""

    def parameters(self) -> list[nn.Parameter]:
        """Return what the trial's optimizer is to train, without decay, besides the model."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """Return all that coming steps depend on: tensors and plain values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""
        for name, value in state.items():
            setattr(self, name, value.to(self.device) if isinstance(value, torch.Tensor) else value)


BalancerFactory = Callable[[MultiTaskModel, BalancingSetup], Balancer]

BALANCERS: Registry[BalancerFactory] = registries.BALANCERS
"""Name -> what makes the balancer of a model."""


def register_balancer(name: str) -> Callable[[BalancerFactory], BalancerFactory]:
    """Return a decorator that makes a method known as ``balancing.method: name``.

    Raises:
        ValueError: when it is applied, if the name is taken by another method.

    Example:
        >>> @register_balancer("first_task")
        ... def first_task(model, balancing, train_seed):
        ...     ...  # return a Balancer
    """
    return partial(BALANCERS.register, name)
