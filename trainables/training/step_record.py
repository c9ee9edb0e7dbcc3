"""The record of a training step for the curves, and the curves of an epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from trainables.losses.balancing import StepLoss


@dataclass(frozen=True)
class StepRecord:
    """One step, detached, on the device.

    Attributes:
        total: Scalar: mean loss of the tasks with a valid triplet, plus the penalties.
        per_task: (T,) loss of each task, 0 without a valid triplet.
        valid: (T,) valid triplets.
        active: (T,) valid triplets that violate the margin.
        penalties: Scalars by name, in the order in which they were added.
        weights: (T,) factor of each task's gradient; None if the method has none.
    """

    total: Tensor
    per_task: Tensor
    valid: Tensor
    active: Tensor
    penalties: dict[str, Tensor]
    weights: Tensor | None

    @classmethod
    def of(cls, loss: StepLoss, weights: Tensor | None) -> StepRecord:
        """Return the record of a step from its loss and the weights of its tasks."""
        losses = loss.triplets
        penalties = {name: penalty.detach() for name, penalty in loss.penalties.items()}
        total, per_task = loss.total.detach(), losses.per_task.detach()
        return cls(total, per_task, losses.valid, losses.active, penalties, weights)


def epoch_metrics(steps: Sequence[StepRecord], tasks: tuple[str, ...]) -> dict[str, float]:
    """Summarize an epoch. A task's loss and weight are means over the steps in which it had a valid triplet."""
    valid, active = (_stacked(step.valid for step in steps), _stacked(step.active for step in steps))
    present = (valid > 0).sum(dim=0)
    weights = [step.weights for step in steps if step.weights is not None]
    return {
        "train/loss": _stacked(step.total for step in steps).mean().item(),
        "train/active_triplets": (active.sum() / valid.sum().clamp_min(1)).item(),
        "train/valid_triplets": valid.sum().item(),
        **_task_means("train/triplet_loss", _stacked(step.per_task for step in steps), present, tasks),
        **(_task_means("balancing/weight", _stacked(weights), present, tasks) if weights else {}),
        **{
            f"train/penalty/{name}": _stacked(step.penalties[name] for step in steps).mean().item()
            for name in steps[0].penalties
        },
    }


def _task_means(curve: str, values: Tensor, present: Tensor, tasks: tuple[str, ...]) -> dict[str, float]:
    """Return by task the sum of its column of values (steps, T) over its steps; tasks without steps are left out."""
    means = (values.sum(dim=0) / present).tolist()
    return {f"{curve}/{task}": mean for task, mean, seen in zip(tasks, means, present.tolist(), strict=True) if seen}


def _stacked(values: Iterable[Tensor]) -> Tensor:
    """Return (steps, ...) in float64 on the CPU, where epoch sums are precise enough to agree across machines."""
    return torch.stack(list(values)).to("cpu", torch.float64)
