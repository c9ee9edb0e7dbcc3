"""Two ways to take the steps of an epoch one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.sampling.batch import Batch, Batches
from trainables.training.optimization import LearningRate
from trainables.training.step_record import EpochRecords, StepRecord
from trainables.training.steps.ahead import InputsAhead, draw_epoch
from trainables.training.steps.capture import CapturedWork, why_not_static
from trainables.training.steps.images import step_images
from trainables.training.steps.records import RecordBuffer
from trainables.training.steps.step import TrainingStep

_log = logging.getLogger(__name__)


class EpochSteps(Protocol):
    """The steps of one epoch after another."""

    def start(self, first_step: int) -> None:
        """Begin the next epoch, after ``first_step`` steps of the trial."""
        ...

    def take(self) -> bool:
        """Take the next step; return False if the epoch is over and there is none."""
        ...

    def finite(self, start: int, stop: int) -> list[bool]:
        """Return whether the total losses of these steps of the epoch are finite."""
        ...

    def read(self) -> EpochRecords:
        """Return the records of all steps taken in the epoch, at least one."""
        ...


class StepsOneByOne:
    """Each step is drawn when it is taken: on the CPU, where nothing is gained by doing it ahead."""

    def __init__(self, take: Callable[[Batch], StepRecord], batches: Batches) -> None:
        self._take = take
        self._batches = batches
        self._epoch: Iterator[Batch] = iter(())
        self._records: list[StepRecord] = []

    def start(self, first_step: int) -> None:  # noqa: ARG002 - the one who takes a step knows its number
        """Begin the next epoch."""
        self._epoch, self._records = self._batches.epoch(), []

    def take(self) -> bool:
        """Take the next step, if there is one."""
        batch = next(self._epoch, None)
        if batch is not None:
            self._records.append(self._take(batch))
        return batch is not None

    def finite(self, start: int, stop: int) -> list[bool]:
        """Return whether the total losses of these steps are finite."""
        found: list[bool] = torch.stack([step.total for step in self._records[start:stop]]).isfinite().tolist()
        return found

    def read(self) -> EpochRecords:
        """Return the records of the epoch."""
        return EpochRecords.of(self._records)


class StepsAhead:
    """The inputs of an epoch are on the device before its first step, and a static step is captured where it may be.

    A step that is not static (``why_not_static``) gets the same inputs but runs eagerly, and its records are kept as
    they come.
    """

    def __init__(
        self, step: TrainingStep, batches: Batches, rate: LearningRate, images: NDArray[np.uint8], labels: Tensor
    ) -> None:
        """Prepare to take steps.

        Args:
            step: The step, with its model on the device.
            batches: The stream of batches.
            rate: Of the optimizer.
            images: (N, H, W, 3) of the training split.
            labels: (N, T) int64 of the training split, on the device.
        """
        self._step, self._batches, self._rate = step, batches, rate
        self._images, self._labels = images, labels
        self._inputs: InputsAhead | None = None
        self._buffer: RecordBuffer | None = None
        self._records: list[StepRecord] = []
        self._rates: list[float] = []
        self._steps_done, self._taken = 0, 0
        self._obstacle = why_not_static(step.config, step.trained.model, type(step.trained.balancer))
        self._work = self._new_work()

    @property
    def captured(self) -> bool:
        """Whether steps are replayed from a CUDA graph."""
        return self._work.captured

    def start(self, first_step: int) -> None:
        """Draw the next epoch and copy it to the device."""
        config = self._step.config
        batches = list(self._batches.epoch())
        drawn = draw_epoch(batches, config, self._step.trained.balancer, first_step, self._batches.steps_per_epoch)
        if self._inputs is None:
            images = step_images(self._images, drawn.rows.shape[1], config.compute, self._labels.device)
            self._inputs = InputsAhead(drawn, self._labels, images, self._rate.dtype)
        self._inputs.start(drawn)
        self._records, self._rates = [], drawn.rates.tolist()
        self._steps_done, self._taken = first_step, 0

    def take(self) -> bool:
        """Take the next step, if there is one."""
        if self._inputs is None or not self._inputs.prepare():
            return False
        if not self._rate.on_device:
            self._rate.set(self._rates[self._taken])
        self._work.do(self._take_one)
        self._taken += 1
        self._steps_done += 1
        return True

    def finite(self, start: int, stop: int) -> list[bool]:
        """Return whether the total losses of these steps are finite; waits for the device."""
        if self._buffer is not None:
            return self._buffer.finite(start, stop)
        found: list[bool] = torch.stack([step.total for step in self._records[start:stop]]).isfinite().tolist()
        return found

    def read(self) -> EpochRecords:
        """Return the records of the epoch; waits for the device."""
        return self._buffer.read(self._taken) if self._buffer is not None else EpochRecords.of(self._records)

    def _take_one(self) -> None:
        """Take the step at the place: all that a graph holds."""
        inputs = self._inputs
        if inputs is None:
            raise RuntimeError("no epoch has begun")
        if self._rate.on_device:
            self._rate.copy_from(inputs.rate())
        record = self._step.take(inputs.data(), self._steps_done)
        if self._obstacle is not None:
            self._records.append(record)
        else:
            if self._buffer is None:
                self._buffer = RecordBuffer(self._batches.steps_per_epoch, record)
            self._buffer.write(inputs.place, record)
        inputs.advance()

    def _new_work(self) -> CapturedWork:
        device = self._step.runtime.device
        wanted = device.type == "cuda" and self._step.config.compute.graph == "auto"
        if wanted and self._obstacle is not None:
            _log.warning("the step is not captured as a CUDA graph: %s", self._obstacle)
        return CapturedWork(device, capture=wanted and self._obstacle is None)
