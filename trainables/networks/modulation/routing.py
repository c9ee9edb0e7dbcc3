"""Applies a function per group to the rows of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainables.networks.modulation.layout import RowLayout, layout_of


def by_group(features: Tensor, groups: Tensor, apply: Callable[[int, Tensor], Tensor]) -> Tensor:
    """Return ``apply(group, rows)`` for the rows of each group, in the order of ``features``.

    The values of ``groups`` are read from the device only if their layout is not noted on the tensor.

    Args:
        features: ``(N, ...)``; or ``(1, B, ...)`` with groups ``(G, 1)``, in which case every group gets all B rows.
        groups: ``(N,)``; ``(1,)`` if all rows belong to one group; or ``(G, 1)``.
        apply: Maps a group index and the rows ``(n, ...)`` of the group to ``(n, ...)``.

    Returns:
        ``(N, ...)``, or ``(G, B, ...)`` for groups ``(G, 1)``.
    """
    layout = layout_of(groups) or RowLayout(groups.flatten().tolist())
    if groups.ndim == 2:
        return torch.stack([apply(group, features[0]) for group in layout.values])
    order = [group for group, _ in layout.runs]
    if len(order) == 1:
        return apply(order[0], features)
    if len(set(order)) == len(order):  # each group's rows are contiguous
        parts = torch.split(features, [rows for _, rows in layout.runs])
        return torch.cat([apply(group, part) for group, part in zip(order, parts, strict=True)])
    device = features.device
    changed = [apply(group, features[layout.rows_of(group, device)]) for group in sorted(set(order))]
    return torch.cat(changed)[layout.back(device)]
