"""Counts the contents of a data set, for inspection before training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables.config.data import DataConfig
from trainables.data.cache import build_if_missing, cache_folder
from trainables.data.dataset import Dataset
from trainables.sources.source import SPLITS, UNLABELLED, CorruptImage


@dataclass(frozen=True)
class TaskCounts:
    """Images of one split per class of one task (in class order, zeros included), and without a label."""

    split: str
    task: str
    classes: dict[str, int]
    unlabelled: int


@dataclass(frozen=True)
class DatasetDescription:
    """Images kept and corrupt per split, the corrupt ones with the reason, and the counts of each split and task."""

    fingerprint: str
    folder: Path
    images: dict[str, int]
    corrupt: dict[str, int]
    corrupt_images: tuple[CorruptImage, ...]
    corrupt_share: float
    tasks: tuple[TaskCounts, ...]


def describe_dataset(data: DataConfig, data_seed: int, cache: Path) -> DatasetDescription:
    """Count a data set, building its cache if needed; this works even if a study would refuse the data.

    Raises:
        ValueError: files, columns and tasks are inconsistent.
    """
    manifest, dataset = build_if_missing(data, data_seed, cache)
    corrupt = {split: sum(image.split == split for image in manifest.corrupt) for split in SPLITS}
    counts = tuple(_count(dataset, split, task) for split in SPLITS for task in dataset.tasks)
    return DatasetDescription(
        fingerprint=manifest.fingerprint,
        folder=cache_folder(manifest.fingerprint, cache),
        images=manifest.images,
        corrupt=corrupt,
        corrupt_images=manifest.corrupt,
        corrupt_share=manifest.corrupt_share,
        tasks=counts,
    )


def _count(dataset: Dataset, split: str, task: str) -> TaskCounts:
    labels = dataset.splits[split].labels[:, dataset.tasks.index(task)]
    names = dataset.classes[task]
    counted = np.bincount(labels[labels != UNLABELLED], minlength=len(names))
    classes = {name: int(number) for name, number in zip(names, counted, strict=True)}
    return TaskCounts(split, task, classes, int((labels == UNLABELLED).sum()))
