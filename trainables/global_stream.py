"""Torch's global random stream, lent for a moment to code that knows no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def global_stream(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Let the global streams of the CPU and of a CUDA device start from a seed; after the block they are as before."""
    cuda = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        for _ in cuda:
            torch.cuda.manual_seed(seed)
        yield
