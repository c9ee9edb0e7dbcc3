"""Applies a function per group to the rows of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def by_group(features: Tensor, groups: Tensor, apply: Callable[[int, Tensor], Tensor]) -> Tensor:
    """Return ``apply(group, rows)`` for the rows of each group, in the order of ``features``.

    Args:
        features: ``(N, ...)``; or ``(1, B, ...)`` with groups ``(G, 1)``, in which case every group gets all B rows.
        groups: ``(N,)``; ``(1,)`` if all rows belong to one group; or ``(G, 1)``.
        apply: Maps a group index and the rows ``(n, ...)`` of the group to ``(n, ...)``.

    Returns:
        ``(N, ...)``, or ``(G, B, ...)`` for groups ``(G, 1)``.
    """
    if groups.ndim == 2:
        return torch.stack([apply(group, features[0]) for group in groups[:, 0].tolist()])
    runs, lengths = torch.unique_consecutive(groups, return_counts=True)
    order = runs.tolist()
    if len(order) == 1:
        return apply(order[0], features)
    if len(set(order)) == len(order):  # each group's rows are contiguous, as in all training batches
        parts = torch.split(features, lengths.tolist())
        return torch.cat([apply(group, part) for group, part in zip(order, parts, strict=True)])
    rows = {group: (groups == group).nonzero().squeeze(1) for group in sorted(set(order))}
    changed = torch.cat([apply(group, features[chosen]) for group, chosen in rows.items()])
    return changed[torch.cat(list(rows.values())).argsort()]
