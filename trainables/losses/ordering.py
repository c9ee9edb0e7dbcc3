"""Sorting distances and putting what was counted in sorted order back in its place."""

from __future__ import annotations

import torch
from torch import Tensor


def scattered(order: Tensor, values: Tensor) -> Tensor:
    """Return the values at the places they were taken from, in the memory order of ``order``.

    The memory order decides the order of the sums over pairs, and with it the last bits of a loss.
    """
    return torch.empty_like(order).copy_(torch.scatter(order, -1, order, values))


def ordered_bits(values: Tensor) -> Tensor:
    """Return int64 keys below 2^62 that sort exactly like the non-negative float32 or float64 values."""
    if values.dtype == torch.float64:
        return (values * 2.0**-512).view(torch.int64)  # exact, and leaves the two highest bits free
    return values.view(torch.int32).long()
