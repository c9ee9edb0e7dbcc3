"""The training step: from its data to changed weights and a record."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trainables.config.trial import TrialConfig
from trainables.data.preprocessing import preprocessed
from trainables.foundation.global_stream import global_stream
from trainables.foundation.seeds import named_seed
from trainables.losses.balancing import Balancer, StepLoss
from trainables.networks.drawing import from_here, may_draw
from trainables.networks.multi_task import MultiTaskModel
from trainables.training.augmentation import changed
from trainables.training.objective import Coefficients, Objective, StepInput
from trainables.training.runtime import Runtime
from trainables.training.step_record import StepRecord
from trainables.training.steps.inputs import StepData


@dataclass(frozen=True)
class Trained:
    """What a step changes.

    Attributes:
        model: On the device, in its memory layout.
        balancer: Computes the gradients from the task losses.
        optimizer: Over all trained parameters; its learning rate is set by the caller.
    """

    model: MultiTaskModel
    balancer: Balancer
    optimizer: torch.optim.Optimizer


class TrainingStep:
    """The step of a trial. It makes all its tensors on the device, unless the balancing method does otherwise.

    Attributes:
        config: The trial.
        trained: What the step changes.
        runtime: Device and precision.
    """

    def __init__(self, config: TrialConfig, trained: Trained, runtime: Runtime) -> None:
        self.config = config
        self.trained = trained
        self.runtime = runtime
        self._objective = Objective(trained.model, config, runtime.autocast())
        self._coefficients = Coefficients.of(config)
        self._drawing = may_draw(trained.model) or not from_here(trained.balancer)

    def take(self, data: StepData, step: int) -> StepRecord:
        """Take one optimization step; return its record, detached, on the device.

        Args:
            data: On the device.
            step: Number of steps completed; seeds random draws.
        """
        balancer, optimizer = self.trained.balancer, self.trained.optimizer
        with self._stream(step):
            loss = self.loss(data)
            optimizer.zero_grad(set_to_none=True)
            weights = balancer.backward(loss, step)
            optimizer.step()
            balancer.after_step(loss, lambda: self.losses_again(data, step))
        return StepRecord.of(loss, weights)

    def loss(self, data: StepData) -> StepLoss:
        """Return the loss of a step, with its graph."""
        loss: StepLoss = self._objective(self._input(data), self._coefficients)
        return loss if data.numbers is None else replace(loss, numbers=data.numbers)

    def losses_again(self, data: StepData, step: int) -> Tensor:
        """Return the losses (T,) of the step's batch with the current weights, without updating running statistics.

        The random stream of the step restarts, so dropout draws the same masks and only the weights differ.
        """
        kept = [(buffer, buffer.clone()) for buffer in self.trained.model.buffers()]
        with torch.no_grad(), self._stream(step):
            losses = self._objective.losses(self._input(data), self._coefficients.margin).per_task
            for buffer, value in kept:
                buffer.copy_(value)
        return losses

    def _input(self, data: StepData) -> StepInput:
        """Return the augmented images of a step as network input, with the labels or tasks."""
        pixels = data.pixels if data.changes is None else changed(data.pixels, data.changes)
        images = preprocessed(pixels, self.config.compute.channels_last, self.config.data.preprocessing)
        return StepInput(images, data.labels, data.task_index)

    def _stream(self, step: int) -> AbstractContextManager[None]:
        """The seed of dropout and the like in user networks: derived from the step, so resuming does not change it.

        Parts of this package draw from streams of their own, and where there are no others, seeding is left out.
        """
        if not self._drawing:
            return nullcontext()
        return global_stream(named_seed(self.config.train_seed, "step", str(step)), self.runtime.device)
