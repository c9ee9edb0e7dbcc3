"""Measures ``update_agreement`` of a model over one training epoch without changing the model."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.data.preprocessing import to_network_input
from trainables.diagnostics.agreement import StageAgreement, agreement_metrics, conflict_metrics, stage_agreement
from trainables.foundation.global_stream import global_stream
from trainables.foundation.seeds import named_seed
from trainables.losses.distances import chosen_distance
from trainables.losses.gradients import gradients_of
from trainables.losses.triplet import batch_triplet_loss
from trainables.networks.multi_task import MultiTaskModel, RetrievalNetwork
from trainables.training.runtime import Runtime

Layers = dict[tuple[int, str], list[Tensor]]
"""By (index of the network, stage): one tensor per layer."""


@dataclass(frozen=True)
class Window:
    """The start of a window: the weights, and the gradients of each task's loss, (T, ...) stacked by task."""

    weights: Layers
    gradients: Layers


class AgreementProbe:
    """Compares each task's gradients of the shared weights with the weights' change over a training epoch.

    Gradients are computed at the start of the epoch, with one forward pass and one backward pass per task, on a fixed
    batch of training images from a separate random stream. Each task uses all its valid triplets in that batch. The
    computation uses fp32 and running batch-norm statistics, so tasks do not mix, and statistics, ``.grad`` and random
    states do not change. The step u is the weights' change over the epoch.

    The measure covers the convolutions and linear layers of the backbones. Tasks of different networks share no layers
    and are not compared. In the first epoch, running statistics still have their initial values.
    """

    def __init__(self, config: TrialConfig, split: Split, runtime: Runtime) -> None:
        labelled = np.flatnonzero((np.asarray(split.labels) >= 0).any(axis=1))
        generator = np.random.default_rng(named_seed(config.train_seed, "agreement"))
        rows = np.sort(generator.choice(labelled, min(config.agreement.images, len(labelled)), replace=False))
        self._images = to_network_input(
            split.images[rows], runtime.device, config.compute.channels_last, config.data.preprocessing
        )
        labels = torch.from_numpy(np.array(split.labels[rows])).to(runtime.device)
        self._labels = dict(zip(config.data.tasks, labels.T[:, :, None], strict=True))
        self._stream = named_seed(config.train_seed, "agreement", "drawn")
        self._margin, self._distance = config.loss.margin, chosen_distance(config.loss)

    def begin(self, model: MultiTaskModel) -> Window:
        """Record weights and gradients at the start of an epoch."""
        gradients: Layers = {}
        training = model.training
        model.eval()
        try:
            for index, network in enumerate(model.members):
                with global_stream(self._stream, self._images.device):  # for networks that also draw in this mode
                    found = self._task_gradients(network)
                gradients |= {(index, stage): of_layers for stage, of_layers in found.items()}
        finally:
            model.train(training)
        layers = _layers(model)
        return Window({key: [weight.detach().clone() for weight in layers[key]] for key in layers}, gradients)

    def end(self, model: MultiTaskModel, window: Window) -> dict[str, float]:
        """Compare with the weights at the end of the epoch and return the metrics."""
        metrics: dict[str, float] = {}
        by_stage: dict[str, list[StageAgreement]] = defaultdict(list)
        for (index, stage), weights in _layers(model).items():
            before = window.weights[index, stage]
            steps = [old - new.detach() for old, new in zip(before, weights, strict=True)]
            found = stage_agreement(window.gradients[index, stage], steps)
            metrics |= agreement_metrics(stage, model.members[index].tasks, found)
            by_stage[stage].append(found)
        for stage, agreements in by_stage.items():
            metrics |= conflict_metrics(stage, agreements)
        return metrics

    def _task_gradients(self, network: RetrievalNetwork) -> dict[str, list[Tensor]]:
        """Return by stage, for each layer, the gradients (T, ...) of the network's tasks."""
        layers = _network_layers(network)
        flat = [weight for weights in layers.values() for weight in weights]
        embeddings = network.embed_tasks(self._images)
        by_task = []
        for position, task in enumerate(network.tasks):
            own = embeddings[position : position + 1]
            loss = batch_triplet_loss(own, self._labels[task], self._margin, self._distance).loss
            # A branch with its own layers does not use the shared ones: their gradient is 0, and left out.
            by_task.append(gradients_of(loss, flat, retain_graph=task != network.tasks[-1]))
        stacked = iter([torch.stack(gradients) for gradients in zip(*by_task, strict=True)])
        return {stage: [next(stacked) for _ in weights] for stage, weights in layers.items()}


def _network_layers(network: RetrievalNetwork) -> dict[str, list[nn.Parameter]]:
    """Return by stage the weights whose first axis indexes filters: of convolutions and linear layers, if any run."""
    backbone = network.backbone
    by_stage = {
        shape.name: [
            cast("nn.Parameter", layer.weight)
            for layer in backbone.layers(shape.name).values()
            if isinstance(layer, nn.Conv2d | nn.Linear)
        ]
        for shape in backbone.shapes
    }
    return {stage: weights for stage, weights in by_stage.items() if weights}


def _layers(model: MultiTaskModel) -> dict[tuple[int, str], list[nn.Parameter]]:
    return {
        (index, stage): weights
        for index, network in enumerate(model.members)
        for stage, weights in _network_layers(network).items()
    }
