"""Optimizers and learning-rate schedules.

The learning rate is a pure function of the step, so resuming from a checkpoint needs only the step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from trainables.config.training import OptimizationConfig

NOT_FUSED = {("adagrad", "mps")}
"""The optimizers and devices for which torch has no kernel that updates all parameters at once."""

FACTOR = "rate_factor"
"""Key of a group of parameters whose learning rate is a multiple of the others'."""

NO_FACTORS: Mapping[nn.Parameter, float] = {}

ADAGRAD_START, ADAGRAD_EPSILON = 0.1, 1e-10
"""As released, but for the epsilon, which TensorFlow 1 lacks."""


def build_optimizer(
    config: OptimizationConfig,
    decayed: Iterable[nn.Parameter],
    undecayed: Iterable[nn.Parameter],
    rate_factors: Mapping[nn.Parameter, float] = NO_FACTORS,
) -> torch.optim.Optimizer:
    """Return the optimizer of a trial over its trainable parameters.

    Fixed settings: Adagrad as released, SGD with Nesterov momentum 0.9, Adam and AdamW with PyTorch's defaults.
    ``adam`` adds the decay to the gradient (L2), ``adamw`` decouples it.

    Args:
        config: The optimizer, its learning rate and its decay.
        decayed: Weights of convolutions and linear layers, to which ``weight_decay`` applies.
        undecayed: Modulation vectors and batch-norm biases: decay would pull a vector to zero, where its channel
            dies, and so confound the treatment under study.
        rate_factors: By what the learning rate of a parameter is multiplied, where that is not 1. They change how the
            parameters are grouped, but not their order, which numbers them in the optimizer's state.
    """
    groups: list[dict[str, Any]] = []
    for parameters, decay in ((decayed, config.weight_decay), (undecayed, 0.0)):
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        for factor, alike in groupby(trained, lambda parameter: rate_factors.get(parameter, 1.0)):
            groups.append({"params": list(alike), "weight_decay": decay})
            if factor != 1:
                groups[-1] |= {FACTOR: factor, "lr": config.learning_rate * factor}
    rate = config.learning_rate
    kinds = {parameter.device.type for group in groups for parameter in group["params"]}
    fused = not {(config.optimizer, kind) for kind in kinds} & NOT_FUSED
    graphs = kinds == {"cuda"}  # there Adam must know that a graph may hold its step; the others need not
    match config.optimizer:
        case "adagrad":
            start, epsilon = ADAGRAD_START, ADAGRAD_EPSILON
            return torch.optim.Adagrad(groups, lr=rate, initial_accumulator_value=start, eps=epsilon, fused=fused)
        case "adam":
            return torch.optim.Adam(groups, lr=rate, fused=fused, capturable=graphs)
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, fused=fused, capturable=graphs)
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True, fused=fused)


def schedule_factor(config: OptimizationConfig, step: int, steps_per_epoch: int) -> float:
    """Return the learning-rate factor of step ``step``, counted from 0 over all epochs.

    ``cosine`` decreases from 1 and would reach 0 one step after the last. ``released`` is 1, 0.1 and 0.01 in 39, 40
    and 21 % of the steps: the released script (train_mm.py) multiplies by 0.1 before each epoch e, counted from 0, with
    (e + 1) % 40 == 0, which gives 39, 40 and 21 of its 100 epochs. ``exponential`` is ``decay_per_epoch`` to the power
    of the epoch, counted from 0. (CSN's main.py does the same with epochs counted from 1: its first rate is 0.985 times
    the one on its command line.) After each of ``restarts``, the schedule begins again and spans the epochs up to the
    next.
    """
    begin, end = _cycle(config, step // steps_per_epoch)
    step, total_steps = step - begin * steps_per_epoch, (end - begin) * steps_per_epoch
    match config.schedule:
        case "constant":
            return 1.0
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * step / total_steps))
        case "released":
            drops = (100 * step >= 39 * total_steps) + (100 * step >= 79 * total_steps)
            return (1.0, 0.1, 0.01)[drops]
        case "exponential":
            return math.pow(config.decay_per_epoch, step // steps_per_epoch)


def _cycle(config: OptimizationConfig, epochs_done: int) -> tuple[int, int]:
    """Return the epochs done at the start and at the end of the cycle of the schedule at this point."""
    edges = (0, *config.restarts, config.epochs)
    cycle = next((place for place, end in enumerate(edges[1:]) if epochs_done < end), len(edges) - 2)
    return edges[cycle], edges[cycle + 1]


def rate_of_step(config: OptimizationConfig, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of step ``step``, counted from 0 over all epochs."""
    return config.learning_rate * schedule_factor(config, step, steps_per_epoch)


class LearningRate:
    """The learning rate of all parameter groups: a number, or on CUDA a float32 tensor that a captured step can read.

    The rate of a group is that of the trial times the group's factor, if it has one.
    torch's fused kernels read a tensor on the device there, where a number would be fixed in the graph. Elsewhere the
    number spares them a wait.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, on_device: torch.device | None = None) -> None:
        """Take over the rate of an optimizer.

        Args:
            optimizer: With at least one parameter.
            on_device: Where to keep the rate as a tensor; None means on the parameters' device if that is CUDA, and as
                a number elsewhere.
        """
        self._optimizer = optimizer
        device = optimizer.param_groups[0]["params"][0].device if on_device is None else on_device
        self.on_device = on_device is not None or device.type == "cuda"
        # a tensor on the CPU is read there in double precision
        self.dtype = torch.float64 if device.type == "cpu" else torch.float32
        factors = {group.get(FACTOR, 1.0) for group in optimizer.param_groups}
        self._tensors = {factor: torch.zeros((), dtype=self.dtype, device=device) for factor in factors}
        if self.on_device:
            self.set(optimizer.defaults["lr"])

    def set(self, rate: float) -> None:
        """Set the rate of the next step."""
        if self.on_device:
            for factor, tensor in self._tensors.items():
                tensor.fill_(rate * factor)
        for group in self._optimizer.param_groups:
            factor = group.get(FACTOR, 1.0)
            group["lr"] = self._tensors[factor] if self.on_device else rate * factor

    def copy_from(self, rate: Tensor) -> None:
        """Set the rate of the next step to a scalar on the device, without the host reading it."""
        for factor, tensor in self._tensors.items():
            tensor.copy_(rate if factor == 1 else rate * factor)


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the optimizer's ``state_dict`` with learning rates as numbers."""
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        group["lr"] = float(group["lr"])
    return state


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load moments and counts from a state; settings stay those of this optimizer.

    torch would take all settings from the state, and with them where another device keeps its rate and its counts.
    """
    own = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    groups = [{**saved, **kept} for saved, kept in zip(state["param_groups"], own, strict=True)]
    optimizer.load_state_dict({"state": state["state"], "param_groups": groups})
    for group, kept in zip(optimizer.param_groups, own, strict=True):
        group.update(kept)  # torch has copied them; a rate that is a tensor must stay this one
