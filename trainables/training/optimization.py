"""Optimizers and learning-rate schedules.

The learning rate is a pure function of the step, so resuming from a checkpoint needs only the step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from trainables.config.training import OptimizationConfig


def build_optimizer(
    config: OptimizationConfig, decayed: Iterable[nn.Parameter], undecayed: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Return the optimizer of a trial over its trainable parameters.

    Fixed settings: Adagrad as released (initial accumulator 0.1; epsilon 1e-10, which TensorFlow 1 lacks), SGD with
    Nesterov momentum 0.9, Adam and AdamW with PyTorch's defaults. ``adam`` adds the decay to the gradient (L2),
    ``adamw`` decouples it.

    Args:
        config: The optimizer, its learning rate and its decay.
        decayed: Weights of convolutions and linear layers, to which ``weight_decay`` applies.
        undecayed: Modulation vectors and batch-norm biases: decay would pull a vector to zero, where its channel
            dies, and so confound the treatment under study.
    """
    groups = [
        {"params": [parameter for parameter in parameters if parameter.requires_grad], "weight_decay": decay}
        for parameters, decay in ((decayed, config.weight_decay), (undecayed, 0.0))
    ]
    groups = [group for group in groups if group["params"]]
    rate = config.learning_rate
    match config.optimizer:
        case "adagrad":
            return torch.optim.Adagrad(groups, lr=rate, initial_accumulator_value=0.1, eps=1e-10, fused=True)
        case "adam":
            return torch.optim.Adam(groups, lr=rate, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, fused=True)
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True, fused=True)


def schedule_factor(config: OptimizationConfig, step: int, steps_per_epoch: int) -> float:
    """Return the learning-rate factor of step ``step``, counted from 0 over all epochs.

    ``cosine`` decreases from 1 and would reach 0 one step after the last. ``released`` is 1, 0.1 and 0.01 in 39, 40
    and 21 % of the steps: the released script (train_mm.py) multiplies by 0.1 before each epoch e, counted from 0, with
    (e + 1) % 40 == 0, which gives 39, 40 and 21 of its 100 epochs. ``exponential`` is ``decay_per_epoch`` to the power
    of the epoch, counted from 0. (CSN's main.py does the same with epochs counted from 1: its first rate is 0.985 times
    the one on its command line.)
    """
    total_steps = config.epochs * steps_per_epoch
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


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameter groups for the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate
