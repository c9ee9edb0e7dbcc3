"""The inputs of all steps of an epoch, drawn ahead on the host and copied to the device once.

A sampler's state is saved between epochs only, so drawing an epoch ahead changes no number. Each step takes its own
row of every tensor by a place that is on the device too: nothing comes from the host during a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.config.trial import TrialConfig
from trainables.losses.balancing import Balancer
from trainables.networks.modulation.layout import RowLayout
from trainables.sampling.batch import Batch
from trainables.training.augmentation import Changes, draw_changes
from trainables.training.optimization import rate_of_step
from trainables.training.steps.images import StepImages
from trainables.training.steps.inputs import StepData


@dataclass(frozen=True)
class Drawn:
    """What the host draws for the S steps of an epoch, on the CPU.

    Attributes:
        rows: (S, B) of the training split.
        task_index: (B,) task of each slot, the same in all steps; None if every image serves all tasks.
        rates: (S,) learning rates.
        shifts: (S, 2, B, 1) and
        mirrored: (S, B, 1), see ``Changes``; None without augmentation.
        numbers: (S, ...) what ``Balancer.before_step`` returned; None if it returned nothing.
    """

    rows: NDArray[np.int64]
    task_index: Tensor | None
    rates: Tensor
    shifts: Tensor | None
    mirrored: Tensor | None
    numbers: Tensor | None

    def tensors(self) -> dict[str, Tensor]:
        """Return what goes to the device, by name."""
        found = {"rows": torch.from_numpy(self.rows), "rates": self.rates}
        parts = {"shifts": self.shifts, "mirrored": self.mirrored, "numbers": self.numbers}
        return found | {name: value for name, value in parts.items() if value is not None}


def draw_epoch(
    batches: Sequence[Batch], config: TrialConfig, balancer: Balancer, first_step: int, steps_per_epoch: int
) -> Drawn:
    """Draw for all steps of an epoch what single steps would draw.

    Args:
        batches: The steps of the epoch, all of one size and with the same task of each slot.
        config: The trial.
        balancer: Of the trial.
        first_step: Steps completed before the epoch.
        steps_per_epoch: Of the schedule of the learning rate.
    """
    steps = range(first_step, first_step + len(batches))
    size = len(batches[0].rows)
    changes = [draw_changes(size, config.augmentation, config.train_seed, step) for step in steps]
    drawn = [change for change in changes if change is not None]
    numbers = [found for found in (balancer.before_step(step) for step in steps) if found is not None]
    rates = [rate_of_step(config.optimization, step, steps_per_epoch) for step in steps]
    return Drawn(
        rows=np.stack([batch.rows for batch in batches]),
        task_index=batches[0].task_index,
        rates=torch.tensor(rates, dtype=torch.float64),
        shifts=torch.stack([change.shifts for change in drawn]) if drawn else None,
        mirrored=torch.stack([change.mirrored for change in drawn]) if drawn else None,
        numbers=torch.stack(numbers) if numbers else None,
    )


class InputsAhead:
    """The inputs of an epoch on the device, at addresses that stay from epoch to epoch, and the place in them."""

    def __init__(self, drawn: Drawn, labels: Tensor, images: StepImages, rate_dtype: torch.dtype) -> None:
        """Allocate for epochs of the shapes of ``drawn``.

        Args:
            drawn: The first epoch.
            labels: (N, T) int64 of the training split, on the device.
            images: The pixels.
            rate_dtype: Of the learning rates: the optimizer's.
        """
        device = labels.device
        self.place = torch.zeros(1, dtype=torch.int64, device=device)
        self._labels, self._images = labels, images
        tasks = drawn.task_index
        self._task_index = None if tasks is None else RowLayout(tasks.tolist()).index(device)
        self._tensors = {
            name: torch.empty_like(value, device=device, dtype=rate_dtype if name == "rates" else value.dtype)
            for name, value in drawn.tensors().items()
        }
        self._rows = drawn.rows
        self._taken = 0

    def start(self, drawn: Drawn) -> None:
        """Copy an epoch to the device and go to its first step."""
        for name, value in drawn.tensors().items():
            self._tensors[name].copy_(value)
        self._rows, self._taken = drawn.rows, 0
        self.place.zero_()

    def prepare(self) -> bool:
        """Prepare the pixels of the next step on the host; return False if the epoch is over."""
        if self._taken == len(self._rows):
            return False
        self._images.prepare(self._rows[self._taken])
        self._taken += 1
        return True

    def rate(self) -> Tensor:
        """Return the learning rate at the place, scalar."""
        return self._at("rates")

    def data(self) -> StepData:
        """Return the data of the step at the place; everything is selected on the device."""
        rows = self._at("rows")
        changes = Changes(self._at("shifts"), self._at("mirrored")) if "shifts" in self._tensors else None
        return StepData(
            pixels=self._images.pixels(rows),
            labels=self._labels.index_select(0, rows) if self._task_index is None else None,
            task_index=self._task_index,
            changes=changes,
            numbers=self._at("numbers") if "numbers" in self._tensors else None,
        )

    def advance(self) -> None:
        """Go to the next step."""
        self.place.add_(1)

    def _at(self, name: str) -> Tensor:
        return self._tensors[name].index_select(0, self.place).squeeze(0)
