"""A model in training: weights, optimizer and batches, advanced one step or one epoch at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.batches import Batch, build_batches
from trainables.compute import Runtime
from trainables.config import TrialConfig
from trainables.data import Split
from trainables.images import to_network_input
from trainables.losses import TripletLoss, batch_triplet_loss, triplet_margin_loss
from trainables.network import MultiTaskModel, build_model
from trainables.optimization import build_optimizer, schedule_factor, set_learning_rate

CHECK_EVERY = 50
"""Steps between two looks at the losses on an accelerator, where every look waits for the device."""


class DivergedError(RuntimeError):
    """The loss or an embedding is not finite: a result of the trial's settings, so repeating it is of no use."""


class Learner:
    """Everything that training changes, and the step that changes it.

    Attributes:
        model: On the trial's device, in its memory layout.
        optimizer: Over the trainable parameters; frozen modulation vectors are not given to it.
        batches: The stream of training steps.
        steps_done: Optimization steps since the start of the trial.
    """

    def __init__(self, config: TrialConfig, split: Split, runtime: Runtime) -> None:
        self.model = runtime.place(build_model(config))
        self.optimizer = build_optimizer(config.optimization, *_decayed_and_undecayed(self.model))
        labels = np.array(split.labels)
        self.batches = build_batches(config, labels, split.triplets)
        self.steps_done = 0
        self._config = config
        self._runtime = runtime
        self._images = split.images
        self._labels = torch.from_numpy(labels).to(runtime.device)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Take the steps of one epoch and return its metrics: means over the steps, counts over the epoch.

        Raises:
            DivergedError: a loss is not finite; names ``epoch`` (1-based) and step.
        """
        self.model.train()
        first_rate = self._learning_rate()
        losses: list[TripletLoss] = []
        check_every = 1 if self._runtime.device.type == "cpu" else CHECK_EVERY
        for batch in self.batches.epoch():
            losses.append(self.take_step(batch))
            if len(losses) % check_every == 0:
                _check_finite(losses[-check_every:], epoch, len(losses))
        _check_finite(losses[-check_every:], epoch, len(losses))
        return {"optimization/learning_rate": first_rate, **_epoch_metrics(losses, self._config.data.tasks)}

    def take_step(self, batch: Batch) -> TripletLoss:
        """Take one optimization step; the loss comes back detached, on the device."""
        set_learning_rate(self.optimizer, self._learning_rate())
        loss = self._loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss.loss)
        self.optimizer.step()
        self.steps_done += 1
        return TripletLoss(loss.loss.detach(), loss.per_task, loss.valid, loss.active)

    def state(self) -> dict[str, Any]:
        """Return all that the coming steps depend on, as the fields of a ``Checkpoint``."""
        return {
            "step": self.steps_done,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "sampler": self.batches.state_dict(),
        }

    def load_state(self, step: int, model: dict[str, Any], optimizer: dict[str, Any], sampler: dict[str, Any]) -> None:
        """Go on where ``state`` was taken."""
        self.steps_done = step
        self.model.load_state_dict(model)
        self.optimizer.load_state_dict(optimizer)
        self.batches.load_state_dict(sampler)

    def _loss(self, batch: Batch) -> TripletLoss:
        """Run the network under autocast, if set, and the loss in fp32."""
        runtime, margin = self._runtime, self._config.loss.margin
        images = to_network_input(self._images[batch.rows], runtime.device, self._config.compute.channels_last)
        if batch.task_index is None:
            with runtime.autocast():
                by_task = self.model.embed_tasks(images)
            return batch_triplet_loss(by_task, self._labels[torch.from_numpy(batch.rows).to(runtime.device)], margin)
        with runtime.autocast():
            mixed = self.model.embed_mixed(images, batch.task_index.to(runtime.device))
        return triplet_margin_loss(mixed, len(self._config.data.tasks), margin)

    def _learning_rate(self) -> float:
        settings = self._config.optimization
        total_steps = settings.epochs * self.batches.steps_per_epoch
        return settings.learning_rate * schedule_factor(settings.schedule, self.steps_done, total_steps)


def _decayed_and_undecayed(model: MultiTaskModel) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split the parameters into layer weights, and biases with modulation vectors."""
    decayed: list[nn.Parameter] = []
    undecayed: list[nn.Parameter] = []
    for network in model.members:
        for parameter in network.backbone.parameters():
            (decayed if parameter.ndim > 1 else undecayed).append(parameter)
        undecayed += network.modulations.parameters()
    return decayed, undecayed


def _check_finite(losses: list[TripletLoss], epoch: int, last_step: int) -> None:
    finite = torch.stack([loss.loss for loss in losses]).isfinite().tolist()
    if not all(finite):
        step = last_step - len(losses) + 1 + finite.index(False)
        raise DivergedError(f"the loss is not finite in epoch {epoch}, step {step}: a lower learning rate may help")


def _epoch_metrics(losses: list[TripletLoss], tasks: tuple[str, ...]) -> dict[str, float]:
    """Sum up an epoch. A task's loss is the mean over the steps in which it had a valid triplet."""
    valid, active = (_stacked(loss.valid for loss in losses), _stacked(loss.active for loss in losses))
    per_task = _stacked(loss.per_task for loss in losses)
    steps = (valid > 0).sum(dim=0)
    task_losses = per_task.sum(dim=0) / steps
    return {
        "train/loss": _stacked(loss.loss for loss in losses).mean().item(),
        "train/active_triplets": (active.sum() / valid.sum().clamp_min(1)).item(),
        "train/valid_triplets": valid.sum().item(),
        **{
            f"train/triplet_loss/{task}": loss
            for task, loss, seen in zip(tasks, task_losses.tolist(), steps.tolist(), strict=True)
            if seen
        },
    }


def _stacked(values: Iterable[Tensor]) -> Tensor:
    """Return (steps, ...) in float64 on the CPU, where sums of an epoch are exact enough to be the same everywhere."""
    return torch.stack(list(values)).to("cpu", torch.float64)
