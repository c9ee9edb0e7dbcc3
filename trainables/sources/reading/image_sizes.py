"""Estimates the size of the stored images from the headers of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from trainables.sources.reading.pixels import Fit, stored_sides
from trainables.sources.source import ImageSource

_SAMPLE = 48


@dataclass(frozen=True)
class StoredSize:
    """The median of the shorter and of the longer side of a sample of stored images, in pixels."""

    shorter: int
    longer: int

    def enlargement(self, image_size: int, fit: Fit) -> float:
        """Return the largest factor by which such an image is enlarged."""
        return image_size / (self.longer if fit == "pad" else self.shorter)


def stored_size(source: ImageSource) -> StoredSize | None:
    """Return the size of the images as stored; None if no image of the sample can be read."""
    sizes = [sides for data in source.sample(_SAMPLE) if all(sides := stored_sides(data))]
    if not sizes:
        return None
    return StoredSize(round(median(map(min, sizes))), round(median(map(max, sizes))))
