"""A model in training: weights, optimizer and batches, advanced one step or one epoch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.data.preprocessing import preprocessed, to_device
from trainables.failures import DivergedError
from trainables.foundation.global_stream import global_stream
from trainables.foundation.pulse import beat
from trainables.foundation.seeds import named_seed
from trainables.losses.balancing import BalancingSetup, build_balancer
from trainables.networks.multi_task import MultiTaskModel, build_model
from trainables.sampling.batch import Batch, TrainingLabels
from trainables.sampling.batches import build_batches
from trainables.training.augmentation import augment
from trainables.training.checkpoint import Checkpoint
from trainables.training.objective import Coefficients, Objective, StepInput
from trainables.training.optimization import build_optimizer, schedule_factor, set_learning_rate
from trainables.training.runtime import Runtime
from trainables.training.step_record import StepRecord, epoch_metrics

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
        self._objective = Objective(self.model, config, runtime.autocast())
        self._numbers = Coefficients.of(config)
        self.balancer = build_balancer(
            self.model, BalancingSetup(config.balancing, config.train_seed, config.data.image_size)
        )
        decayed, undecayed = _decayed_and_undecayed(self.model)
        self.optimizer = build_optimizer(config.optimization, decayed, [*undecayed, *self.balancer.parameters()])
        labels = np.array(split.labels)
        training = TrainingLabels(config.data.tasks, labels, split.triplets)
        self.batches = build_batches(config.batches, training, config.train_seed, config.optimization.steps_per_epoch)
        self.steps_done = 0
        self._config = config
        self._runtime = runtime
        self._images = split.images
        self._labels = torch.from_numpy(labels).to(runtime.device)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Take the steps of one epoch and return its metrics: means over the steps, counts over the epoch.

        Raises:
            DivergedError: a loss is not finite; the message gives ``epoch`` (1-based) and step.
        """
        self.model.train()
        first_rate = self._learning_rate()
        steps: list[StepRecord] = []
        check_every = 1 if self._runtime.device.type == "cpu" else CHECK_EVERY
        beat()
        for batch in self.batches.epoch():
            steps.append(self.take_step(batch))
            beat()
            if len(steps) % check_every == 0:
                _check_finite(steps[-check_every:], epoch, len(steps))
        _check_finite(steps[-check_every:], epoch, len(steps))
        self.balancer.end_epoch()
        metrics = epoch_metrics(steps, self._config.data.tasks)
        if self.balancer.unsolved is not None:
            metrics["balancing/unsolved_steps"] = float(self.balancer.unsolved)
            self.balancer.unsolved = 0
        return {"optimization/learning_rate": first_rate, **metrics}

    def take_step(self, batch: Batch) -> StepRecord:
        """Take one optimization step; return its record, detached, on the device."""
        set_learning_rate(self.optimizer, self._learning_rate())
        with self._stream_of_step():
            loss = self._objective(self._input(batch), self._numbers)
            self.optimizer.zero_grad(set_to_none=True)
            weights = self.balancer.backward(loss, self.steps_done)
            self.optimizer.step()
            self.balancer.after_step(loss, lambda: self._losses_again(batch))
        self.steps_done += 1
        return StepRecord.of(loss, weights)

    def state(self) -> dict[str, Any]:
        """Return everything that later steps depend on, as the fields of a ``Checkpoint``."""
        return {
            "step": self.steps_done,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "sampler": self.batches.state_dict(),
            "balancer": self.balancer.state_dict(),
        }

    def load_state(self, found: Checkpoint) -> None:
        """Resume from a ``state``."""
        self.steps_done = found.step
        self.model.load_state_dict(found.model)
        self.optimizer.load_state_dict(found.optimizer)
        self.batches.load_state_dict(found.sampler)
        self.balancer.load_state_dict(found.balancer)

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the stored weights of a finished trial."""
        self.model.load_stored_state(tensors)

    def _input(self, batch: Batch) -> StepInput:
        """Return what the network and the loss are given in a step."""
        device, images = self._runtime.device, self._read(batch)
        if batch.task_index is None:
            return StepInput(images, self._labels[torch.from_numpy(batch.rows).to(device)], None)
        return StepInput(images, None, batch.task_index.to(device))

    def _read(self, batch: Batch) -> Tensor:
        """Return the augmented images of a step as network input."""
        config = self._config
        pixels = to_device(self._images[batch.rows], self._runtime.device)
        pixels = augment(pixels, config.augmentation, config.train_seed, self.steps_done)
        return preprocessed(pixels, config.compute.channels_last, config.data.preprocessing)

    def _stream_of_step(self) -> AbstractContextManager[None]:
        """The seed of dropout and the like in user networks: derived from the step, so resuming does not change it."""
        return global_stream(named_seed(self._config.train_seed, "step", str(self.steps_done)), self._runtime.device)

    def _losses_again(self, batch: Batch) -> Tensor:
        """Return the losses (T,) of the step's batch with the current weights, without updating running statistics.

        The random stream of the step restarts, so dropout draws the same masks and only the weights differ.
        """
        kept = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        with torch.no_grad(), self._stream_of_step():
            losses = self._objective.losses(self._input(batch), self._numbers.margin).per_task
            for buffer, value in kept:
                buffer.copy_(value)
        return losses

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self._learning_rate()

    def _learning_rate(self) -> float:
        settings = self._config.optimization
        return settings.learning_rate * schedule_factor(settings, self.steps_done, self.batches.steps_per_epoch)


def _decayed_and_undecayed(model: MultiTaskModel) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
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


def _check_finite(steps: list[StepRecord], epoch: int, last_step: int) -> None:
    finite = torch.stack([step.total for step in steps]).isfinite().tolist()
    if not all(finite):
        step = last_step - len(steps) + 1 + finite.index(False)
        raise DivergedError(f"the loss is not finite in epoch {epoch}, step {step}: a lower learning rate may help")
