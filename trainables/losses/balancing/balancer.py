"""Base class of all balancing methods: from the loss of a step to the gradient of every parameter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainables.config import registries
from trainables.config.registries import OwnValues
from trainables.config.training import BalancingConfig
from trainables.config.trial import TrialConfig
from trainables.foundation.registry import Registry
from trainables.losses.triplet import TripletLoss
from trainables.networks.multi_task import MultiTaskModel


@dataclass(frozen=True)
class StepLoss:
    """The loss of a training step; all tensors carry their graph.

    Attributes:
        triplets: The losses of the tasks, and the number of valid triplets of each task in the step.
        penalties: Scalars by name, already multiplied by their coefficients. They belong to no task: every method adds
            their plain gradient, like weight decay.
        numbers: What ``Balancer.before_step`` returned for this step, on the device; None if it returned nothing.
    """

    triplets: TripletLoss
    penalties: Mapping[str, Tensor] = field(default_factory=dict)
    numbers: Tensor | None = None

    @property
    def total(self) -> Tensor:
        """Scalar: mean over the tasks with a valid triplet, plus the penalties."""
        return self.plus_penalties(self.triplets.loss)

    @property
    def present(self) -> Tensor:
        """(T,) bool, whether the task has a valid triplet in this step."""
        return self.triplets.valid > 0

    def plus_penalties(self, loss: Tensor) -> Tensor:
        """Return ``loss`` plus all penalties; the same tensor object if there are none."""
        for penalty in self.penalties.values():
            loss = loss + penalty
        return loss


@dataclass(frozen=True)
class BalancingSetup:
    """What a method needs from its trial besides the model.

    Attributes:
        settings: The ``balancing`` section.
        seed: Seed of random draws.
        image_size: Side length of the training images in pixels.
    """

    settings: BalancingConfig
    seed: int
    image_size: int


class Balancer(ABC):
    """Computes the ``.grad`` of every parameter from the task losses, and holds the state of the method.

    All methods are scaled so that equal treatment of n tasks with a valid triplet means weight 1/n; a learning rate
    then has about the same meaning for all methods. A task without a valid triplet is left out of the step.

    Attributes:
        unsolved: Number of steps, since last reset to 0, that used equal weights because the solver failed; None for
            methods without a solver.
        captures: Whether a step can be part of a CUDA graph: no value is read by the host, random numbers come from
            ``before_step``, and state that the step changes is changed in place.
        own_values: Nuisance values that belong to the method, with the range over which a study may tune them in its
            arms (``space.tune_own``).
    """

    captures: ClassVar[bool] = False
    own_values: ClassVar[OwnValues] = {}

    def __init__(self, model: MultiTaskModel, setup: BalancingSetup) -> None:
        self.model = model
        self.tasks = len(model.tasks)
        self.settings = setup.settings
        self.seed = setup.seed
        self.device = next(model.parameters()).device
        self.unsolved: int | None = None

    @classmethod  # noqa: B027 - most methods accept every trial
    def check(cls, config: TrialConfig) -> None:
        """Raise ValueError, naming ``balancing.method``, if the method cannot balance the tasks of the trial."""

    def before_step(self, step: int) -> Tensor | None:  # noqa: ARG002 - most methods draw nothing
        """Return what the host draws for a step, on the CPU: the same shape for every step, or None for all.

        Args:
            step: Number of completed steps; seeds the draws.
        """
        return None

    @abstractmethod
    def backward(self, loss: StepLoss, step: int) -> Tensor | None:
        """Set ``.grad`` of the model's parameters, which have none yet.

        Args:
            loss: The loss of this step.
            step: Number of completed steps; seeds random draws.

        Returns:
            (T,) factor applied to the gradient of each task, 0 for an absent task; None if the method has no weights.
        """

    def after_step(self, loss: StepLoss, losses_again: Callable[[], Tensor]) -> None:  # noqa: B027 - most do nothing
        """Learn from the completed step; ``losses_again`` recomputes the losses (T,) of the same batch."""

    def end_epoch(self) -> None:  # noqa: B027 - most do nothing
        """Update the state of the method after the last step of an epoch."""

    def parameters(self) -> list[nn.Parameter]:
        """Return the parameters that the trial's optimizer trains, without decay, in addition to the model."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """Return all state that later steps depend on, as tensors and plain values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by ``state_dict``."""
        for name, value in state.items():
            setattr(self, name, value.to(self.device) if isinstance(value, torch.Tensor) else value)


class ScalarBalancer(Balancer):
    """A method whose step is the gradient of one scalar. Of such methods, trials can be trained as one model."""

    @abstractmethod
    def objective(self, loss: StepLoss, step: int) -> tuple[Tensor, Tensor | None]:
        """Return the scalar to differentiate, and what ``backward`` returns."""

    def backward(self, loss: StepLoss, step: int) -> Tensor | None:
        """Differentiate the objective."""
        objective, weights = self.objective(loss, step)
        torch.autograd.backward(objective)
        return weights


BalancerFactory = Callable[[MultiTaskModel, BalancingSetup], Balancer]

BALANCERS: Registry[BalancerFactory] = registries.BALANCERS
"""Name -> factory of a model's balancer."""


def register_balancer(name: str) -> Callable[[BalancerFactory], BalancerFactory]:
    """Return a decorator that registers a method as ``balancing.method: name``.

    Raises:
        ValueError: When the decorator is applied, if the name is already used by another method.

    Example:
        >>> @register_balancer("first_task")
        ... def first_task(model, setup):
        ...     ...  # return a Balancer
    """
    return partial(BALANCERS.register, name)
