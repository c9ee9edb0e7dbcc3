"""The images, queries and triplets that evaluate a split, chosen once for all trials on the same data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainables.config.evaluation import EvaluationConfig
from trainables.evaluation.triplet_accuracy import TRIPLET_ACCURACY
from trainables.foundation.seeds import named_seed
from trainables.sampling.listed_triplets import triplet_items
from trainables.sampling.triplet_kinds import KINDS
from trainables.sampling.triplet_store import TripletStore

Integers = NDArray[np.int64]


class LabelsAndTriplets(Protocol):
    """Labels int64 (N, T), -1 = unlabelled, and published triplets by task, if any."""

    @property
    def labels(self) -> Integers:
        """(N, T), one column per task."""
        ...

    @property
    def triplets(self) -> Mapping[str, Integers]:
        """(M, 3) rows by task: anchor, positive, negative."""
        ...


class LabelledImages(LabelsAndTriplets, Protocol):
    """A labelled split with its images, uint8 (N, H, W, 3)."""

    @property
    def images(self) -> NDArray[np.uint8]:
        """(N, H, W, 3), possibly a memory map."""
        ...


@dataclass(frozen=True)
class FrozenSplit:
    """The images and triplets that evaluate a split, the same for all trials on the same data.

    ``rows`` (M,): the evaluated images in ascending order. ``labels`` (M, T): their labels. ``triplets``: by
    metric, one (K, 3) list per task, as positions in ``rows``; an empty one if the task does not have the metric.
    ``ranked`` (M,): whether an image is in the gallery of the rank metrics;
    the other images occur only in published triplets. ``queries`` (M,): whether it is a query there.
    """

    name: str
    tasks: tuple[str, ...]
    images: NDArray[np.uint8]
    rows: Integers
    labels: Integers
    triplets: Mapping[str, tuple[Integers, ...]]
    ranked: NDArray[np.bool_]
    queries: NDArray[np.bool_]


def freeze_split(
    split: LabelledImages, name: str, tasks: tuple[str, ...], settings: EvaluationConfig, store: TripletStore
) -> FrozenSplit:
    """Select the evaluated images, and load or draw the triplets of each task.

    A published list is used for ``triplet_accuracy``, whole and unchanged: neither ``triplets_per_task`` nor
    ``max_images`` limits it.

    Args:
        split: images, labels and published triplets.
        name: of the split; part of the seed and of messages.
        tasks: names of the label columns, in order.
        settings: ``max_images`` and ``triplets_per_task``.
        store: the lists, and the ``data_seed`` that draws images and triplets.

    Raises:
        ValueError: a task cannot form a triplet from these images; the message gives task and split.
    """
    labels = np.asarray(split.labels)
    rows = evaluated_rows(len(labels), name, settings, store.data_seed)
    chosen = _labels_of(rows, labels)
    count = settings.triplets_per_task
    lists = {
        TRIPLET_ACCURACY: [
            split.triplets[task] if task in split.triplets else store.load_or_draw(name, task, chosen[:, column], count)
            for column, task in enumerate(tasks)
        ],
        **{
            kind: [
                store.load_or_draw_kind(kind, name, task, chosen[:, column], count) for column, task in enumerate(tasks)
            ]
            for kind in KINDS
        },
    }
    needed = np.unique(np.concatenate([rows, *(found.reshape(-1) for found in lists[TRIPLET_ACCURACY])]))
    triplets = {metric: tuple(np.searchsorted(needed, found) for found in own) for metric, own in lists.items()}
    ranked, asked = (np.isin(needed, some) for some in (rows, query_rows(rows, name, settings, store.data_seed)))
    return FrozenSplit(name, tasks, split.images, needed, labels[needed], triplets, ranked, asked)


def evaluated_rows(images: int, name: str, settings: EvaluationConfig, data_seed: int) -> Integers:
    """Return the evaluated rows (M,) of a split with ``images`` images, in ascending order."""
    return _drawn(np.arange(images), settings.max_images, named_seed(data_seed, "images", name))


def query_rows(rows: Integers, name: str, settings: EvaluationConfig, data_seed: int) -> Integers:
    """Return those of the evaluated ``rows`` (M,) of a split that are queries of the rank metrics, ascending."""
    return _drawn(rows, settings.max_queries, named_seed(data_seed, "queries", name))


def _drawn(rows: Integers, most: int | None, seed: int) -> Integers:
    if most is None or most >= len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _labels_of(rows: Integers, labels: Integers) -> Integers:
    """Return the labels with those of all other rows set to -1."""
    chosen = np.full_like(labels, -1)
    chosen[rows] = labels[rows]
    return chosen


def check_measurable(
    split: LabelsAndTriplets, name: str, tasks: tuple[str, ...], settings: EvaluationConfig, data_seed: int
) -> None:
    """Check from labels alone that each task can be measured on the images that a trial evaluates.

    Raises:
        ValueError: a task has no triplet or no query among them; the message gives task and split, and
            ``evaluation.max_images`` or ``evaluation.max_queries`` if all images of the split would suffice.
    """
    labels = np.asarray(split.labels)
    rows = evaluated_rows(len(labels), name, settings, data_seed)
    chosen = _labels_of(rows, labels)
    for column, task in enumerate(tasks):
        _check_task(labels[:, column], labels[:, column], split.triplets, task, name)
        try:
            _check_task(labels[:, column], chosen[:, column], split.triplets, task, name)
        except ValueError as error:
            raise ValueError(
                f"evaluation.max_images: {len(rows)} of the {len(labels)} {name} images are too few; raise it: {error}"
            ) from error
        _check_queries(chosen[:, column], query_rows(rows, name, settings, data_seed), task, name)


def _check_task(labels: Integers, chosen: Integers, triplets: Mapping[str, Integers], task: str, name: str) -> None:
    """Check one task: ``labels`` (N,) of the split, and ``chosen`` (N,), those of the evaluated images only."""
    triplet_items(chosen, triplets, task, name)
    seen = chosen if task not in triplets else np.concatenate([chosen, labels[triplets[task].reshape(-1)]])
    if (seen >= 0).any() and np.bincount(chosen[chosen >= 0], minlength=1).max() < 2:
        raise ValueError(f"task {task!r} on split {name!r}: no two of the labelled images share a class")


def _check_queries(labels: Integers, queries: Integers, task: str, name: str) -> None:
    """Check that a task has a query among those drawn, if it has one among all evaluated images, labelled (N,)."""
    known = labels >= 0
    shared = np.zeros(len(labels), np.bool_)
    shared[known] = np.bincount(labels[known])[labels[known]] > 1
    if shared.any() and not shared[queries].any():
        raise ValueError(
            f"evaluation.max_queries: {len(queries)} queries are too few; raise it: task {task!r} on split {name!r} "
            "has no labelled one whose class has another image"
        )
