"""The records of training steps for the curves, and the curves of an epoch."""

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


@dataclass(frozen=True)
class EpochRecords:
    """The records of S steps, one row each: float64 on the CPU, where sums are precise enough to agree across machines.

    Attributes:
        total: (S,).
        per_task: (S, T).
        valid: (S, T).
        active: (S, T).
        penalties: (S,) by name.
        weights: (S, T), or only the rows of the steps that have weights; None if there are none.
    """

    total: Tensor
    per_task: Tensor
    valid: Tensor
    active: Tensor
    penalties: dict[str, Tensor]
    weights: Tensor | None

    @classmethod
    def of(cls, steps: Sequence[StepRecord]) -> EpochRecords:
        """Return the records of at least one step, read from the device."""
        weights = [step.weights for step in steps if step.weights is not None]
        return cls(
            total=_stacked(step.total for step in steps),
            per_task=_stacked(step.per_task for step in steps),
            valid=_stacked(step.valid for step in steps),
            active=_stacked(step.active for step in steps),
            penalties={name: _stacked(step.penalties[name] for step in steps) for name in steps[0].penalties},
            weights=_stacked(weights) if weights else None,
        )


def epoch_metrics(steps: EpochRecords, tasks: tuple[str, ...]) -> dict[str, float]:
    """Summarize an epoch. A task's loss and weight are means over the steps in which it had a valid triplet."""
    present = (steps.valid > 0).sum(dim=0)
    return {
        "train/loss": steps.total.mean().item(),
        "train/active_triplets": (steps.active.sum() / steps.valid.sum().clamp_min(1)).item(),
        "train/valid_triplets": steps.valid.sum().item(),
        **_task_means("train/triplet_loss", steps.per_task, present, tasks),
        **(_task_means("balancing/weight", steps.weights, present, tasks) if steps.weights is not None else {}),
        **{f"train/penalty/{name}": values.mean().item() for name, values in steps.penalties.items()},
    }


def _task_means(curve: str, values: Tensor, present: Tensor, tasks: tuple[str, ...]) -> dict[str, float]:
    """Return by task the sum of its column of values (steps, T) over its steps; tasks without steps are left out."""
    means = (values.sum(dim=0) / present).tolist()
    return {f"{curve}/{task}": mean for task, mean, seen in zip(tasks, means, present.tolist(), strict=True) if seen}


def _stacked(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).cpu().double()
