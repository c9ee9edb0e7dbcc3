"""What is wrong with a data set, found before anybody trains on it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from trainables.config import DataConfig
from trainables.data.cache import build_if_missing
from trainables.data.dataset import Dataset, Split, open_dataset
from trainables.data.description import DatasetDescription, describe_dataset
from trainables.data.source import SPLITS
from trainables.listed_triplets import triplet_items


@dataclass(frozen=True)
class Duplicates:
    """Images of ``split`` whose decoded pixels, at the image size of the study, are also those of one in ``other``."""

    split: str
    other: str
    images: int
    share: float


@dataclass(frozen=True)
class DatasetCheck:
    """The counts, what must be put right before a study starts, and what should be known."""

    description: DatasetDescription
    duplicates: tuple[Duplicates, ...]
    must_fix: tuple[str, ...]
    notes: tuple[str, ...]


def check_dataset(data: DataConfig, data_seed: int, cache: Path) -> DatasetCheck:
    """Decode a data set if nobody has, and look at it as a study will.

    Raises:
        ValueError: files, columns or tasks do not fit together.
    """
    described = describe_dataset(data, data_seed, cache)
    folder, manifest = build_if_missing(data, data_seed, cache)
    dataset = open_dataset(folder, manifest, data.tasks)
    problems = [f"split {split!r} has no image that can be decoded" for split in SPLITS if not described.images[split]]
    if described.corrupt_share > data.max_corrupt_share:
        problems.append(
            f"{len(described.corrupt_images)} images cannot be decoded, a share of {described.corrupt_share:.4g} where "
            f"data.max_corrupt_share allows {data.max_corrupt_share:.4g}"
        )
    notes = list(data.source.open(data, data_seed, cache).notes())
    if manifest.triplets_dropped:
        notes.append(f"{manifest.triplets_dropped} published triplets name an image that cannot be decoded")
    return DatasetCheck(
        described, find_duplicates(dataset), (*problems, *_tasks_without_triplets(dataset)), tuple(notes)
    )


def find_duplicates(dataset: Dataset) -> tuple[Duplicates, ...]:
    """Compare the decoded pixels of every two splits (by their BLAKE2b hashes)."""
    hashes = {name: _pixel_hashes(split) for name, split in dataset.splits.items()}
    found = []
    for one, other in combinations(SPLITS, 2):
        known = set(hashes[one])
        images = sum(value in known for value in hashes[other])
        found.append(Duplicates(other, one, images, images / max(1, len(hashes[other]))))
    return tuple(found)


def _pixel_hashes(split: Split) -> list[bytes]:
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in split.images]


def _tasks_without_triplets(dataset: Dataset) -> list[str]:
    problems = []
    for name, split in dataset.splits.items():
        for column, task in enumerate(dataset.tasks):
            try:
                triplet_items(split.labels[:, column], split.triplets, task, name)
            except ValueError as error:
                problems.append(str(error))
    return problems
