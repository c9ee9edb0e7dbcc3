"""The batches of a trial, in the configured scheme."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainables.config.training import BatchConfig
from trainables.sampling.all_tasks import AllTasksBatches
from trainables.sampling.balanced import BalancedBatches
from trainables.sampling.batch import Batches, Integers, TrainingLabels
from trainables.sampling.listed_triplets import TripletItems, triplet_items
from trainables.sampling.released import ReleasedBatches, released_lists
from trainables.sampling.task_triplets import TripletBatches


def build_batches(
    settings: BatchConfig, training: TrainingLabels, seed: int, steps_per_epoch: int | None = None
) -> Batches:
    """Return the batches of the configured scheme.

    Args:
        settings: scheme and size of a batch.
        training: tasks, labels and published triplets of the training split.
        seed: the ``train_seed`` of the trial.
        steps_per_epoch: None means one pass of the scheme.

    Raises:
        ValueError: a task cannot form a triplet or, in ``released``, is not binary; or there are fewer images than the
            batch size.
    """
    tasks, labels = training.tasks, training.labels
    per_task = settings.batch_size // (3 * len(tasks))
    match settings.scheme:
        case "triplets":
            return TripletBatches(_pools(training, training.triplets), len(labels), per_task, seed, steps_per_epoch)
        case "released":
            _pools(training, {})
            members = [released_lists(labels[:, column], task) for column, task in enumerate(tasks)]
            return ReleasedBatches(members, per_task, seed, steps_per_epoch)
        case "all_tasks":
            _pools(training, {})
            if settings.classes == "balanced":
                return BalancedBatches(labels, settings.batch_size, seed, steps_per_epoch)
            labelled = np.flatnonzero((labels >= 0).any(axis=1))
            return AllTasksBatches(labelled, settings.batch_size, seed, steps_per_epoch)


def _pools(training: TrainingLabels, published: Mapping[str, Integers]) -> tuple[TripletItems, ...]:
    """Return the triplet source of each task; in every scheme, each task must be able to form triplets."""
    return tuple(
        triplet_items(training.labels[:, column], published, task, "train")
        for column, task in enumerate(training.tasks)
    )
