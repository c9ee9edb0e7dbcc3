"""A few steps of training, recorded so that two of them can be compared."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.training.checkpoint import Checkpoint
from trainables.training.learner import Learner


@dataclass(frozen=True)
class Tolerance:
    """How far two trainings in fp32 may lie apart; a wrong gradient lies 1 apart, a missing synchronization anywhere.

    Attributes:
        loss: Of each task in each step, relative to the largest. Two memory layouts on a CPU differ by up to 6e-5.
        movement: Of each tensor, relative to the length of its way from the start. Two layouts on a CPU differ by up to
            1e-2, and 5e-2 where a solver weights the tasks: a ReLU or a maximum changes sides.
        still: Ways below this part of the longest are compared with that part: the gradient of a bias before a batch
            norm is zero but for rounding, and differs altogether.
    """

    loss: float = 5e-4
    movement: float = 1e-1
    still: float = 1e-7


GROSS = Tolerance(loss=2e-2, movement=0.7)
"""Where rounding errors have large effects."""


@dataclass(frozen=True)
class Training:
    """What some epochs of training did, on the CPU.

    Attributes:
        metrics: What ``Learner.run_epoch`` returned, by epoch.
        start: Parameters and running statistics before.
        end: The same after.
    """

    metrics: list[dict[str, float]]
    start: dict[str, Tensor]
    end: dict[str, Tensor]


def train(learner: Learner, epochs: Sequence[int] = (1,)) -> Training:
    """Train epochs; on CUDA, steps are captured from the fourth on."""
    start = on_cpu(learner.model.state_dict())
    metrics = [learner.run_epoch(epoch) for epoch in epochs]
    return Training(metrics, start, on_cpu(learner.model.state_dict()))


def interrupted(make: Callable[[], Learner], before: Sequence[int], after: Sequence[int]) -> Training:
    """Train epochs with one learner, then go on with another from what a checkpoint's file holds of the first."""
    first, second, file = make(), make(), io.BytesIO()
    begun = train(first, before)
    torch.save(first.state(), file)
    file.seek(0)
    state = torch.load(file, map_location="cpu", weights_only=True)
    second.load_state(Checkpoint(trial_id="", epoch=0, peak_memory_bytes=0, records={}, **state))
    ended = train(second, after)
    return Training(begun.metrics + ended.metrics, begun.start, ended.end)


def differences(one: Training, other: Training, tolerance: Tolerance) -> dict[str, float]:
    """Return what lies further apart than allowed, by name: the losses, and each tensor that training moves."""
    first, second = _losses(one), _losses(other)
    found = {"losses": float((first - second).abs().max() / first.abs().max())}
    allowed = {"losses": tolerance.loss}
    still = tolerance.still * max(_way(training, name) for training in (one, other) for name in one.start)
    for name, start in one.start.items():
        if not torch.equal(start, other.start[name]):
            found[f"{name} at the start"], allowed[f"{name} at the start"] = float("inf"), 0.0
        way = max(_way(one, name), _way(other, name), still)
        apart = float((one.end[name].double() - other.end[name].double()).norm())
        found[name], allowed[name] = apart / way if way else 0.0, tolerance.movement
    return {name: value for name, value in found.items() if not value <= allowed[name]}


def same_bits(one: Training, other: Training) -> bool:
    """Return whether metrics and tensors are equal to the last bit."""
    return one.metrics == other.metrics and all(torch.equal(end, other.end[name]) for name, end in one.end.items())


def on_cpu(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return copies of tensors."""
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def _way(training: Training, name: str) -> float:
    return float((training.end[name].double() - training.start[name].double()).norm())


def _losses(training: Training) -> Tensor:
    kept = [value for epoch in training.metrics for name, value in epoch.items() if name.startswith("train/triplet")]
    return torch.tensor(kept, dtype=torch.float64)
