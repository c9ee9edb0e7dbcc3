"""Initialization of modulation vectors."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from trainables.config.modulation import InitializationConfig


@torch.no_grad()
def initialize_vectors(vectors: Tensor, initialization: InitializationConfig, generator: torch.Generator) -> None:
    """Fill modulation vectors ``(groups, C)`` in place; only random kinds draw from ``generator``.

    Raises:
        ValueError: The kind is ``disjoint`` and there are more groups than channels.
    """
    match initialization.kind:
        case "ones":
            vectors.fill_(1)
        case "constant":
            vectors.fill_(initialization.value)
        case "normal":
            vectors.normal_(initialization.mean, initialization.std, generator=generator)
        case "uniform":
            vectors.uniform_(initialization.low, initialization.high, generator=generator)
        case "disjoint":
            vectors.fill_(initialization.off)
            for group, (start, end) in enumerate(disjoint_blocks(*vectors.shape)):
                vectors[group, start:end] = 1
        case "binary":
            channels = vectors.shape[1]
            vectors.zero_()
            for row in vectors:
                row[torch.randperm(channels, generator=generator)[: max(1, round(initialization.keep * channels))]] = 1


def disjoint_blocks(groups: int, channels: int) -> list[tuple[int, int]]:
    """Partition the channels into one block per group; block sizes differ by at most 1.

    Returns:
        (first, one past the last) channel of each group.

    Raises:
        ValueError: There are more groups than channels.
    """
    if groups > channels:
        raise ValueError(
            f"modulation.initialization: disjoint blocks need a channel for every group, "
            f"got {groups} groups for {channels} channels"
        )
    bounds = [group * channels // groups for group in range(groups + 1)]
    return list(pairwise(bounds))
