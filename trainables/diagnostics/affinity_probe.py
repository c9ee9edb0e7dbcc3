"""Measures inter-task affinity of a fully shared model on a training batch without changing the model."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.data.preprocessing import to_network_input
from trainables.diagnostics.affinity import LookAhead, StepAffinity, affinities, gradient_cosines
from trainables.foundation.global_stream import global_stream
from trainables.foundation.seeds import named_seed
from trainables.losses.distances import chosen_distance
from trainables.losses.gradients import gradients_of
from trainables.losses.triplet import TripletLoss, batch_triplet_loss, triplet_margin_loss
from trainables.networks.multi_task import MultiTaskModel
from trainables.sampling.batch import Batch
from trainables.training.runtime import Runtime


class AffinityProbe:
    """Looks one step ahead for each task, on the batch that training is about to use.

    This costs about T + 1 forward passes and T backward passes. Everything is computed in fp32 with running batch-norm
    statistics, so tasks do not mix, and statistics, ``.grad``, optimizer and random states do not change; the weights
    are restored bit for bit. The step is plain gradient descent, regardless of the trial's optimizer.
    """

    def __init__(self, config: TrialConfig, split: Split, runtime: Runtime) -> None:
        """Measure on batches of ``split``.

        Raises:
            ValueError: the configuration's tasks do not share one network without modulation.
        """
        if len(config.network_groups) > 1 or config.modulation.points:
            raise ValueError("affinity needs one network without modulation for all tasks")
        self._config, self._runtime = config, runtime
        self._stream = named_seed(config.train_seed, "affinity")
        self._images = split.images
        self._labels = torch.from_numpy(np.array(split.labels)).to(runtime.device)

    def measure(self, model: MultiTaskModel, batch: Batch, learning_rate: float) -> StepAffinity:
        """Return affinities and gradient cosines at the model's weights.

        Args:
            model: The shared model; not changed.
            batch: Rows of the split, in the trial's own scheme.
            learning_rate: Of the look-ahead step.
        """
        images = to_network_input(
            self._images[batch.rows],
            self._runtime.device,
            self._config.compute.channels_last,
            self._config.data.preprocessing,
        )
        training = model.training
        model.eval()
        try:
            return self._measure(model, images, batch, learning_rate)
        finally:
            model.train(training)

    def _measure(self, model: MultiTaskModel, images: Tensor, batch: Batch, rate: float) -> StepAffinity:
        stages = model.stage_parameters()
        weights = [weight for of_stage in stages.values() for weight in of_stage]
        losses = self._losses(model, images, batch)
        last = len(losses) - 1
        by_task = [gradients_of(loss, weights, retain_graph=task < last) for task, loss in enumerate(losses)]
        after = []
        for gradients in by_task:
            with LookAhead(weights, gradients, rate), torch.no_grad():
                after.append(torch.stack(self._losses(model, images, batch)))
        stacked = [torch.stack(gradients) for gradients in zip(*by_task, strict=True)]
        remaining = iter(stacked)
        return StepAffinity(
            affinity=affinities(torch.stack(losses).detach(), torch.stack(after), rate),
            cosine=gradient_cosines(stacked),
            stage_cosine={
                stage: gradient_cosines([next(remaining) for _ in of_stage]) for stage, of_stage in stages.items()
            },
        )

    def _losses(self, model: MultiTaskModel, images: Tensor, batch: Batch) -> list[Tensor]:
        """Return the loss of each task on the batch, in fp32; networks with random layers draw the same each time."""
        with global_stream(self._stream, images.device):
            return [found.loss for found in self._task_losses(model, images, batch)]

    def _task_losses(self, model: MultiTaskModel, images: Tensor, batch: Batch) -> list[TripletLoss]:
        margin, tasks = self._config.loss.margin, len(self._config.data.tasks)
        distance = chosen_distance(self._config.loss)
        if batch.task_index is None:
            labels = self._labels[torch.from_numpy(batch.rows).to(self._runtime.device)]
            embedded = model.embed_tasks(images)
            return [
                batch_triplet_loss(embedded[task : task + 1], labels[:, task : task + 1], margin, distance)
                for task in range(tasks)
            ]
        mixed = model.embed_mixed(images, batch.task_index.to(self._runtime.device))
        return [triplet_margin_loss(own, 1, margin, distance) for own in mixed.chunk(tasks)]
