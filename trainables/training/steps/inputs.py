"""What a training step is given, on its device."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from trainables.training.augmentation import Changes


@dataclass(frozen=True)
class StepData:
    """The data of one step.

    Attributes:
        pixels: (B, H, W, 3) uint8, as stored.
        labels: (B, T) int64, if every image serves all tasks.
        task_index: (B,) int64 task of each slot, if every image serves one, with its layout noted.
        changes: What is drawn to augment the pixels; None leaves them as they are.
        numbers: What ``Balancer.before_step`` returned, if anything.
    """

    pixels: Tensor
    labels: Tensor | None
    task_index: Tensor | None
    changes: Changes | None
    numbers: Tensor | None
