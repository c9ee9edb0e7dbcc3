"""Counts the multiply-adds of this package's backbones from meta tensors, without torch's heavy imports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the conventional name
from torch import Tensor
from torch.nn.modules.utils import _pair
from torch.overrides import TorchFunctionMode


class ShapeCounter(TorchFunctionMode):
    """Inside a ``with`` block, handles the calls of this package's backbones on meta tensors, and counts multiply-adds.

    torch gives the same counts (``FlopCounterMode``), but its batch norm and convolutions on meta tensors load its
    compiler (``torch._dynamo``) and ``sympy``, which would add two seconds to ``modstudy plan`` and ``status``. Other
    networks may spell a call in ways that are not handled here. Unknown calls are passed on to torch.

    Attributes:
        multiply_adds: of the convolutions and linear layers so far.
        complete: whether all calls so far were known, so that the count is complete.
    """

    def __init__(self) -> None:
        super().__init__()
        self.multiply_adds = 0
        self.complete = True

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return an empty tensor of the right shape, or torch's result."""
        settings, shape_of = kwargs or {}, _SHAPES.get(func)
        shape = shape_of(*args, **settings) if shape_of is not None else None
        if shape is None:
            self.complete = self.complete and (func in _FREE or getattr(func, "__name__", "") == "__get__")
            return func(*args, **settings)
        answer: Tensor = args[0].new_empty(shape)
        if func in _PRODUCTS:
            self.multiply_adds += answer.numel() * args[1][0].numel()
        return answer


def _same(features: Tensor, *_: object, **__: object) -> Sequence[int]:
    return features.shape


def _sum(features: Tensor, other: object, **settings: object) -> Sequence[int] | None:
    if not settings and isinstance(other, Tensor) and (features.dtype, features.shape) == (other.dtype, other.shape):
        return features.shape
    return None


def _mean(features: Tensor, dim: tuple[int, ...] | None = None, **settings: object) -> Sequence[int] | None:
    if settings or not isinstance(dim, tuple) or min(dim) < 0:
        return None
    return [side for axis, side in enumerate(features.shape) if axis not in dim]


def _linear(features: Tensor, weight: Tensor, _bias: Tensor | None = None) -> Sequence[int] | None:
    return (*features.shape[:-1], weight.shape[0]) if features.shape[-1] == weight.shape[1] else None


def _convolution(  # noqa: PLR0913, PLR0917 - the signature of torch.nn.functional.conv2d
    features: Tensor,
    weight: Tensor,
    _bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Sequence[int] | None:
    if features.dim() != 4 or isinstance(padding, str) or features.shape[1] != groups * weight.shape[1]:
        return None
    return _windows(features, weight.shape[0], (weight.shape[2:], stride, padding, dilation))


def _pool(  # noqa: PLR0913, PLR0917 - the signature of torch.nn.functional.max_pool2d
    features: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Sequence[int] | None:
    if features.dim() != 4 or ceil_mode or return_indices:
        return None
    return _windows(features, features.shape[1], (kernel_size, stride or kernel_size, padding, dilation))


def _windows(features: Tensor, channels: int, settings: Sequence[Any]) -> Sequence[int] | None:
    """Return the output shape of a sliding window; ``settings``: kernel, stride, padding, dilation."""
    sides = [
        (side + 2 * pad - reach * (kernel - 1) - 1) // step + 1
        for side, kernel, step, pad, reach in zip(features.shape[2:], *map(_pair, settings), strict=True)
    ]
    return None if min(sides) < 1 else (features.shape[0], channels, *sides)


_SHAPES: dict[Callable[..., Any], Callable[..., Sequence[int] | None]] = {
    torch.Tensor.add: _sum,
    torch.Tensor.mean: _mean,
    torch.ones_like: _same,
    F.batch_norm: _same,
    F.relu: _same,
    F.linear: _linear,
    F.conv2d: _convolution,
    F.max_pool2d: _pool,
}

_PRODUCTS = frozenset((F.linear, F.conv2d))

_FREE = frozenset((torch.Tensor.flatten, torch.Tensor.dim, torch.Tensor.size, torch.Tensor.is_contiguous, torch.empty))
"""Calls without multiplications that torch handles without its compiler."""
