"""The process's global random streams, seeded temporarily for code that uses no others.

User networks and libraries draw dropout masks and the like from them. Inside the block the streams start from a seed,
so the draws do not depend on anything that ran before. After the block they resume as if nothing had been drawn.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch


@contextmanager
def global_stream(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed the streams of torch (CPU and ``device``), NumPy and Python inside the block, then restore them."""
    with ExitStack() as stack:
        stack.enter_context(_torch_stream(seed, device))
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002 - the global stream is intended
        stack.callback(random.setstate, random.getstate())
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        yield


@contextmanager
def _torch_stream(seed: int, device: torch.device | None) -> Iterator[None]:
    kind = "cpu" if device is None else device.type
    if kind == "mps":
        before = torch.mps.get_rng_state()
        torch.mps.manual_seed(seed)
    try:
        with torch.random.fork_rng(devices=[device] if kind == "cuda" else []):
            torch.default_generator.manual_seed(seed)
            if kind == "cuda":
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            yield
    finally:
        if kind == "mps":
            torch.mps.set_rng_state(before)
