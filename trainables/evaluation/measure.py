"""Evaluation of all tasks on one split: embed once, then triplet accuracy and rank metrics per task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.config.evaluation import EvaluationConfig
from trainables.config.runtime import ComputeConfig
from trainables.data.preprocessing import Preprocessing, preprocessed, to_device
from trainables.evaluation.retrieval_metrics import (
    RANK_METRICS,
    TRIPLET_ACCURACY,
    TRIPLET_CHANCE,
    average_over,
    correct_triplets,
    rank_metrics,
)
from trainables.foundation.errors import error_context
from trainables.foundation.global_stream import global_stream
from trainables.foundation.pulse import beat
from trainables.foundation.seeds import named_seed
from trainables.outcome import AVERAGES, TaskMetric
from trainables.sampling.listed_triplets import triplet_items
from trainables.sampling.triplets import TripletStore

Integers = NDArray[np.int64]

CHUNK_PIXELS = {"cpu": 2**20}
"""Input pixels embedded per chunk; fixed, so that the last bits of a result do not depend on free memory."""
ACCELERATOR_CHUNK_PIXELS = 2**23


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


class Embedder(Protocol):
    """The interface that evaluation requires of a model."""

    training: bool

    def embed_tasks(self, images: torch.Tensor) -> torch.Tensor:
        """Return L2-normalised embeddings (T, B, D) of (B, 3, H, W)."""
        ...

    def train(self, mode: bool = True) -> object:
        """Enable or disable batch statistics."""
        ...

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """Yield the weights, which determine the device."""
        ...


@dataclass(frozen=True)
class FrozenSplit:
    """The images and triplets that evaluate a split, the same for all trials on the same data.

    ``rows`` (M,): the evaluated images in ascending order. ``labels`` (M, T): their labels. ``triplets``: one (K, 3)
    list per task, as positions in ``rows``. ``ranked`` (M,): whether an image is a query and in the gallery of the rank
    metrics; the other images occur only in published triplets.
    """

    name: str
    tasks: tuple[str, ...]
    images: NDArray[np.uint8]
    rows: Integers
    labels: Integers
    triplets: tuple[Integers, ...]
    ranked: NDArray[np.bool_]


def freeze_split(
    split: LabelledImages, name: str, tasks: tuple[str, ...], settings: EvaluationConfig, store: TripletStore
) -> FrozenSplit:
    """Select the evaluated images, and load or draw the triplets of each task.

    A published list is used whole and unchanged: neither ``triplets_per_task`` nor ``max_images`` limits it.

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
    lists = [
        split.triplets[task]
        if task in split.triplets
        else store.load_or_draw(name, task, chosen[:, column], settings.triplets_per_task)
        for column, task in enumerate(tasks)
    ]
    needed = np.unique(np.concatenate([rows, *(found.reshape(-1) for found in lists)]))
    triplets = tuple(np.searchsorted(needed, found) for found in lists)
    return FrozenSplit(name, tasks, split.images, needed, labels[needed], triplets, np.isin(needed, rows))


def evaluated_rows(images: int, name: str, settings: EvaluationConfig, data_seed: int) -> Integers:
    """Return the evaluated rows (M,) of a split with ``images`` images, in ascending order."""
    rows = np.arange(images)
    if settings.max_images is None or settings.max_images >= images:
        return rows
    generator = np.random.default_rng(named_seed(data_seed, "images", name))
    return np.sort(generator.choice(rows, settings.max_images, replace=False))


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
            ``evaluation.max_images`` if all images of the split would suffice.
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


def _check_task(labels: Integers, chosen: Integers, triplets: Mapping[str, Integers], task: str, name: str) -> None:
    """Check one task: ``labels`` (N,) of the split, and ``chosen`` (N,), those of the evaluated images only."""
    triplet_items(chosen, triplets, task, name)
    seen = chosen if task not in triplets else np.concatenate([chosen, labels[triplets[task].reshape(-1)]])
    if (seen >= 0).any() and np.bincount(chosen[chosen >= 0], minlength=1).max() < 2:
        raise ValueError(f"task {task!r} on split {name!r}: no two of the labelled images share a class")


def evaluate(
    model: Embedder, split: FrozenSplit, compute: ComputeConfig, preprocessing: Preprocessing
) -> tuple[TaskMetric, ...]:
    """Return all metrics of all tasks, with both averages. To embed only once, call the parts separately.

    Raises:
        ValueError: an embedding is not finite, or a task has no query; the message gives task and split.
    """
    embeddings = embed_split(model, split, compute, preprocessing)
    return (*triplet_metrics(embeddings, split), *retrieval_metrics(embeddings, split))


def embed_split(
    model: Embedder,
    split: FrozenSplit,
    compute: ComputeConfig,
    preprocessing: Preprocessing,
    pixels: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return float32 embeddings (T, M, D) of the split's evaluated images: on the model's device if that is CUDA.

    Elsewhere they are on the CPU, which computes the metrics in float64 (mps has none). Embeds chunk by chunk in
    inference mode with running statistics, then restores the model's training mode. Memory grows with T x M x D, not
    with the size of the images.

    Args:
        model: On any device.
        split: What to embed.
        compute: Precision and memory layout.
        preprocessing: Converts pixels to the network's input.
        pixels: The evaluated images (M, H, W, 3), uint8, if they are on the model's device already.
    """
    device = next(iter(model.parameters())).device
    height, width = split.images.shape[1:3]
    step = max(1, CHUNK_PIXELS.get(device.type, ACCELERATOR_CHUNK_PIXELS) // (height * width))
    precise = torch.autocast(device.type, torch.bfloat16, enabled=compute.precision == "bf16")
    embeddings: torch.Tensor | None = None
    drawn = global_stream(named_seed(0, "evaluation", split.name), device)  # for networks that also draw in this mode
    with torch.inference_mode(), _evaluation_mode(model), precise, drawn:
        for start in range(0, len(split.rows), step):
            beat()
            rows = split.rows[start : start + step]
            chunk = to_device(split.images[rows], device) if pixels is None else pixels[start : start + step]
            part = model.embed_tasks(preprocessed(chunk, compute.channels_last, preprocessing))
            if embeddings is None:
                embeddings = torch.empty(part.shape[0], len(split.rows), part.shape[2], device=_kept_on(device))
            embeddings[:, start : start + len(rows)] = part
    if embeddings is None:
        raise ValueError(f"split {split.name!r} has no images")
    return embeddings


def _kept_on(device: torch.device) -> torch.device:
    return device if device.type == "cuda" else torch.device("cpu")


def triplet_metrics(embeddings: torch.Tensor, split: FrozenSplit) -> tuple[TaskMetric, ...]:
    """Return the triplet accuracy of each task on its frozen list, by query and by the anchor's class.

    Anchors in a published list may be unlabelled: they count by query only, and a task with only unlabelled anchors has
    no row by class.
    """
    metrics = []
    for column, task in enumerate(split.tasks):
        triplets = split.triplets[column]
        with error_context(f"task {task!r} on split {split.name!r}"):
            correct = correct_triplets(embeddings[column], triplets)
        classes = split.labels[triplets[:, 0], column]
        for average in AVERAGES:
            counted = classes >= (0 if average == "class" else -1)
            if counted.any():
                value, queries = average_over(correct[counted], classes[counted], average), int(counted.sum())
                metrics.append(TaskMetric(split.name, task, TRIPLET_ACCURACY, average, value, TRIPLET_CHANCE, queries))
    return tuple(metrics)


def retrieval_metrics(embeddings: torch.Tensor, split: FrozenSplit) -> tuple[TaskMetric, ...]:
    """Return all rank metrics of all tasks, leave-one-out among the evaluated images, with their chance levels.

    A task without labels, which is possible only with published triplets, has no rank metrics.
    """
    metrics = []
    for column, task in enumerate(split.tasks):
        beat()
        labels = np.where(split.ranked, split.labels[:, column], -1)
        if (split.labels[:, column] < 0).all():
            continue
        with error_context(f"task {task!r} on split {split.name!r}"):
            found = rank_metrics(embeddings[column], labels)
        for metric in RANK_METRICS:
            for average in AVERAGES:
                value, chance = (
                    average_over(numbers[metric], found.classes, average) for numbers in (found.values, found.chance)
                )
                metrics.append(TaskMetric(split.name, task, metric, average, value, chance, len(found.classes)))
    return tuple(metrics)


@contextmanager
def _evaluation_mode(model: Embedder) -> Iterator[None]:
    training = model.training
    model.train(mode=False)
    try:
        yield
    finally:
        model.train(training)
