"""Distances between embeddings for the triplet losses, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.config.training import LossConfig


@dataclass(frozen=True)
class Distance:
    """A distance in two forms.

    Attributes:
        pairs: Distances (..., B, B) between all rows of a tensor (..., B, D).
        rows: Distances (...) between corresponding rows of two tensors (..., D).
    """

    pairs: Callable[[Tensor], Tensor]
    rows: Callable[[Tensor, Tensor], Tensor]


def _products(values: Tensor) -> Tensor:
    """Return squared distances as a^2 + b^2 - 2ab: fast, with an absolute error of 1e-7 of the squared norms."""
    squares = values.square().sum(dim=-1)
    return squares[..., :, None] + squares[..., None, :] - 2 * values @ values.mT


def _lengths(values: Tensor) -> Tensor:
    """Return Euclidean distances from differences: accurate for close pairs of long vectors; gradient 0 at 0."""
    return torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist")


def _squared_rows(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).square().sum(dim=-1)


UNIT_SQUARED = Distance(pairs=_products, rows=_squared_rows)
"""Squared distance, for vectors of about unit length."""

SQUARED = Distance(pairs=lambda values: _lengths(values).square(), rows=_squared_rows)
"""Squared distance, for vectors of any length."""

EUCLIDEAN = Distance(pairs=_lengths, rows=lambda first, second: torch.linalg.vector_norm(first - second, dim=-1))
"""Euclidean distance; the gradient between equal vectors, where it is undefined, is 0."""


def chosen_distance(settings: LossConfig) -> Distance:
    """Return the distance used to train a trial."""
    if settings.distance == "euclidean":
        return EUCLIDEAN
    return UNIT_SQUARED if settings.normalize else SQUARED
