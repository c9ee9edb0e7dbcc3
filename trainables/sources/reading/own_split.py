"""Splits for data without a published one: drawn with ``data_seed``, keeping groups together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainables.foundation.seeds import named_seed
from trainables.sources.source import SPLITS

SHARES = (0.7, 0.1, 0.2)
"""Shares of train, validation and test (those of the Zappos split of Veit et al. 2017)."""


def draw_split(groups: Sequence[str], data_seed: int, shares: Sequence[float] = SHARES) -> NDArray[np.str_]:
    """Return the split (N,) of each image; images of one group are never in different splits.

    The groups are sorted by name, then shuffled; the first ``shares[0]`` of them are ``train``, and so on. The split
    does not depend on the order of the images.

    Args:
        groups: (N,) the group of each image.
        data_seed: seeds the shuffle.
        shares: of train, validation and test; they sum to 1.

    Raises:
        ValueError: fewer than three groups.
    """
    names, members = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    if len(names) < len(SPLITS):
        raise ValueError(f"a split into {', '.join(SPLITS)} needs at least 3 groups of images, got {len(names)}")
    order = np.random.default_rng(named_seed(data_seed, "split")).permutation(len(names))
    first = min(max(1, round(shares[0] * len(names))), len(names) - 2)
    second = min(max(first + 1, round((shares[0] + shares[1]) * len(names))), len(names) - 1)
    split_of = np.empty(len(names), dtype="<U10")
    for split, part in zip(SPLITS, np.split(order, [first, second]), strict=True):
        split_of[part] = split
    return split_of[members]
