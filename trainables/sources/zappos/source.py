"""UT-Zappos50K (Yu and Grauman, CVPR 2014) as downloaded, with our own split or the released CSN triplets."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from trainables.sources.reading.cells import MultiValued
from trainables.sources.reading.image_files import FolderFiles
from trainables.sources.reading.listing import ListedSource
from trainables.sources.reading.text_files import read_table
from trainables.sources.source import ReadRequest, SourceConfig
from trainables.sources.zappos.csn_triplets import CONDITIONS, find_released, read_released
from trainables.sources.zappos.labels import ZapposLabels
from trainables.sources.zappos.layout import (
    META_DATA,
    META_DATA_BINARY,
    choose_images,
    find_file,
    image_folders,
    read_tree,
)
from trainables.sources.zappos.splits import by_product, by_released_triplets


class Zappos50kImages(SourceConfig):
    """UT-Zappos50K: ``ut-zap50k-images[-square]/`` and the files of ``ut-zap50k-data/``.

    ``triplets``: ``drawn`` samples triplets by label, on our own split by product; ``released`` takes images, splits
    and triplets from the CSN lists. ``heel_bins``: bin edges in inches that merge heel heights into fewer classes.
    """

    kind: Literal["zappos50k"] = "zappos50k"
    path: Path
    images: Literal["ut-zap50k-images", "ut-zap50k-images-square"] | None = None
    triplets: Literal["drawn", "released"] = "drawn"
    multi_valued: MultiValued = "combination"
    heel_bins: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _bins_rise(self) -> Zappos50kImages:
        if list(self.heel_bins) != sorted(set(self.heel_bins)):
            raise ValueError(f"heel_bins must be rising edges in inches, got {list(self.heel_bins)}")
        return self

    def open(self, request: ReadRequest) -> ListedSource:
        """Return the images of all three splits."""
        tree = read_tree(choose_images(self.path, self.images))
        released = read_released(self.path, request.tasks) if self.triplets == "released" else None
        listed = set(released.lists["train"]) if released else set()
        labels = ZapposLabels(self.path, self.multi_valued, self.heel_bins, listed)
        if released is not None:
            listing = by_released_triplets(tree, labels, request.tasks, released)
        else:
            listing = by_product(tree, labels, request.tasks, request.data_seed)
        return ListedSource(request, listing, FolderFiles(tree.folder))

    def count_images(self) -> int:
        """Return the number of images in the folder."""
        return len(read_tree(choose_images(self.path, self.images)).by_cid)

    def known_tasks(self) -> tuple[str, ...]:
        """Return the four conditions and the columns of the files present."""
        found = [find_file(self.path, name) for name in (META_DATA, META_DATA_BINARY)]
        columns = [name for path in found if path for name in list(read_table(path).columns)[1:]]
        return (
            (*CONDITIONS, *columns) if find_file(self.path, META_DATA) or find_released(self.path) else tuple(columns)
        )

    @classmethod
    def detect(cls, folder: Path) -> Zappos50kImages | None:
        """Return the source if the folder contains the image folders."""
        found = list(image_folders(folder))
        if not found:
            return None
        drawn = find_file(folder, META_DATA) is not None
        return cls(path=folder, images=found[0], triplets="drawn" if drawn else "released")
