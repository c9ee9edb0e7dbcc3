"""The contract of a source of images.

A kind of source is a ``SourceConfig`` (its keys in a study file), which opens an ``ImageSource`` for a ``ReadRequest``:
labels, classes, images in order, and what identifies them. Nothing here knows the rest of a trial, or the cache.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from trainables.foundation.section import Section

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

MAX_PIXELS = 50_000_000
"""Larger images are refused before they are decoded: a small file can hold a picture that fills the memory."""

Fit = Literal["crop", "pad", "stretch"]
"""How an image that is not square becomes one: its central square, with white borders, or without its proportions."""


@dataclass(frozen=True)
class ReadRequest:
    """What a trial asks of a source.

    Attributes:
        tasks: names of tasks, in the order of the labels' columns.
        image_size: side of the decoded images in pixels.
        fit: how an image becomes square.
        max_pixels: an image of more counts as undecodable.
        data_seed: decides what is drawn: pictures, and splits that were never published.
        cache: folder that keeps hashes of image files; None keeps none.
    """

    tasks: tuple[str, ...]
    image_size: int
    fit: Fit = "crop"
    max_pixels: int = MAX_PIXELS
    data_seed: int = 0
    cache: Path | None = None


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


class SourceConfig(Section, ABC):
    """The keys of one kind of source, and what can be asked of them without decoding an image.

    A subclass narrows ``kind`` to a ``Literal`` of its own, with that as default. Keys of type ``Path`` are resolved
    against the study file.
    """

    kind: str

    @abstractmethod
    def open(self, request: ReadRequest) -> ImageSource:
        """Return the source, validated against what a trial asks of it.

        Raises:
            ValueError: files, columns or tasks do not fit together.
        """

    @abstractmethod
    def count_images(self) -> int:
        """Return how many images there are at most, from names and footers alone.

        Raises:
            ValueError: the files are not there.
        """

    @abstractmethod
    def known_tasks(self) -> tuple[str, ...]:
        """Return the names that ``data.tasks`` may hold (not those of the form ``Task=Value``).

        Raises:
            ValueError: the files are not there.
        """

    @property
    def place(self) -> str:
        """Where the data lies, for messages."""
        return str(getattr(self, "path", self.kind))

    @property
    def title(self) -> str:
        """The name of the data where it is listed beside others."""
        path = getattr(self, "path", None)
        return f"{self.kind} images" if path is None else Path(path).name

    @classmethod
    def detect(cls, folder: Path) -> SourceConfig | None:  # noqa: ARG003 - most kinds can be told from their files
        """Return the source that a folder holds, if its files are laid out as this kind's."""
        return None

    @classmethod
    def path_keys(cls) -> tuple[str, ...]:
        """Return the keys that hold a path."""
        return tuple(name for name, field in cls.model_fields.items() if field.annotation in (Path, Path | None))
