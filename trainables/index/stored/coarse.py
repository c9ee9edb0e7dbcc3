"""Products of all stored vectors of a segment with one vector, as fast as their precision allows.

They need not be exact: the best are scored again from the finest copy (``searching``). What is done to each product is
left to NumPy: torch would start its threads for it, and wait for the last of them, which takes long on a busy machine.

* ``fp32``: exact, one matrix-vector product.
* ``fp16``: the same in fp16.
* ``int8``: the product of 8-bit integers with a vector in bf16.
* ``1bit``: signs, eight to a byte: a table of 256 partial sums per byte of the code, so the query is not quantized.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.networks.precision import Precision, decode_vectors

Floats = NDArray[np.float32]

_ONE = 0x3F80
"""The bits of 1 in bf16."""

BLOCK = 16_384
"""Rows that are worked on at once."""


def blocks(count: int) -> Iterator[slice]:
    """Yield the rows that are worked on at once, in order."""
    for start in range(0, count, BLOCK):
        yield slice(start, min(count, start + BLOCK))


def products(stored: dict[str, Tensor], precision: Precision, weights: Tensor, out: Floats) -> None:
    """Write the product of each stored vector ``(N, ...)`` with ``weights`` ``(D,)`` into ``out`` ``(N,)``, fp32."""
    vectors = stored["vectors"]
    match precision:
        case "fp32":
            np.matmul(vectors.numpy(), weights.numpy(), out=out)
        case "fp16":
            out[:] = torch.mv(vectors, weights.half()).numpy()
        case "int8":
            np.multiply(integer_products(vectors, weights), stored["scale"].numpy(), out=out)
        case "1bit":
            out[:] = _sign_products(vectors.numpy(), weights.numpy())
    if precision != "fp32" and not np.isfinite(out).all():  # numbers too large for fp16
        size = len(weights)
        for rows in blocks(len(out)):
            part = {name: tensor[None, rows] for name, tensor in stored.items()}
            out[rows] = torch.mv(decode_vectors(part, precision, size)[0], weights).numpy()


def integer_products(integers: Tensor, weights: Tensor) -> Floats:
    """Return the products of int8 rows ``(N, D)`` with ``weights`` in bf16, rounded to bf16, as fp32 ``(N,)``."""
    multiply: Callable[[Tensor, Tensor, Tensor], Tensor] = torch.ops.aten._weight_int8pack_mm  # noqa: SLF001
    ones = torch.from_numpy(np.full(len(integers), _ONE, dtype=np.int16)).view(torch.bfloat16)
    bits = multiply(weights.bfloat16()[None], integers, ones)[0].view(torch.int16).numpy().view(np.uint16)
    found: Floats = (bits.astype(np.uint32) << 16).view(np.float32)
    return found


def _sign_products(codes: NDArray[np.uint8], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum of ``weights`` with the signs of each code ``(N, ceil(D / 8))``."""
    padded = np.zeros(8 * codes.shape[1], dtype=np.float32)
    padded[: len(weights)] = weights
    signs = 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32) - 1
    table = padded.reshape(-1, 8) @ signs.T
    total = np.zeros(len(codes), dtype=np.float32)
    for place, sums in enumerate(table):
        total += sums[codes[:, place]]
    return total
