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
    """y(e) = matrix e + offset, or factors * e + offset where the matrix is diagonal.

    In NumPy: torch would start its threads for the entries of a few thousand vectors, and wait for the last of them.
    """

    matrix: Floats
    offset: Floats
    factors: Floats | None

    def of(self, vectors: Floats) -> Floats:
        """Return y(e) of vectors ``(N, D)``."""
        found: Floats = vectors @ self.matrix.T if self.factors is None else vectors * self.factors
        found += self.offset
        return found

    def weights(self, query: Floats) -> Floats:
        """Return A^T q of a query ``(D,)``."""
        return self.matrix.T @ query if self.factors is None else self.factors * query


def affine_of(place: Place, size: int) -> Affine | None:
    """Return what a task does to stored vectors (D = ``size``), None if it is not affine on drawn vectors."""
    generator = torch.Generator().manual_seed(0)
    offset = _modulated(place, torch.zeros(1, size))[0]
    matrix = (_modulated(place, torch.eye(size)) - offset).T
    diagonal = matrix.diagonal()
    factors = diagonal.clone().numpy() if torch.equal(matrix, torch.diag(diagonal)) else None
    affine = Affine(matrix.clone().numpy(), offset.clone().numpy(), factors)
    drawn = torch.randn(_PROBES, size, generator=generator)
    found, expected = _modulated(place, drawn), torch.from_numpy(affine.of(drawn.numpy()))
    close = torch.allclose(found, expected, rtol=_AFFINE_TOLERANCE, atol=_AFFINE_TOLERANCE * float(found.abs().max()))
    return affine if close else None


def _modulated(place: Place, vectors: Tensor) -> Tensor:
    """Return what the network does to vectors of the host ``(N, D)``, on the host again, wherever the network is."""
    with torch.inference_mode():
        device = next(place.network.parameters()).device
        return place.network.modulated(vectors.to(device), place.branch).float().cpu()


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
        found = self._before_norm(vectors)
        return torch.from_numpy(found / _length(found)[:, None] if self.normalized else found)

    def similarities(self, segment: Segment, query: Tensor, out: Floats, *, exact: bool = False) -> Floats | None:
        """Write the similarity of every row of a segment with a query's embedding ``(D,)`` into ``out`` ``(N,)``.

        Returns:
            The most that each can be off, if they were computed from a shadow. Otherwise None: they are exact at fp32,
            and else as exact as what is scanned. ``exact`` asks for no shadow.
        """
        off, wanted = None, query.numpy()
        if self.place.modulated and self.affine is None:
            for rows in blocks(len(segment)):
                np.matmul(self._before_norm(segment.decoded(self.place.row, rows, segment.scanned)), wanted, out[rows])
        else:
            weights = query if self.affine is None else torch.from_numpy(self.affine.weights(wanted))
            shadow = None if exact else segment.shadow(self.place.row)
            if shadow is None:
                products(segment.stored(self.place.row), segment.scanned, weights, out)
            else:
                off = shadow.products(weights, out)
            if self.affine is not None:
                out += self.affine.offset @ wanted
        if not self.normalized:
            out *= 2
            out -= np.square(self.lengths(segment)) + wanted @ wanted
            return None if off is None else 2 * off
        if self.place.modulated:
            out /= self.lengths(segment)
            return None if off is None else off / self.lengths(segment)
        if segment.scanned == "1bit":  # signs are vectors of this length
            out /= len(query) ** 0.5
        return off

    def similarities_of(self, segment: Segment, query: Tensor, rows: NDArray[np.int64]) -> Floats:
        """Return the similarity of some rows, from the finest copy of their vectors; equal rows get equal numbers."""
        vectors, wanted = self._before_norm(segment.decoded(self.place.row, rows)), query.numpy()
        found: Floats = np.einsum("ij,j->i", vectors, wanted)  # BLAS would round a row by where it is
        if self.normalized:
            found /= _length(vectors)
        else:
            found = 2 * found - _squares(vectors) - wanted @ wanted
        return found

    def lengths(self, segment: Segment) -> Floats:
        """Return the length of each scanned row's embedding before normalisation ``(N,)``, computed once."""
        key = self.place.key
        if key not in segment.norms:
            found = np.empty(len(segment), dtype=np.float32)
            for rows in blocks(len(segment)):
                found[rows] = _length(self._before_norm(segment.decoded(self.place.row, rows, segment.scanned)))
            segment.norms[key] = found
        return segment.norms[key]

    def _before_norm(self, vectors: Tensor) -> Floats:
        if not self.place.modulated:
            return vectors.numpy()
        return _modulated(self.place, vectors).numpy() if self.affine is None else self.affine.of(vectors.numpy())


def _squares(vectors: Floats) -> Floats:
    found: Floats = np.einsum("ij,ij->i", vectors, vectors)
    return found


def _length(vectors: Floats) -> Floats:
    found: Floats = np.sqrt(np.maximum(_squares(vectors), np.float32(NORM_EPSILON)))
    return found
