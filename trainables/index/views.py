"""From stored vectors to the similarity of a task.

With q the query's embedding for the task, and y(e) what the task makes of a stored vector e before normalisation, the
similarity is the cosine <q, y(e)> / |y(e)|, or -|q - y(e)|^2 where the network does not normalise. Where only the
embedding is modulated, and the form is affine, y(e) = A e + b, the product is that with one vector per query:
<q, A e + b> = <A^T q, e> + <q, b>. For a vector m of factors that is <m q, e>: one weighted product a stored vector,
and |y(e)|, which does not depend on the query, is computed once for a task and kept (4 bytes an image, in memory).
Forms that are not affine, such as gates that depend on the image, are applied to the stored vectors in the scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.index.stored.coarse import Floats, blocks, products
from trainables.index.stored.segments import Segment
from trainables.index.vectors import Place
from trainables.networks.retrieval import NORM_EPSILON

_PROBES = 8
_AFFINE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Affine:
    """y(e) = matrix e + offset."""

    matrix: Tensor
    offset: Tensor


def affine_of(place: Place, size: int) -> Affine | None:
    """Return what a task does to stored vectors (D = ``size``), None if it is not affine on drawn vectors."""
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        offset = _modulated(place, torch.zeros(1, size))[0]
        matrix = (_modulated(place, torch.eye(size)) - offset).T
        drawn = torch.randn(_PROBES, size, generator=generator)
        found, expected = _modulated(place, drawn), drawn @ matrix.T + offset
    close = torch.allclose(found, expected, rtol=_AFFINE_TOLERANCE, atol=_AFFINE_TOLERANCE * float(found.abs().max()))
    return Affine(matrix.clone(), offset.clone()) if close else None


def _modulated(place: Place, vectors: Tensor) -> Tensor:
    return place.network.modulated(vectors, place.branch)


class TaskView:
    """A task of an index: turns stored vectors into its embeddings and similarities.

    Attributes:
        place: Where its vectors are.
        affine: What it does to a stored vector; None if it does nothing, or nothing affine.
    """

    def __init__(self, place: Place, size: int, *, normalized: bool) -> None:
        self.place = place
        self.normalized = normalized
        self.affine = affine_of(place, size) if place.modulated else None

    def embeddings(self, vectors: Tensor) -> Tensor:
        """Return the task's embeddings ``(N, D)`` of stored vectors ``(N, D)``."""
        with torch.inference_mode():
            found = self._before_norm(vectors)
            return found / _length(found)[:, None] if self.normalized else found

    def similarities(self, segment: Segment, query: Tensor, out: Floats, *, exact: bool = False) -> Floats | None:
        """Write the similarity of every row of a segment with a query's embedding ``(D,)`` into ``out`` ``(N,)``.

        Returns:
            The most that each can be off, if they were computed from a shadow. Otherwise None: they are exact at fp32,
            and else as exact as what is scanned. ``exact`` asks for no shadow.
        """
        off = None
        if self.place.modulated and self.affine is None:
            for rows in blocks(len(segment)):
                vectors = self._before_norm(segment.decoded(self.place.row, rows, segment.scanned))
                out[rows] = (vectors @ query).numpy()
        else:
            weights = query if self.affine is None else self.affine.matrix.T @ query
            shadow = None if exact else segment.shadow(self.place.row)
            if shadow is None:
                products(segment.stored(self.place.row), segment.scanned, weights, out)
            else:
                off = shadow.products(weights, out)
            if self.affine is not None:
                out += float(self.affine.offset @ query)
        if not self.normalized:
            out *= 2
            out -= np.square(self.lengths(segment)) + np.float32(query.square().sum())
            return None if off is None else 2 * off
        if self.place.modulated:
            out /= self.lengths(segment)
            return None if off is None else off / self.lengths(segment)
        if segment.scanned == "1bit":  # signs are vectors of this length
            out /= len(query) ** 0.5
        return off

    def similarities_of(self, segment: Segment, query: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """Return the similarity of some rows, from the finest copy of their vectors."""
        vectors = self._before_norm(segment.decoded(self.place.row, rows))
        products_of = vectors @ query
        if self.normalized:
            return products_of / _length(vectors)
        return 2 * products_of - vectors.square().sum(dim=1) - query.square().sum()

    def lengths(self, segment: Segment) -> Floats:
        """Return the length of each scanned row's embedding before normalisation ``(N,)``, computed once."""
        key = self.place.key
        if key not in segment.norms:
            found = np.empty(len(segment), dtype=np.float32)
            for rows in blocks(len(segment)):
                found[rows] = _length(self._before_norm(segment.decoded(self.place.row, rows, segment.scanned))).numpy()
            segment.norms[key] = found
        return segment.norms[key]

    def _before_norm(self, vectors: Tensor) -> Tensor:
        return _modulated(self.place, vectors) if self.place.modulated else vectors


def _length(vectors: Tensor) -> Tensor:
    return vectors.square().sum(dim=1).clamp_min(NORM_EPSILON).sqrt()
