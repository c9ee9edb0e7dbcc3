"""What the cache needs to know of a source of images: labels, classes, images in order, and what identifies them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""One image (image_size, image_size, 3), or many with the image index in front."""

Labels = NDArray[np.int64]
"""Class indices (images, tasks); ``UNLABELLED`` where a task is not labelled."""

SPLITS = ("train", "validation", "test")
SPLIT_SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
"""How file names and tables name the splits, in capitals or not."""

UNLABELLED = -1


@dataclass(frozen=True)
class CorruptImage:
    """An image that could not be decoded: its place in a file (``row 3`` from 0, ``line 5`` from 1), path, and why."""

    split: str
    file: str
    place: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, {self.place}"


class ImageSource(Protocol):
    """A source of labelled images, validated when it is made."""

    def identity(self) -> Mapping[str, Any]:
        """Return, as plain JSON values, everything that decides pixels and labels, and nothing else."""

    def classes(self) -> dict[str, tuple[str, ...]]:
        """Return the class names of every task; a label is an index into them."""

    def labels(self, split: str) -> Labels:
        """Return the labels of all images of a split, the corrupt ones included."""

    def images(self, split: str) -> Iterator[Pixels | CorruptImage]:
        """Yield the images of a split in the order of their labels, with bounded memory."""

    def pixel_counts(self, split: str) -> Iterator[int]:  # noqa: ARG002 - what a source draws itself is small
        """Yield width times height of the images of a split, in the order of their labels; 0 where it is not known."""
        return iter(())

    def triplets(self, split: str) -> Mapping[str, Labels]:  # noqa: ARG002 - most sources have none
        """Return, for tasks that come with a list of triplets, its rows (M, 3): anchor, positive, negative.

        Rows count all images of the split, the corrupt ones included.
        """
        return {}

    def name(self, split: str, row: int) -> str:  # noqa: ARG002 - most splits are one list
        """Return what messages call the image in a row of a split, the corrupt ones counted."""
        return f"row {row}"

    def sample(self, count: int) -> Iterator[bytes]:  # noqa: ARG002 - images may be drawn
        """Yield up to ``count`` training images as they are stored, whether they can be decoded or not."""
        return iter(())

    def notes(self) -> tuple[str, ...]:
        """Return what somebody who uses the data should know of it, a sentence each."""
        return ()
