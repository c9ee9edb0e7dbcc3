"""From images to what a segment stores of them: vectors, and a row with a thumbnail."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.index.adding.sources import SourceImage
from trainables.index.adding.thumbnails import thumbnail
from trainables.index.stored.segments import ImageRow
from trainables.index.vectors import Layout
from trainables.packs import RetrievalModel
from trainables.sources.reading.pixels import UndecodableImageError, decode_image
from trainables.sources.source import Pixels


@dataclass(frozen=True)
class Skipped:
    """An image that was not indexed, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Embedder:
    """Embeds images by a network; ``thumbnails`` is their longest side in pixels, 0 for none."""

    model: RetrievalModel
    layout: Layout
    thumbnails: int

    def embed(self, images: Sequence[SourceImage], pool: Executor) -> tuple[list[ImageRow], Tensor, list[Skipped]]:
        """Return the rows and fp32 vectors ``(V, N, D)`` of images, and those that cannot be used."""
        rows, pixels, skipped = [], [], []
        for image, found in zip(images, pool.map(self._decoded, images), strict=True):
            if isinstance(found, str):
                skipped.append(Skipped(image.id, found))
            else:
                pixels.append(found[0])
                rows.append(ImageRow(image.id, image.shown_source, image.stamp, image.labels, found[1]))
        vectors = self.layout.embed(self.model, iter(pixels))
        finite = vectors.isfinite().all(dim=2).all(dim=0)
        if not finite.all():
            skipped += [Skipped(rows[i].id, "its embedding is not finite") for i in torch.nonzero(~finite).flatten()]
            rows = [row for row, kept in zip(rows, finite.tolist(), strict=True) if kept]
            vectors = vectors[:, finite]
        return rows, vectors, skipped

    def _decoded(self, image: SourceImage) -> tuple[Pixels, bytes] | str:
        """Return pixels and thumbnail of an image, or why there are none."""
        settings = self.model.packed.images
        try:
            content = image.read()
            pixels = decode_image(content, settings.size, settings.fit, settings.max_pixels)
            return pixels, thumbnail(content, self.thumbnails, settings.max_pixels)
        except UndecodableImageError as error:
            return str(error)
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
