"""Finds problems of a data set before training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainables.config.data import DataConfig
from trainables.data.cache import build_if_missing
from trainables.data.dataset import Dataset
from trainables.data.description import DatasetDescription, describe_dataset
from trainables.data.duplicates import DuplicateImages
from trainables.sampling.listed_triplets import triplet_items
from trainables.sources.source import SPLITS


@dataclass(frozen=True)
class DatasetCheck:
    """The counts, the problems to fix before a study can start, and notes for the user."""

    description: DatasetDescription
    duplicates: DuplicateImages
    must_fix: tuple[str, ...]
    notes: tuple[str, ...]


def check_dataset(data: DataConfig, data_seed: int, cache: Path) -> DatasetCheck:
    """Decode a data set if necessary, and check it as a study would.

    Raises:
        ValueError: files, columns and tasks are inconsistent.
    """
    described = describe_dataset(data, data_seed, cache)
    manifest, dataset = build_if_missing(data, data_seed, cache)
    problems = [f"split {split!r} has no image that can be decoded" for split in SPLITS if not described.images[split]]
    if described.corrupt_share > data.max_corrupt_share:
        problems.append(
            f"{len(described.corrupt_images)} images cannot be decoded, a share of {described.corrupt_share:.4g} where "
            f"data.max_corrupt_share allows {data.max_corrupt_share:.4g}"
        )
    if excess := manifest.duplicates.excess(data.max_duplicate_share):
        problems.append(excess)
    notes = list(data.open(data_seed, cache).notes())
    if manifest.triplets_dropped:
        notes.append(f"{manifest.triplets_dropped} published triplets refer to an image that cannot be decoded")
    return DatasetCheck(described, manifest.duplicates, (*problems, *_tasks_without_triplets(dataset)), tuple(notes))


def _tasks_without_triplets(dataset: Dataset) -> list[str]:
    problems = []
    for name, split in dataset.splits.items():
        for column, task in enumerate(dataset.tasks):
            try:
                triplet_items(split.labels[:, column], split.triplets, task, name)
            except ValueError as error:
                problems.append(str(error))
    return problems
