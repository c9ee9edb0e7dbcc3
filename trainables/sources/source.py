"""The contract of a source of images.

A kind of source is a ``SourceConfig`` (its keys in a study file), which opens an ``ImageSource`` for a ``ReadRequest``.
The source provides labels, classes, images in order, and their identity. This module knows neither the rest of a trial
nor the cache.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import SerializerFunctionWrapHandler, field_serializer, model_validator

from trainables.foundation.objects.address import address_of, shown
from trainables.foundation.section import Section
from trainables.sources.remote.mirror import mirror
from trainables.sources.remote.place import checked_address, node_cache

Pixels = NDArray[np.uint8]
"""One image (image_size, image_size, 3), or a batch (images, image_size, image_size, 3)."""

Labels = NDArray[np.int64]
"""Class indices (images, tasks); ``UNLABELLED`` where an image has no label for a task."""

SPLITS = ("train", "validation", "test")
SPLIT_SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
"""The names of the splits in file names and tables, in upper or lower case."""

UNLABELLED = -1

MAX_PIXELS = 50_000_000
"""Larger images are rejected before decoding: a small file can decode to an image that exhausts memory."""

Fit = Literal["crop", "pad", "stretch"]
"""How to make an image square: crop to the central square, pad with white, or stretch (changes the aspect ratio)."""


@dataclass(frozen=True)
class ReadRequest:
    """What a trial needs from a source.

    Attributes:
        tasks: task names, in the order of the label columns.
        image_size: side of the decoded images in pixels.
        fit: how to make an image square.
        max_pixels: images with more pixels count as undecodable.
        data_seed: seeds whatever the source generates: synthetic images, and splits where none are published.
        cache: folder for the hashes of image files; None disables caching.
    """

    tasks: tuple[str, ...]
    image_size: int
    fit: Fit = "crop"
    max_pixels: int = MAX_PIXELS
    data_seed: int = 0
    cache: Path | None = None


@dataclass(frozen=True)
class CorruptImage:
    """An image that failed to decode: place in its file (``row`` from 0, ``line`` from 1), path, and reason."""

    split: str
    file: str
    place: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, {self.place}"

    @property
    def finding(self) -> str:
        """Where the image is listed, its path and the reason."""
        return f"{self}:{'' if self.path in self.reason else f' {self.path}:'} {self.reason}"


class ImageSource(Protocol):
    """A source of labelled images, validated on construction."""

    def identity(self) -> Mapping[str, Any]:
        """Return everything that determines pixels and labels, and nothing else, as plain JSON values."""

    def classes(self) -> dict[str, tuple[str, ...]]:
        """Return the class names of each task; a label is an index into them."""

    def labels(self, split: str) -> Labels:
        """Return the labels of all images of a split, including the corrupt ones."""

    def images(self, split: str) -> Iterator[Pixels | CorruptImage]:
        """Yield the images of a split in the order of their labels, using bounded memory."""

    def pixel_counts(self, split: str) -> Iterator[int]:  # noqa: ARG002 - generated images are small
        """Yield width times height of the images of a split, in the order of their labels; 0 if unknown."""
        return iter(())

    def triplets(self, split: str) -> Mapping[str, Labels]:  # noqa: ARG002 - most sources have none
        """Return the triplets (M, 3) of each task that has a published list: rows of anchor, positive and negative.

        Row numbers count all images of the split, including the corrupt ones.
        """
        return {}

    def name(self, split: str, row: int) -> str:  # noqa: ARG002 - most splits are one list
        """Return an image's name for messages; ``row`` counts all images of the split, including the corrupt ones."""
        return f"row {row}"

    def sample(self, count: int) -> Iterator[bytes]:  # noqa: ARG002 - generated images are not stored
        """Yield up to ``count`` training images as stored, decodable or not."""
        return iter(())

    def notes(self) -> tuple[str, ...]:
        """Return notes for users of the data, one sentence each."""
        return ()


class SourceConfig(Section, ABC):
    """The keys of one kind of source, and what they reveal without decoding an image.

    A subclass narrows ``kind`` to its own ``Literal`` and uses it as the default. Keys of type ``Path`` are resolved
    relative to the study file, or are URLs of an object store: whoever reads files asks for the source ``at_hand``, so
    that a subclass meets paths alone.
    """

    kind: str

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002 - pydantic's signature
        """Mark ``kind`` as set: it tells sources apart wherever only the keys that were given are written."""
        self.model_fields_set.add("kind")

    @model_validator(mode="after")
    def _urls_can_be_used(self) -> Self:
        for key in self.path_keys():
            if (place := getattr(self, key)) is not None:
                try:
                    checked_address(place)
                except ValueError as error:
                    raise ValueError(f"data.source.{key}: {error}") from None
        return self

    @field_serializer("*", mode="wrap", when_used="json")
    def _as_written(self, value: Any, handler: SerializerFunctionWrapHandler) -> Any:
        """Give a URL its second slash back, which ``Path`` has dropped."""
        return shown(value) if isinstance(value, Path) else handler(value)

    def at_hand(self) -> Self:
        """Return the source with paths of this node in place of URLs; fetches what the node does not have.

        Raises:
            ValueError: there is nothing at a URL, or the store does not give it.
            OSError: the disk is full.
        """
        places = {key: getattr(self, key) for key in self.path_keys()}
        urls = {key: url for key, place in places.items() if place is not None and (url := address_of(place))}
        return (
            self.model_copy(update={key: _at_hand(url, urls.values()) for key, url in urls.items()}) if urls else self
        )

    def moved(self, folder: Path, url: str) -> Self:
        """Return the source with a URL in place of the folder that mirrors it."""
        places = {key: getattr(self, key) for key in self.path_keys()}
        inside = {key: place for key, place in places.items() if place is not None and place.is_relative_to(folder)}
        return self.model_copy(update={key: Path(url) / place.relative_to(folder) for key, place in inside.items()})

    @abstractmethod
    def open(self, request: ReadRequest) -> ImageSource:
        """Return the source, validated against a trial's request.

        Raises:
            ValueError: files, columns and tasks are inconsistent.
        """

    @abstractmethod
    def count_images(self) -> int:
        """Return an upper bound on the number of images, from file names and footers alone.

        Raises:
            ValueError: the files are missing.
        """

    @abstractmethod
    def known_tasks(self) -> tuple[str, ...]:
        """Return the names allowed in ``data.tasks`` (except those of the form ``Task=Value``).

        Raises:
            ValueError: the files are missing.
        """

    @property
    def place(self) -> str:
        """The location of the data, for messages."""
        return shown(getattr(self, "path", Path(self.kind)))

    @property
    def title(self) -> str:
        """The display name of the data."""
        path = getattr(self, "path", None)
        return f"{self.kind} images" if path is None else Path(path).name

    @classmethod
    def detect(cls, folder: Path) -> SourceConfig | None:  # noqa: ARG003 - a kind may have no file layout
        """Return the source in a folder, or None if its files do not have this kind's layout."""
        return None

    @classmethod
    def path_keys(cls) -> tuple[str, ...]:
        """Return the keys that hold a path."""
        return _path_keys(cls)


@cache
def _path_keys(kind: type[SourceConfig]) -> tuple[str, ...]:
    return tuple(name for name, field in kind.model_fields.items() if field.annotation in (Path, Path | None))


def _at_hand(url: str, others: Collection[str]) -> Path:
    """Return the local place of a URL; what lies in the folder of another key is not fetched twice."""
    home = min((other for other in others if f"{url}/".startswith(f"{other}/")), key=len)
    return mirror(home, node_cache()) / url[len(home) + 1 :]
