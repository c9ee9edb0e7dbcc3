"""How a network's operations run for all members of a unit at once.

torch has rules of its own for most operations under ``vmap``. Three need another: batch norm, whose rule does not
update running statistics that are slices; max pooling, whose rule copies every map; and, in bf16, convolutions and
matrix products, since autocast breaks the backward pass of a convolution under ``vmap``. The latter get their inputs
cast explicitly, at the same places as autocast casts them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the conventional name
from torch import Tensor
from torch.overrides import TorchFunctionMode

from trainables.networks.backbones.norm_calls import batch_norm
from trainables.networks.members import is_of_members, with_members_as_channels


def batch_norm_of_members(  # noqa: PLR0913, PLR0917 - the signature of torch.nn.functional.batch_norm
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch norm of all members as one, with the kernels and running statistics of a network trained alone."""

    def fold(features: Tensor, mean: Tensor, var: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
        return batch_norm(features, mean, var, scale, shift, training, momentum, eps)

    return with_members_as_channels(fold, input, running_mean, running_var, weight, bias)


def _max_pool_of_members(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # noqa: A002 - torch's name
    return with_members_as_channels(partial(_pool, args, kwargs), input)


def _pool(args: Sequence[Any], kwargs: Mapping[str, Any], features: Tensor) -> Tensor:
    pooled: Tensor = F.max_pool2d(features, *args, **kwargs)
    return pooled


_OF_MEMBERS: dict[Callable[..., Any], Callable[..., Tensor]] = {
    F.batch_norm: batch_norm_of_members,
    F.max_pool2d: _max_pool_of_members,
    torch.max_pool2d: _max_pool_of_members,
}

_IN_LOW_PRECISION: frozenset[Callable[..., Any]] = frozenset(
    {
        F.conv2d,
        F.linear,
        torch.matmul,
        torch.Tensor.matmul,
        torch.Tensor.__matmul__,
        torch.bmm,
        torch.Tensor.bmm,
        torch.mm,
        torch.Tensor.mm,
    }
)
"""Operations that autocast runs in bf16 and that networks use."""


class MemberCalls(TorchFunctionMode):
    """Inside a ``with`` block, runs the operations of a network for all members; casts to bf16 if configured."""

    def __init__(self, *, bf16: bool) -> None:
        super().__init__()
        self._bf16 = bf16

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the replacement, or else the original, in the configured precision."""
        kwargs = kwargs or {}
        if func in _OF_MEMBERS and args and is_of_members(args[0]):
            return _OF_MEMBERS[func](*args, **kwargs)
        if self._bf16 and func in _IN_LOW_PRECISION:
            args, kwargs = [_cast(each) for each in args], {name: _cast(each) for name, each in kwargs.items()}
        return func(*args, **kwargs)


def _cast(value: Any) -> Any:
    return value.to(torch.bfloat16) if isinstance(value, Tensor) and value.dtype == torch.float32 else value
