"""Random streams of a trial, one per use."""

from __future__ import annotations

import torch

from trainables.foundation.seeds import named_seed


def random_stream(seed: int, *names: str) -> torch.Generator:
    """Return a separate CPU generator for each name under a seed.

    Draws from one stream do not affect another, so arms that differ in modulation start from equal backbone weights.
    """
    return torch.Generator().manual_seed(named_seed(seed, *names))
