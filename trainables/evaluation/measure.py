"""Evaluation of all tasks on one split: embed once, then triplet accuracy and rank metrics per task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch

from trainables.config.runtime import ComputeConfig
from trainables.data.preprocessing import Preprocessing, preprocessed, to_device
from trainables.evaluation.frozen import FrozenSplit
from trainables.evaluation.retrieval_metrics import RANK_METRICS, average_over, rank_metrics
from trainables.evaluation.triplet_accuracy import (
    TRIPLET_ACCURACY,
    TRIPLET_CHANCE,
    TRIPLET_METRICS,
    correct_triplets,
)
from trainables.foundation.errors import error_context
from trainables.foundation.global_stream import global_stream
from trainables.foundation.pulse import beat
from trainables.foundation.seeds import named_seed
from trainables.outcome import AVERAGES, TaskMetric

CHUNK_PIXELS = {"cpu": 2**20}
"""Input pixels embedded per chunk; fixed, so that the last bits of a result do not depend on free memory."""
ACCELERATOR_CHUNK_PIXELS = 2**23


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


def evaluate(
    model: Embedder, split: FrozenSplit, compute: ComputeConfig, preprocessing: Preprocessing
) -> tuple[TaskMetric, ...]:
    """Embed a split and return what ``measured`` returns. To embed only once, call the parts separately."""
    return measured(embed_split(model, split, compute, preprocessing), split)


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


def measured(embeddings: torch.Tensor, split: FrozenSplit, only: str | None = None) -> tuple[TaskMetric, ...]:
    """Return all metrics of all tasks with both averages, from embeddings (T, M, D); or one metric alone.

    Raises:
        ValueError: an embedding is not finite, or a task has no query; the message gives task and split.
    """
    if only in TRIPLET_METRICS:
        return triplet_metrics(embeddings, split, only)
    if only is not None:
        return retrieval_metrics(embeddings, split, (only,))
    drawn = [row for metric in TRIPLET_METRICS for row in triplet_metrics(embeddings, split, metric)]
    return (*drawn, *retrieval_metrics(embeddings, split))


def triplet_metrics(
    embeddings: torch.Tensor, split: FrozenSplit, metric: str = TRIPLET_ACCURACY
) -> tuple[TaskMetric, ...]:
    """Return a triplet accuracy of each task on its frozen list, by query and by the anchor's class.

    Anchors in a published list may be unlabelled: they count by query only, and a task with only unlabelled anchors has
    no row by class. A task without a list for this metric has no row.
    """
    metrics = []
    for column, task in enumerate(split.tasks):
        triplets = split.triplets[metric][column]
        if not len(triplets):
            continue
        with error_context(f"task {task!r} on split {split.name!r}"):
            correct = correct_triplets(embeddings[column], triplets)
        classes = split.labels[triplets[:, 0], column]
        for average in AVERAGES:
            counted = classes >= (0 if average == "class" else -1)
            if counted.any():
                value, queries = average_over(correct[counted], classes[counted], average), int(counted.sum())
                metrics.append(TaskMetric(split.name, task, metric, average, value, TRIPLET_CHANCE, queries))
    return tuple(metrics)


def retrieval_metrics(
    embeddings: torch.Tensor, split: FrozenSplit, wanted: Sequence[str] = RANK_METRICS
) -> tuple[TaskMetric, ...]:
    """Return rank metrics of all tasks, leave-one-out among the evaluated images, with their chance levels.

    A task without labels, which is possible only with published triplets, has no rank metrics.
    """
    metrics = []
    for column, task in enumerate(split.tasks):
        beat()
        labels = np.where(split.ranked, split.labels[:, column], -1)
        if (split.labels[:, column] < 0).all():
            continue
        with error_context(f"task {task!r} on split {split.name!r}"):
            found = rank_metrics(embeddings[column], labels, split.queries, wanted)
        for metric in wanted:
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
