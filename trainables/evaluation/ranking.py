"""Ranks the gallery of each query by distance: exact, in float64, on the device of the embeddings.

Ties are pessimistic: among images at exactly the same distance, the irrelevant ones rank first. A network that maps
everything to one point therefore scores below chance, not above, and no result depends on the order of the images.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

Integers = NDArray[np.int64]

ROUNDING = 1e-14
"""Error of a squared distance in float64, relative to the largest squared norm."""

_INFINITY_KEY = 0xFF000000  # bits of +inf, shifted as in `relevant_ranks`; NaN is larger
_LAST_KEY = np.uint32(0xFFFFFFFE)  # ranks last, and is not relevant


def check_finite(embeddings: torch.Tensor) -> None:
    """Refuse embeddings (N, D) that contain NaN or infinity.

    Raises:
        ValueError: the message gives the number of such rows, and the first one.
    """
    broken = torch.nonzero(~torch.isfinite(embeddings).all(dim=1)).flatten()
    if len(broken):
        raise ValueError(
            f"embeddings must be finite: {len(broken)} of {len(embeddings)} images have NaN or infinity, "
            f"the first is image {int(broken[0])}"
        )


class Gallery:
    """The embeddings that queries are compared with: in float64, their squares computed once.

    Attributes:
        embeddings: (N, D), float64.
    """

    def __init__(self, embeddings: torch.Tensor) -> None:
        """Take embeddings (N, D).

        Raises:
            ValueError: an embedding is not finite.
        """
        check_finite(embeddings)
        self.embeddings = embeddings.double()
        squares = self.embeddings.square().sum(1)
        self._squares = squares
        self._shortened = squares - ROUNDING * squares.max() if len(squares) else squares

    def distances(self, rows: torch.Tensor) -> torch.Tensor:
        """Return squared Euclidean distances (Q, N), float32, of the images in ``rows`` (Q,), on the device.

        They are computed in float64 and rounded once, so that close pairs keep their order (in float32, a^2 + b^2 - 2ab
        has an error of 1e-7, however small the distance). Values indistinguishable from 0 in float64 become 0, so that
        equal images tie exactly. torch computes them, because a trial limits its threads.
        """
        squares = self._squares[rows, None] + self._shortened
        return squares.addmm_(self.embeddings[rows], self.embeddings.T, alpha=-2).clamp_min_(0).float()


def relevant_ranks(distances: NDArray[np.float32], relevant: NDArray[np.bool_], own: Integers) -> Integers:
    """Rank the gallery of each query and return the ranks of its relevant images.

    Distance and relevance form one uint32 key: the bits of a non-negative float32 sort like the number and leave the
    sign bit free, which holds the relevance after a shift. Nothing is rounded, and a plain row sort replaces argsort.

    Args:
        distances: (Q, G), non-negative.
        relevant: (Q, G), whether the image has the query's class.
        own: (Q,) column of the query itself, which is excluded.

    Returns:
        0-based ranks of the relevant images, query by query, in ascending order within a query.

    Raises:
        ValueError: a distance is NaN or infinite.
    """
    # adding 0.0 turns -0.0, whose bits would rank last, into 0.0
    keys = (np.maximum(distances, np.float32(0)) + np.float32(0)).view(np.uint32) << np.uint32(1)
    keys |= relevant
    keys[np.arange(len(keys)), own] = _LAST_KEY
    keys.sort(axis=1)
    if keys.shape[1] > 1 and keys[:, -2].max() >= np.uint32(_INFINITY_KEY):
        raise ValueError("distances must be finite, got NaN or infinity")
    found = (keys & np.uint32(1)).astype(np.bool_)
    places = np.flatnonzero(found)  # a tenth of the time that two coordinates take
    ranks: Integers = places - np.repeat(np.arange(len(keys)) * keys.shape[1], found.sum(axis=1))
    return ranks


def relevant_ranks_there(distances: torch.Tensor, relevant: torch.Tensor, own: torch.Tensor) -> Integers:
    """Return what ``relevant_ranks`` returns, from tensors on an accelerator, which does the work.

    The keys are the same numbers in int64, since torch sorts no uint32 there.

    Raises:
        ValueError: a distance is NaN or infinite.
    """
    bits = (distances.clamp_min(0) + 0.0).view(torch.int32).long() & 0x7FFFFFFF  # without the sign of a NaN
    keys = bits * 2 + relevant
    keys.scatter_(1, own[:, None], torch.iinfo(torch.int64).max)
    keys = keys.sort(dim=1).values
    if keys.shape[1] > 1 and int(keys[:, -2].max()) >= _INFINITY_KEY:
        raise ValueError("distances must be finite, got NaN or infinity")
    ranks: Integers = torch.nonzero(keys[:, :-1] & 1)[:, 1].cpu().numpy()
    return ranks
