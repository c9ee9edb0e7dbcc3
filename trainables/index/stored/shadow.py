"""A copy of fp32 vectors in 8-bit integers, in memory, by which an exact search reads a quarter of the bytes.

The product of a vector with a query is known from the copy up to an error with a bound, |x.w - x'.w| <= |x - x'| |w|
with the length of each residual x - x' computed once, plus what bf16 rounds away. Every row that could be among the
best within these bounds is then compared exactly, so the result is that of comparing all rows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.index.stored.coarse import Floats, blocks, integer_products
from trainables.networks.precision import decode_rows, encode_rows

FEWEST_ROWS = 16_384
"""Of a segment that gets a copy."""

SEARCHES = 3
"""After which it gets one: a single search would not repay it."""

_ROUNDING = 2.0**-7
"""More than bf16 (8 bits) takes from a product: of the query's entries, of the result, and of the sums."""


class Shadow:
    """The copy: D + 8 bytes a row."""

    def __init__(self, vectors: Tensor) -> None:
        """Copy fp32 vectors ``(N, D)``, which may be mapped, piece by piece."""
        count, size = vectors.shape
        self._integers = torch.empty(count, size, dtype=torch.int8)
        self._scale, self._off = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32)
        for rows in blocks(count):
            integers, scale = encode_rows(vectors[rows])
            decoded = decode_rows(integers, scale)
            self._integers[rows], self._scale[rows] = integers, scale.numpy()
            self._off[rows] = ((vectors[rows] - decoded).norm(dim=1) + _ROUNDING * decoded.norm(dim=1)).numpy()

    def products(self, weights: Tensor, out: Floats) -> Floats:
        """Write about the product of each row with ``weights`` ``(D,)``, and return the most it can be off ``(N,)``."""
        np.multiply(integer_products(self._integers, weights), self._scale, out=out)
        return self._off * np.float32(weights.norm())
