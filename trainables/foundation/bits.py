"""Bool values as bits, eight to a byte."""

from __future__ import annotations

import torch
from torch import Tensor


def pack_bits(bits: Tensor) -> Tensor:
    """Return bool values of any shape as uint8 ``(ceil(bits / 8),)``, the first value in the highest bit."""
    flat = bits.flatten()
    padded = torch.cat([flat, flat.new_zeros(-len(flat) % 8)]).view(-1, 8)
    return (padded.to(torch.uint8) * _weights(bits.device)).sum(dim=1, dtype=torch.uint8)


def unpack_bits(packed: Tensor, count: int) -> Tensor:
    """Return the first ``count`` packed values as bool ``(count,)``."""
    return ((packed[:, None] & _weights(packed.device)) != 0).flatten()[:count]


def _weights(device: torch.device) -> Tensor:
    return 2 ** torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
