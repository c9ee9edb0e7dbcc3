"""A model in training: weights, optimizer and batches, advanced one step or one epoch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.data.preprocessing import to_device
from trainables.failures import DivergedError
from trainables.foundation.pulse import beat
from trainables.losses.balancing import BalancingSetup, StepLoss, build_balancer
from trainables.networks.modulation.layout import RowLayout
from trainables.networks.multi_task import MultiTaskModel, build_model
from trainables.sampling.batch import Batch, TrainingLabels
from trainables.sampling.batches import build_batches
from trainables.training.augmentation import draw_changes
from trainables.training.checkpoint import Checkpoint
from trainables.training.optimization import (
    LearningRate,
    build_optimizer,
    load_optimizer_state,
    optimizer_state,
    rate_of_step,
)
from trainables.training.runtime import Runtime
from trainables.training.step_record import StepRecord, epoch_metrics
from trainables.training.steps.driving import EpochSteps, StepsAhead, StepsOneByOne
from trainables.training.steps.inputs import StepData
from trainables.training.steps.step import Trained, TrainingStep

CHECK_EVERY = 50
"""Steps between checks of the losses on an accelerator, where each check waits for the device."""


class Learner:
    """The state that training changes, and the training step.

    Attributes:
        model: On the trial's device, in its memory layout.
        balancer: Computes the gradient of a step from the task losses.
        optimizer: Over the trainable parameters, without frozen modulation vectors.
        batches: The stream of training steps.
        steps_done: Optimization steps since the start of the trial.
    """

    def __init__(self, config: TrialConfig, split: Split, runtime: Runtime) -> None:
        self.model = runtime.place(build_model(config))
        self.balancer = build_balancer(
            self.model, BalancingSetup(config.balancing, config.train_seed, config.data.image_size)
        )
        decayed, undecayed = decayed_and_undecayed(self.model)
        undecayed += self.balancer.parameters()
        self.optimizer = build_optimizer(config.optimization, decayed, undecayed, rate_factors(self.model, config))
        labels = np.array(split.labels)
        training = TrainingLabels(config.data.tasks, labels, split.triplets)
        self.batches = build_batches(config.batches, training, config.train_seed, config.optimization.steps_per_epoch)
        self.batches.steps_per_epoch = config.optimization.steps_taken(self.batches.steps_per_epoch)
        self.steps_done = 0
        self._config = config
        self._runtime = runtime
        self._images = split.images
        self._labels = torch.from_numpy(labels).to(runtime.device)
        self._task_index: tuple[Tensor, Tensor] | None = None
        self._rate = LearningRate(self.optimizer)
        self._step = TrainingStep(config, Trained(self.model, self.balancer, self.optimizer), runtime)
        self._ahead = self._new_steps_ahead()

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Take the steps of one epoch and return its metrics: means over the steps, counts over the epoch.

        Raises:
            DivergedError: a loss is not finite; the message gives ``epoch`` (1-based) and step.
        """
        self.model.train()
        first_rate = self.learning_rate
        check_every = 1 if self._runtime.device.type == "cpu" else CHECK_EVERY
        taken, checked = 0, 0
        beat()
        steps = self._next_epoch()
        while steps.take():
            self.steps_done += 1
            taken += 1
            beat()
            if taken == checked + check_every:
                check_finite(steps.finite(checked, taken), epoch, checked)
                checked = taken
        if checked < taken:
            check_finite(steps.finite(checked, taken), epoch, checked)
        self.balancer.end_epoch()
        metrics = epoch_metrics(steps.read(), self._config.data.tasks)
        if self.balancer.unsolved is not None:
            metrics["balancing/unsolved_steps"] = float(self.balancer.unsolved)
            self.balancer.unsolved = 0
        return {"optimization/learning_rate": first_rate, **metrics}

    def endless_steps(self) -> Iterator[None]:
        """Take one step per iteration, epoch after epoch, as ``run_epoch`` takes them; for timing."""
        while True:
            steps = self._next_epoch()
            while steps.take():
                self.steps_done += 1
                yield

    def take_step(self, batch: Batch) -> StepRecord:
        """Take one optimization step on any batch; return its record, detached, on the device."""
        record = self._take(batch)
        self.steps_done += 1
        return record

    def loss(self, batch: Batch) -> StepLoss:
        """Return the loss that a step on this batch would have now, with its graph."""
        return self._step.loss(self.data_of(batch))

    def data_of(self, batch: Batch) -> StepData:
        """Return the data of a step on this batch now, on the device."""
        device, step = self._runtime.device, self.steps_done
        drawn = draw_changes(len(batch.rows), self._config.augmentation, self._config.train_seed, step)
        numbers = self.balancer.before_step(step)
        own = batch.task_index
        return StepData(
            pixels=to_device(self._images[batch.rows], device),
            labels=self._labels[torch.from_numpy(batch.rows).to(device)] if own is None else None,
            task_index=None if own is None else self._noted(own),
            changes=None if drawn is None else drawn.to(device),
            numbers=None if numbers is None else numbers.to(device),
        )

    def state(self) -> dict[str, Any]:
        """Return everything that later steps depend on, as the fields of a ``Checkpoint``."""
        return {
            "step": self.steps_done,
            "model": self.model.state_dict(),
            "optimizer": optimizer_state(self.optimizer),
            "sampler": self.batches.state_dict(),
            "balancer": self.balancer.state_dict(),
        }

    def load_state(self, found: Checkpoint) -> None:
        """Resume from a ``state``."""
        self.steps_done = found.step
        self.model.load_state_dict(found.model)
        load_optimizer_state(self.optimizer, found.optimizer)
        self.batches.load_state_dict(found.sampler)
        self.balancer.load_state_dict(found.balancer)
        self._ahead = self._new_steps_ahead()  # a graph would go on with the tensors that were replaced

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the stored weights of a finished trial."""
        self.model.load_stored_state(tensors)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return rate_of_step(self._config.optimization, self.steps_done, self.batches.steps_per_epoch)

    @property
    def captured(self) -> bool:
        """Whether the steps of an epoch are replayed from a CUDA graph."""
        return self._ahead is not None and self._ahead.captured

    def _take(self, batch: Batch) -> StepRecord:
        self._rate.set(self.learning_rate)
        return self._step.take(self.data_of(batch), self.steps_done)

    def _noted(self, task_index: Tensor) -> Tensor:
        """Return a task index on the device with its layout; samplers give the same tensor for every step."""
        if self._task_index is None or self._task_index[0] is not task_index:
            self._task_index = task_index, RowLayout(task_index.tolist()).index(self._runtime.device)
        return self._task_index[1]

    def _next_epoch(self) -> EpochSteps:
        """Begin the next epoch of the stream."""
        steps = StepsOneByOne(self._take, self.batches) if self._ahead is None else self._ahead
        steps.start(self.steps_done)
        return steps

    def _new_steps_ahead(self) -> StepsAhead | None:
        """Return the steps of an accelerator; on the CPU nothing is gained by preparing them."""
        if self._runtime.device.type == "cpu":
            return None
        return StepsAhead(self._step, self.batches, self._rate, self._images, self._labels)


def decayed_and_undecayed(model: MultiTaskModel) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split the parameters into layer weights with their copies, and biases with all other modulation."""
    decayed: list[nn.Parameter] = []
    undecayed: list[nn.Parameter] = []
    for network in model.members:
        for parameter in network.backbone.parameters():
            (decayed if parameter.ndim > 1 else undecayed).append(parameter)
        for modulation in network.points().values():
            own = {id(parameter) for parameter in modulation.decayed_parameters()}
            decayed += modulation.decayed_parameters()
            undecayed += [parameter for parameter in modulation.parameters() if id(parameter) not in own]
    return decayed, undecayed


def rate_factors(model: MultiTaskModel, config: TrialConfig) -> dict[nn.Parameter, float]:
    """Return what multiplies the learning rate of the forms' own parameters, ``modulation.rate_factor``."""
    points = [modulation for network in model.members for modulation in network.points().values()]
    return {own: config.modulation.rate_factor for modulation in points for own in modulation.parameters()}


def check_finite(finite: list[bool], epoch: int, steps_before: int) -> None:
    """Raise DivergedError if one of these losses, of the steps after ``steps_before``, is not finite."""
    if not all(finite):
        step = steps_before + 1 + finite.index(False)
        raise DivergedError(f"the loss is not finite in epoch {epoch}, step {step}: a lower learning rate may help")
