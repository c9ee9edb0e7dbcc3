"""A source made of a list and image files: the common part of the formats with one file per image."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainables.sources.reading.content_hashes import content_hashes
from trainables.sources.reading.decoding import decoding_pool
from trainables.sources.reading.image_files import ImageFiles
from trainables.sources.reading.pixels import DECODER_VERSION, UndecodableImageError, decode_image, stored_sides
from trainables.sources.source import SPLITS, CorruptImage, ImageSource, Labels, Pixels, ReadRequest

_READ_AHEAD = 256


@dataclass(frozen=True)
class SplitListing:
    """The images of one split, in order.

    Attributes:
        names: of the image files.
        lines: (N,) the line of each in the list, counted from 1.
        labels: (N, T), -1 = unlabelled.
        triplets: published triplets by task, (M, 3) rows of this split: anchor, positive, negative.
    """

    names: tuple[str, ...]
    lines: Sequence[int]
    labels: Labels
    triplets: Mapping[str, Labels] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """The contents of a list: its file (for messages), the classes of each task, the splits, and notes for users."""

    file: str
    classes: dict[str, tuple[str, ...]]
    splits: dict[str, SplitListing]
    notes: tuple[str, ...] = ()


class ListedSource(ImageSource):
    """Images in a list. A listed image without a file counts as corrupt."""

    def __init__(self, request: ReadRequest, listing: Listing, files: ImageFiles) -> None:
        """Check that each split has an image.

        Raises:
            ValueError: a split is empty.
        """
        for split in SPLITS:
            if not listing.splits[split].names:
                raise ValueError(f"{listing.file}: split {split!r} has no image")
        self._request = request
        self._listing = listing
        self._files = files

    def identity(self) -> dict[str, Any]:
        """Return classes, labels and published triplets as read, and the hash of each image in order."""
        parts = {split: self._listing.splits[split] for split in SPLITS}
        names = [name for part in parts.values() for name in part.names]
        hashes = iter(content_hashes(self._files, names, self._request.cache))
        return {
            "kind": "files",
            "decoder": DECODER_VERSION,
            "image_size": self._request.image_size,
            "fit": self._request.fit,
            "tasks": list(self._request.tasks),
            "classes": {task: list(names) for task, names in self._listing.classes.items()},
            "splits": {
                split: {
                    "images": _digest("".join(f"{next(hashes):32}" for _ in part.names).encode()),
                    "labels": _array_digest(part.labels),
                    "triplets": {task: _array_digest(found) for task, found in sorted(part.triplets.items())},
                }
                for split, part in parts.items()
            },
        }

    def classes(self) -> dict[str, tuple[str, ...]]:
        """Return the class names of each task."""
        return dict(self._listing.classes)

    def labels(self, split: str) -> Labels:
        """Return the labels of a split as listed."""
        return self._listing.splits[split].labels

    def triplets(self, split: str) -> Mapping[str, Labels]:
        """Return the published triplets of a split."""
        return self._listing.splits[split].triplets

    def name(self, split: str, row: int) -> str:
        """Return the name of an image file."""
        return self._listing.splits[split].names[row]

    def sample(self, count: int) -> Iterator[bytes]:
        """Yield training images evenly spread over the list, skipping unreadable ones."""
        names = self._listing.splits["train"].names
        for name in names[:: max(1, len(names) // count)][:count]:
            try:
                yield self._files.read(name)
            except OSError:
                continue

    def notes(self) -> tuple[str, ...]:
        """Return the notes from reading the list."""
        return self._listing.notes

    def images(self, split: str) -> Iterator[Pixels | CorruptImage]:
        """Decode the images in threads, in list order."""
        count = len(self._listing.splits[split].names)
        with decoding_pool() as pool:
            for start in range(0, count, _READ_AHEAD):
                rows = range(start, min(start + _READ_AHEAD, count))
                yield from pool.map(lambda row: self._decode(split, row), rows)

    def pixel_counts(self, split: str) -> Iterator[int]:
        """Read the headers of the files in threads."""
        with decoding_pool() as pool:
            yield from pool.map(self._count_pixels, self._listing.splits[split].names)

    def _count_pixels(self, name: str) -> int:
        try:
            return math.prod(stored_sides(self._files.read(name)))
        except OSError:  # decoding will report it as corrupt
            return 0

    def _decode(self, split: str, row: int) -> Pixels | CorruptImage:
        part = self._listing.splits[split]
        name = part.names[row]
        try:
            asked = self._request
            return decode_image(self._files.read(name), asked.image_size, asked.fit, asked.max_pixels)
        except UndecodableImageError as error:
            reason = f"{name}: {error}"
        except FileNotFoundError:
            reason = f"{name}: listed, but there is no such image in {self._files.place}"
        except OSError as error:
            reason = f"{name}: cannot be read: {error.strerror or error}"
        return CorruptImage(split, self._listing.file, f"line {part.lines[row]}", name, reason)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _array_digest(array: Labels) -> str:
    return _digest(repr(array.shape).encode() + np.ascontiguousarray(array, dtype="<i8").tobytes())
