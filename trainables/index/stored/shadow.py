"""A copy of fp32 vectors in 8-bit integers, in memory, by which an exact search reads a quarter of the bytes.

The product of a vector with a query is known from the copy up to an error with a bound, |x.w - x'.w| <= |x - x'| |w|
with the length of each residual x - x' computed once, plus what bf16 rounds away. Every row that could be among the
best within these bounds is then compared exactly, so the result is that of comparing all rows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.index.stored.coarse import Floats, integer_products

FEWEST_ROWS = 16_384
"""Of a segment that gets a copy."""

SEARCHES = 3
"""After which it gets one: a single search would not repay it."""

BUILDING = "copying vectors"
"""Name of the thread that makes it, so that no search waits."""

_PIECE = 512
"""Rows that are copied at once: in NumPy, and few enough to stay in the processor's cache."""

_MOST = 127

_ROUNDING = 2.0**-7
"""More than bf16 (8 bits) takes from a product: of the query's entries, of the result, and of the sums."""


class Shadow:
    """The copy: D + 8 bytes a row."""

    def __init__(self, vectors: Tensor) -> None:
        """Copy fp32 vectors ``(N, D)``, which may be mapped, piece by piece."""
        count, size = vectors.shape
        self._integers = torch.empty(count, size, dtype=torch.int8)
        self._scale, self._off = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32)
        every, integers = vectors.numpy(), self._integers.numpy()
        for start in range(0, count, _PIECE):
            rows = slice(start, start + _PIECE)
            exact: Floats = every[rows]
            scale = np.maximum(exact.max(axis=1), -exact.min(axis=1)) / np.float32(_MOST)
            divisor: Floats = np.where(scale > 0, scale, np.float32(1))
            decoded: Floats = exact / divisor[:, None]
            np.rint(decoded, out=decoded)
            integers[rows], self._scale[rows] = decoded, scale
            decoded *= scale[:, None]
            self._off[rows] = _lengths(exact - decoded) + np.float32(_ROUNDING) * _lengths(decoded)

    def products(self, weights: Tensor, out: Floats) -> Floats:
        """Write about the product of each row with ``weights`` ``(D,)``, and return the most it can be off ``(N,)``."""
        np.multiply(integer_products(self._integers, weights), self._scale, out=out)
        return self._off * np.float32(weights.norm())


def _lengths(rows: Floats) -> Floats:
    found: Floats = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return found
