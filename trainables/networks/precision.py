"""Formats in which a trained network and its index are stored, each exact to the byte.

Pure functions of tensors that also run on the meta device, so the bytes of any network are known without weights.

* ``fp32``, ``fp16``: every number as such.
* ``int8``: matrices and kernels (two or more dimensions) as 8-bit integers, symmetric about 0, with one fp32 scale for
  each row of the first dimension (an output channel, a group's vector); all other numbers as fp16. The usual
  post-training quantization of weights (Jacob et al., CVPR 2018, with per-channel scales: Krishnamoorthi 2018).
* ``1bit``: modulation that takes one of two values as one bit each, as masks always are; all other numbers as fp16.

Integers (packed masks, step counts) are stored unchanged in every format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from trainables.foundation.bits import pack_bits, unpack_bits

Precision = Literal["fp32", "fp16", "int8", "1bit"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_SCALE = ":scale"
"""Ending of the names of scales; state dicts hold no colon."""

_INT8_MAX = 127


@dataclass(frozen=True)
class TwoValues:
    """A tensor that acts as one of two values: ``high`` for numbers above ``cut``, else ``low``."""

    low: float
    cut: float
    high: float


TwoValued = Mapping[str, TwoValues]
"""The two values of tensors by their name in the state."""


def encode_state(state: Mapping[str, Tensor], precision: Precision, two_valued: TwoValued) -> dict[str, Tensor]:
    """Return the tensors that a file at this precision holds.

    Args:
        state: As ``MultiTaskModel.stored_state`` returns it, in fp32, also on the meta device.
        precision: The format.
        two_valued: The tensors of the state that ``1bit`` stores as bits.
    """
    encoded: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if not tensor.is_floating_point() or precision == "fp32":
            encoded[name] = tensor
        elif precision == "int8" and tensor.ndim >= 2:
            encoded[name], encoded[name + _SCALE] = encode_rows(tensor)
        elif precision == "1bit" and name in two_valued:
            encoded[name] = pack_bits(tensor > two_valued[name].cut)
        else:
            encoded[name] = tensor.half()
    return encoded


def encoded_bytes(state: Mapping[str, Tensor], precision: Precision, two_valued: TwoValued) -> int:
    """Return the bytes of the tensors that ``encode_state`` returns, from shapes and types alone."""
    total = 0
    for name, tensor in state.items():
        if not tensor.is_floating_point() or precision == "fp32":
            total += tensor.nbytes
        elif precision == "int8" and tensor.ndim >= 2:
            total += tensor.numel() + tensor.element_size() * tensor.shape[0]  # int8, and a scale a row
        elif precision == "1bit" and name in two_valued:
            total += -(-tensor.numel() // 8)
        else:
            total += torch.half.itemsize * tensor.numel()
    return total


def decode_state(encoded: Mapping[str, Tensor], like: Mapping[str, Tensor], two_valued: TwoValued) -> dict[str, Tensor]:
    """Return the fp32 state that was encoded.

    Args:
        encoded: As ``encode_state`` returned it.
        like: Tensors of the names, shapes and types of the state.
        two_valued: As for ``encode_state``.
    """
    state: dict[str, Tensor] = {}
    for name, tensor in like.items():
        found = encoded[name]
        if name + _SCALE in encoded:
            state[name] = decode_rows(found, encoded[name + _SCALE])
        elif tensor.is_floating_point() and found.dtype == torch.uint8:
            values = two_valued[name]
            bits = unpack_bits(found, tensor.numel()).view(tensor.shape)
            state[name] = torch.where(bits, values.high, values.low)
        else:
            state[name] = found.to(tensor.dtype)
    return state


def encode_rows(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``(R, ...)`` as int8 and one fp32 scale per row ``(R,)``; a row is its integers times its scale.

    Rounding is to the nearest integer, so no entry moves by more than half a scale, that is 1/254 of the row's largest.
    """
    rows = tensor.flatten(1)
    scale = rows.abs().amax(dim=1) / _INT8_MAX
    divisor = torch.where(scale > 0, scale, torch.ones_like(scale))
    integers = (rows / divisor[:, None]).round().clamp(-_INT8_MAX, _INT8_MAX).to(torch.int8)
    return integers.view(tensor.shape), scale


def decode_rows(integers: Tensor, scale: Tensor) -> Tensor:
    """Return the fp32 tensor that ``encode_rows`` encoded."""
    return integers.float() * scale.view(-1, *[1] * (integers.ndim - 1))


def encode_vectors(vectors: Tensor, precision: Precision) -> dict[str, Tensor]:
    """Return the tensors that an index of vectors ``(V, N, D)`` holds at this precision.

    ``int8``: integers with one fp32 scale per vector. ``1bit``: the sign of every number, eight per byte.
    """
    match precision:
        case "fp32":
            return {"vectors": vectors}
        case "fp16":
            return {"vectors": vectors.half()}
        case "int8":
            integers, scale = encode_rows(vectors.flatten(0, 1))
            return {"vectors": integers.view(vectors.shape), "scale": scale.view(vectors.shape[:2])}
        case "1bit":
            rows = vectors.flatten(0, 1)
            padded = torch.cat([rows > 0, rows.new_zeros(len(rows), -rows.shape[1] % 8, dtype=torch.bool)], dim=1)
            return {"vectors": pack_bits(padded).view(*vectors.shape[:2], -1)}


def decode_vectors(encoded: Mapping[str, Tensor], precision: Precision, size: int) -> Tensor:
    """Return the fp32 vectors ``(V, N, D)`` that were encoded; signs become -1 and 1. ``size`` is D."""
    vectors = encoded["vectors"]
    match precision:
        case "int8":
            return decode_rows(vectors.flatten(0, 1), encoded["scale"].flatten()).view(vectors.shape)
        case "1bit":
            signs = unpack_bits(vectors.flatten(), vectors.numel() * 8).view(*vectors.shape[:2], -1)
            return signs[..., :size].float() * 2 - 1
        case _:
            return vectors.float()


def vector_bytes(size: int, precision: Precision) -> int:
    """Return the bytes that an index stores for one vector of D numbers."""
    encoded = encode_vectors(torch.empty(1, 1, size, device="meta"), precision)
    return sum(tensor.nbytes for tensor in encoded.values())
