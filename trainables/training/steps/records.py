"""The records of an epoch's steps in two tensors on the device, which the host reads once an epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.training.step_record import EpochRecords, StepRecord


class RecordBuffer:
    """One row per step of an epoch: losses, penalties and weights in one tensor, counts of triplets in another."""

    def __init__(self, steps: int, first: StepRecord) -> None:
        """Allocate rows for records that have the same fields as ``first``."""
        self._tasks = len(first.per_task)
        self._penalties = tuple(first.penalties)
        self._weighted = first.weights is not None
        columns = 1 + self._tasks + len(self._penalties) + self._weighted * self._tasks
        self._losses = torch.zeros(steps, columns, dtype=first.total.dtype, device=first.total.device)
        self._counts = torch.zeros(steps, 2 * self._tasks, dtype=torch.int64, device=first.total.device)

    def write(self, place: Tensor, record: StepRecord) -> None:
        """Write the record of the step at ``place`` (1,), int64 on the device."""
        scalars = [record.total, *(record.penalties[name] for name in self._penalties)]
        weights = [] if record.weights is None else [record.weights]
        losses = torch.cat([torch.stack(scalars), record.per_task, *weights])
        self._losses.index_put_((place,), losses[None])
        self._counts.index_put_((place,), torch.cat([record.valid, record.active])[None])

    def finite(self, start: int, stop: int) -> list[bool]:
        """Return whether the total losses of these steps are finite; waits for the device."""
        found: list[bool] = self._losses[start:stop, 0].isfinite().tolist()
        return found

    def read(self, steps: int) -> EpochRecords:
        """Return the records of the first ``steps`` steps; waits for the device."""
        losses, counts = self._losses[:steps].cpu().double(), self._counts[:steps].cpu().double()
        scalars = 1 + len(self._penalties)
        by_task = losses[:, scalars:].reshape(steps, -1, self._tasks)
        return EpochRecords(
            total=losses[:, 0],
            per_task=by_task[:, 0],
            valid=counts[:, : self._tasks],
            active=counts[:, self._tasks :],
            penalties={name: losses[:, 1 + column] for column, name in enumerate(self._penalties)},
            weights=by_task[:, 1] if self._weighted else None,
        )
