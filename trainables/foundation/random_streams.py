"""Random streams of a trial, one for every use."""

from __future__ import annotations

import torch

from trainables.foundation.seeds import named_seed


def random_stream(seed: int, *names: str) -> torch.Generator:
    """Return a CPU generator of its own for each name under a seed.

    What one stream draws never moves another, so arms that differ in modulation start from equal backbone weights.
    """
    return torch.Generator().manual_seed(named_seed(seed, *names))
