"""Members of a fused unit inside a network: ``torch.func.vmap`` gives every tensor a hidden axis of K members.

Operations that treat channels alike can be applied to all members at once, with the members as more channels: (N, C,
...) of K members is one tensor (N, K C, ...). A convolution of vmap does the same (its groups are the members), so
features keep one memory layout throughout, and kernels see few large tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def is_of_members(tensor: Tensor) -> bool:
    """Return whether a tensor has a hidden axis of members, that is, whether this runs inside ``vmap`` over them."""
    return torch._C._functorch.is_batchedtensor(tensor)  # noqa: SLF001 - torch.func offers no public query


class _Folded(torch.autograd.Function):
    """Applies a function with the members as channels; defined by its rule for ``vmap`` alone."""

    @staticmethod
    def forward(function: Callable[..., Tensor], features: Tensor, *of_channels: Tensor | None) -> Tensor:
        """Outside ``vmap`` there is nothing to fold."""
        return function(features, *of_channels)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing to keep: torch differentiates the operations inside the rule."""

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], function: Callable[..., Tensor], features: Tensor, *of_channels: Any
    ) -> tuple[Tensor, int]:
        """Fold, apply, unfold."""
        _, at, *places = in_dims
        spread = features.expand(info.batch_size, *features.shape) if at is None else features.movedim(at, 0)
        vectors = [_rows(vector, place, info.batch_size) for vector, place in zip(of_channels, places, strict=True)]
        folded = [None if rows is None else rows.flatten(0, 1) for rows in vectors]
        output = function(spread.movedim(0, 1).flatten(1, 2), *folded)
        for rows, copied in zip(vectors, folded, strict=True):  # a function may update its vectors
            if rows is not None and copied is not None and copied.data_ptr() != rows.data_ptr():
                _copy_back(rows, copied)
        return output.reshape(len(output), info.batch_size, -1, *output.shape[2:]), 1


def _rows(vector: Tensor | None, place: int | None, members: int) -> Tensor | None:
    """Return the vectors (K, C) of the members."""
    if vector is None:
        return None
    return vector.expand(members, *vector.shape) if place is None else vector.movedim(place, 0)


def _copy_back(rows: Tensor, copied: Tensor) -> None:
    if not rows.requires_grad:
        rows.copy_(copied.view_as(rows))


def with_members_as_channels(function: Callable[..., Tensor], features: Tensor, *of_channels: Tensor | None) -> Tensor:
    """Return ``function(features, *of_channels)`` of every member, computed on (N, K C, ...) and vectors (K C,).

    Args:
        function: Treats channels alike; returns (N', K C, ...). It may update vectors that need no gradient in place.
        features: (N, C, ...) of every member.
        of_channels: (C,) each, or None.
    """
    output: Tensor = _Folded.apply(function, features, *of_channels)  # type: ignore[no-untyped-call]
    return output


def rows_of_branches(spread: Tensor) -> Tensor:
    """Return (G, B, C, ...) of every member as (G B, C, ...), with channels innermost if they are so in ``spread``."""
    if spread.ndim < 5:
        return spread.flatten(0, 1)
    return with_members_as_channels(_as_rows, spread.movedim(2, 1))


def _as_rows(spread: Tensor) -> Tensor:
    """Return (G, C, B, H, W) as (G B, C, H, W) in one copy at most."""
    if spread.stride(1) == 1:
        return spread.movedim(1, -1).flatten(0, 1).movedim(-1, 1)
    return spread.movedim(1, 2).flatten(0, 1)
