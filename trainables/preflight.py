"""Checks shapes, names and labels for errors that would stop all trials of an arm at the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from trainables.config.data import DataConfig
from trainables.config.network import NetworkConfig
from trainables.config.registries import BALANCERS
from trainables.config.trial import TrialConfig
from trainables.evaluation.frozen import LabelsAndTriplets, check_measurable
from trainables.losses.balancing import BalancingSetup, balancer_named
from trainables.networks.backbones import build_backbone
from trainables.networks.backbones.pretrained import check_pretrained
from trainables.networks.multi_task import assemble_model
from trainables.sampling.batch import TrainingLabels
from trainables.sampling.batches import build_batches
from trainables.sampling.triplets import TripletPool
from trainables.sources.source import SPLITS, Labels
from trainables.training.steps.capture import why_not_static

LOSS_WEIGHTING = frozenset(("equal", "rlw", "dwa", "uncertainty", "famo"))
"""Our own methods that use the losses; the others use the gradients of the shared parameters."""


@dataclass(frozen=True)
class SplitLabels:
    """Labels (N, T) of a split, and its published triplets (M, 3) by task, as given by the source."""

    labels: Labels
    triplets: Mapping[str, Labels]


def read_labels(data: DataConfig, data_seed: int, cache: Path) -> dict[str, SplitLabels]:
    """Return the labels of all splits without decoding an image, including those of corrupt images.

    Raises:
        ValueError: files, columns and tasks are inconsistent.
    """
    source = data.open(data_seed, cache)
    return {split: SplitLabels(source.labels(split), source.triplets(split)) for split in SPLITS}


def check_trainable(config: TrialConfig, splits: Mapping[str, LabelsAndTriplets]) -> None:
    """Check from labels alone that batches and frozen triplets can be drawn from each split for each task.

    Raises:
        ValueError: a task cannot form a triplet in a split, or among the images that ``evaluation.max_images`` leaves
            of it; there are fewer images than the batch size; or the agreement of tasks is to be measured on a task
            without labels.
    """
    train = splits["train"]
    training = TrainingLabels(config.data.tasks, train.labels, train.triplets)
    build_batches(config.batches, training, config.train_seed)
    for name in ("validation", "test"):
        check_measurable(splits[name], name, config.data.tasks, config.evaluation, config.data_seed)
    if config.agreement.every_epochs:
        for column, task in enumerate(config.data.tasks):
            TripletPool(train.labels[:, column], task, "train")


def check_something_to_train(config: TrialConfig) -> None:
    """Check that the arm has trainable parameters, and that its balancing method has the parameters it needs.

    Raises:
        ValueError: all are frozen, by the network's own code and by ``modulation.initialization.trainable``.
    """
    model = assemble_model(config)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    shared = [p for member in model.members for p in member.backbone.parameters() if p.requires_grad]
    network, method = config.network.backbone, config.balancing.method
    if not trained:
        raise ValueError(
            f"network.backbone: all parameters of {network!r} are frozen (requires_grad is false), and the arm adds"
            " no trainable ones, so there is nothing to train; leave out the arm, or unfreeze the network"
        )
    if not shared and method in BALANCERS.built_in - LOSS_WEIGHTING:
        raise ValueError(
            f"balancing: {method} balances the gradients of shared parameters, but all parameters of {network!r} are"
            f" frozen; methods that do not need them: {', '.join(sorted(LOSS_WEIGHTING))}"
        )


def why_not_captured(config: TrialConfig) -> str | None:
    """Return why trials like this one do not replay their steps from a CUDA graph; None if they do, if CUDA allows.

    Raises:
        ValueError: the model cannot be built.
    """
    if config.compute.graph == "never":
        return "compute.graph is never"
    model, method = assemble_model(config), balancer_named(config.balancing.method)
    if not isinstance(method, type):  # a function that makes one
        setup = BalancingSetup(config.balancing, config.train_seed, config.data.image_size)
        method = type(method(model, setup))
    return why_not_static(config, model, method)


def check_start_weights(network: NetworkConfig, image_size: int) -> None:
    """Check the names and shapes in the file of initial weights against the network, if there is one.

    Raises:
        ValueError: the file cannot be read, or does not fit.
    """
    if network.weights is not None:
        with torch.device("meta"):
            backbone = build_backbone(network, image_size)
        check_pretrained(backbone, network.weights, backbone.tensors_from_file, backbone.UNSAVED)
