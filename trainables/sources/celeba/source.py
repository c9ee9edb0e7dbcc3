"""CelebA (Liu et al., ICCV 2015) as downloaded: 40 binary attributes, identities, the official partition."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from trainables.foundation.registry import nearest
from trainables.sources.celeba.layout import CelebaLayout, find_celeba, is_celeba
from trainables.sources.celeba.lists import attribute_names, read_attributes, read_identities, read_partition
from trainables.sources.reading.cells import NO_YES
from trainables.sources.reading.listing import ListedSource, Listing, SplitListing
from trainables.sources.source import SPLITS, Labels, ReadRequest, SourceConfig

IDENTITY = "identity"
"""The person identification task; the official splits share no person."""


class CelebaImages(SourceConfig):
    """CelebA in any of its common layouts, detected from the files (``trainables.sources.celeba.layout``)."""

    kind: Literal["celeba"] = "celeba"
    path: Path

    def open(self, request: ReadRequest) -> ListedSource:
        """Return the images of the official partition."""
        layout = find_celeba(self.path)
        return ListedSource(request, read_celeba(layout, request.tasks), layout.open_images())

    def count_images(self) -> int:
        """Return the number of images in the attribute list."""
        return len(read_attributes(find_celeba(self.path).attributes).images)

    def known_tasks(self) -> tuple[str, ...]:
        """Return the attributes, and ``identity`` if its list is present."""
        layout = find_celeba(self.path)
        return (*attribute_names(layout.attributes), *([IDENTITY] if layout.identities else []))

    @classmethod
    def detect(cls, folder: Path) -> CelebaImages | None:
        """Return the source if the folder contains the attribute list."""
        return cls(path=folder) if is_celeba(folder) else None


def read_celeba(layout: CelebaLayout, tasks: tuple[str, ...]) -> Listing:
    """Return the names, labels and splits of the images.

    Raises:
        ValueError: an unknown attribute, or inconsistent lists; the message gives file, line, value and rule.
    """
    listed = read_attributes(layout.attributes)
    for image in listed.images:
        if "/" in image or "\\" in image or image.startswith("."):
            raise ValueError(f"{layout.attributes}: {image!r} must be a plain file name")
    splits = read_partition(layout.partition, listed.images)
    classes: dict[str, tuple[str, ...]] = {}
    columns: list[Labels] = []
    for task in tasks:
        if task in listed.attributes:
            classes[task] = NO_YES
            columns.append(listed.values[:, listed.attributes.index(task)].astype(np.int64))
        elif task == IDENTITY:
            classes[task], labels = _label_identities(layout, listed.images)
            columns.append(labels)
        else:
            known = (*listed.attributes, IDENTITY)
            raise ValueError(f"data.tasks: {layout.attributes} has no attribute {task!r}{nearest(task, known)}")
    table = np.stack(columns, axis=1)
    rows = {split: np.flatnonzero(splits == split) for split in SPLITS}
    parts = {
        split: SplitListing(
            tuple(listed.images[row] for row in found), [listed.lines[row] for row in found], table[found]
        )
        for split, found in rows.items()
    }
    return Listing(layout.attributes.name, classes, parts)


def _label_identities(layout: CelebaLayout, images: tuple[str, ...]) -> tuple[tuple[str, ...], Labels]:
    if layout.identities is None:
        raise ValueError(
            f"data.tasks: 'identity' needs Anno/identity_CelebA.txt, which is missing beside {layout.attributes}"
        )
    numbers = np.array([int(person) for person in read_identities(layout.identities, images)], dtype=np.int64)
    people, labels = np.unique(numbers, return_inverse=True)
    return tuple(str(person) for person in people), labels.astype(np.int64)
