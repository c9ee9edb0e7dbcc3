"""How large the stored images are, from the headers of a few of them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from trainables.sources.reading.pixels import Fit, stored_sides
from trainables.sources.source import ImageSource

_SAMPLE = 48


@dataclass(frozen=True)
class StoredSize:
    """The median of the shorter and of the longer side, in pixels, of some stored images."""

    shorter: int
    longer: int

    def enlargement(self, image_size: int, fit: Fit) -> float:
        """Return by how much such an image is enlarged where it is enlarged most."""
        return image_size / (self.longer if fit == "pad" else self.shorter)


def stored_size(source: ImageSource) -> StoredSize | None:
    """Return the size of the images as they are stored; None where none of the sample can be read."""
    sizes = [sides for data in source.sample(_SAMPLE) if all(sides := stored_sides(data))]
    if not sizes:
        return None
    return StoredSize(round(median(map(min, sizes))), round(median(map(max, sizes))))
