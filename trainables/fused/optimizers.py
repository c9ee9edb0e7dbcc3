"""The optimizers of a trial over the parameters of K members, with a learning rate and a decay per member.

torch's fused optimizers take one learning rate per call, so K members would take K calls for each. These take a few
operations over one flat tensor, with torch's formulas and settings (``training.optimization.build_optimizer``), and
read and write the state of one member in torch's format. The only numbers that change from step to step are the factor
of the schedule and the bias corrections, the same for all members; they are written into a tensor, so that a step can
be captured.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables.config.training import OptimizationConfig
from trainables.fused.stack import NO_FACTORS, FlatParameters
from trainables.training.optimization import ADAGRAD_EPSILON, ADAGRAD_START

BETAS = 0.9, 0.999
ADAM_EPSILON = 1e-8
MOMENTUM = 0.9

NUMBERS = 3


def numbers_of_step(factor: float, step: int) -> list[float]:
    """Return what is the same for all members in a step, counted from 1: ``factor`` is that of the schedule."""
    first, second = (1 - beta**step for beta in BETAS)
    return [factor, factor / first, second**-0.5]


class StackedOptimizer(ABC):
    """An optimizer over flat parameters.

    Attributes:
        STATE: torch's names of the state tensors.
        COUNTS: Whether torch's state also holds the number of steps.
    """

    STATE: ClassVar[tuple[str, ...]]
    COUNTS: ClassVar[bool] = True

    def __init__(
        self,
        parameters: FlatParameters,
        settings: Sequence[OptimizationConfig],
        rate_factors: Mapping[str, Sequence[float]],
    ) -> None:
        self._parameters = parameters
        self.rates = parameters.spread([each.learning_rate for each in settings], by=rate_factors)
        self.decays = parameters.spread([each.weight_decay for each in settings], decayed_only=True)
        self.state = {name: torch.full_like(parameters.values, self.start_of(name)) for name in self.STATE}
        self.numbers = torch.zeros(NUMBERS, dtype=parameters.values.dtype, device=parameters.values.device)

    @classmethod
    def start_of(cls, name: str) -> float:  # noqa: ARG003 - Adagrad's accumulator starts above 0
        """Return the first value of a state tensor."""
        return 0.0

    @torch.no_grad()
    def step(self, numbers: Tensor) -> None:
        """Update the parameters from their gradients, which are overwritten; ``numbers`` as of ``numbers_of_step``."""
        self.numbers.copy_(numbers)
        self._update(self._parameters.values, self._parameters.gradients)

    @abstractmethod
    def _update(self, values: Tensor, gradients: Tensor) -> None: ...

    def member_state(self, member: int, step: int) -> dict[int, dict[str, Tensor]]:
        """Return the state of one member by parameter number, in torch's format."""
        slices = {name: self._parameters.slices(flat, member) for name, flat in self.state.items()}
        counted = {"step": torch.tensor(float(step))} if self.COUNTS else {}
        return {
            number: counted | {name: slices[name][number].clone() for name in self.STATE}
            for number in range(len(self._parameters.blocks))
        }

    def load_member_state(self, member: int, state: Mapping[int, Mapping[str, Any]]) -> None:
        """Set the state of one member from torch's format."""
        for name, flat in self.state.items():
            for number, place in enumerate(self._parameters.slices(flat, member)):
                place.copy_(state[number][name])


class StackedAdam(StackedOptimizer):
    """Adam: the decay is added to the gradient (L2)."""

    STATE = ("exp_avg", "exp_avg_sq")

    def _update(self, values: Tensor, gradients: Tensor) -> None:
        gradients.addcmul_(self.decays, values)
        self._move(values, gradients)

    def _move(self, values: Tensor, gradients: Tensor) -> None:
        mean, square = self.state["exp_avg"], self.state["exp_avg_sq"]
        mean.lerp_(gradients, 1 - BETAS[0])
        square.mul_(BETAS[1]).addcmul_(gradients, gradients, value=1 - BETAS[1])
        length = square.sqrt().mul_(self.numbers[2]).add_(ADAM_EPSILON)
        values.sub_((self.rates * self.numbers[1]).mul_(mean).div_(length))


class StackedAdamW(StackedAdam):
    """AdamW: the decay is decoupled from the gradient."""

    def _update(self, values: Tensor, gradients: Tensor) -> None:
        values.sub_((self.rates * self.numbers[0]).mul_(self.decays).mul_(values))
        self._move(values, gradients)


class StackedSgd(StackedOptimizer):
    """SGD with Nesterov momentum; a buffer of 0 becomes the first gradient, as torch's does."""

    STATE = ("momentum_buffer",)
    COUNTS = False

    def _update(self, values: Tensor, gradients: Tensor) -> None:
        buffer = self.state["momentum_buffer"]
        gradients.addcmul_(self.decays, values)
        buffer.mul_(MOMENTUM).add_(gradients)
        values.sub_((self.rates * self.numbers[0]).mul_(gradients.add_(buffer, alpha=MOMENTUM)))


class StackedAdagrad(StackedOptimizer):
    """Adagrad as released: the accumulator starts at 0.1."""

    STATE = ("sum",)

    @classmethod
    def start_of(cls, name: str) -> float:  # noqa: ARG003 - it has one state tensor
        """Return the first value of the accumulator."""
        return ADAGRAD_START

    def _update(self, values: Tensor, gradients: Tensor) -> None:
        total = self.state["sum"]
        gradients.addcmul_(self.decays, values)
        total.addcmul_(gradients, gradients)
        length = total.sqrt().add_(ADAGRAD_EPSILON)
        values.sub_((self.rates * self.numbers[0]).mul_(gradients).div_(length))


_KINDS: dict[str, type[StackedOptimizer]] = {
    "adam": StackedAdam,
    "adamw": StackedAdamW,
    "sgd": StackedSgd,
    "adagrad": StackedAdagrad,
}


def stacked_optimizer(
    parameters: FlatParameters,
    settings: Sequence[OptimizationConfig],
    rate_factors: Mapping[str, Sequence[float]] = NO_FACTORS,
) -> StackedOptimizer:
    """Return the optimizer of a unit, whose members share its kind.

    ``rate_factors`` holds, by name of a parameter, what multiplies each member's learning rate there.
    """
    return _KINDS[settings[0].optimizer](parameters, settings, rate_factors)
