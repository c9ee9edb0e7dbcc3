"""A mode in which nothing may pass between the host and the device, on torch's meta device instead of a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READS = {
    "_local_scalar_dense": "item(), tolist(), bool() or float() of a tensor",
    "is_nonzero": "bool() of a tensor",
    "equal": "torch.equal",
    "nonzero": "nonzero()",
    "masked_select": "masked_select()",
    "_unique2": "unique()",
    "unique_dim": "unique()",
    "unique_consecutive": "unique_consecutive()",
    "repeat_interleave": "repeat_interleave() without output_size",
    "bincount": "bincount()",
}
"""Operations whose result has a size or a value for which the host must wait."""

MAKES = (torch.tensor, torch.as_tensor, torch.asarray)
"""Functions that copy numbers of the host to a device. On the meta device, no operation shows it."""

COPIES = ("_to_copy", "to")
"""Copies from device to device; the second is seen in inference mode."""

CHANGE_ONLY = ("_fused_sgd_", "_fused_adagrad_", "_fused_adam_", "_fused_adamw_")
"""They change their arguments and return nothing. torch lacks some of them for the meta device."""


class HostError(AssertionError):
    """Something passed between the host and the device."""


@dataclass
class Strictness:
    """What is allowed now.

    Attributes:
        strict: Whether a step must do without the host. Before, torch and we may make what it needs and keep it.
        numbers: Whether single numbers of the host may be operands nevertheless. ``torch.func.vmap`` makes tensors of
            Python's numbers that meet a member's scalars. CUDA takes them as arguments of the kernel, so nothing
            waits, and a graph keeps their value (``tests/trainables/fused/test_replayed.py``).
    """

    strict: bool = False
    numbers: bool = False


@contextmanager
def nothing_from_the_host() -> Iterator[Strictness]:
    """Refuse, while strict, whatever makes the host wait for the device or copies from one of them to the other.

    Raises:
        HostError: Inside the block, at the operation.
    """
    how = Strictness()
    with _Calls(how), _Operations(how):
        yield how


class _Operations(TorchDispatchMode):
    def __init__(self, how: Strictness) -> None:
        super().__init__()
        self.how = how

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        devices = {tensor.device.type for tensor in given}
        if kwargs.get("device") is not None:
            devices.add(torch.device(kwargs["device"]).type)
        if "meta" in devices:
            if name in READS:
                raise HostError(f"{name} reads values: {READS[name]}")
            if name in COPIES and given[0].is_meta and len(devices) > 1:
                raise HostError("a tensor of the device is copied to the host")
            if self.how.strict:
                _refuse(name, given, devices, args, numbers=self.how.numbers)
            if name in CHANGE_ONLY:
                return None
            if name in _SHAPES:
                return _SHAPES[name](*args)
        return func(*args, **kwargs)


class _Calls(TorchFunctionMode):
    def __init__(self, how: Strictness) -> None:
        super().__init__()
        self.how = how

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.how.strict:
            to = torch.device(kwargs["device"]).type if kwargs.get("device") is not None else "cpu"
            there = bool(args) and isinstance(args[0], Tensor) and args[0].is_meta
            if (func in MAKES and to == "meta" and not there) or (func is Tensor.new_tensor and there):
                raise HostError(f"{func.__name__}() copies numbers of the host to the device")
            if func in {Tensor.__getitem__, Tensor.__setitem__} and there and _has_list(args[1]):
                raise HostError("an index that is a list is copied to the device")
        return func(*args, **kwargs)


def _normalised(features: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    statistics = features.new_empty(features.shape[1])
    return torch.empty_like(features), statistics, statistics.clone()


def _normalised_backward(gradient: Tensor, *others: Any) -> tuple[Tensor | None, ...]:
    parts = gradient.new_empty(gradient.shape[1])
    made = torch.empty_like(gradient), parts, parts.clone()
    return tuple(part if wanted else None for part, wanted in zip(made, others[-1], strict=True))


_SHAPES = {
    "native_batch_norm": _normalised,
    "native_batch_norm_backward": _normalised_backward,
    "threshold_backward": lambda gradient, *_: torch.empty_like(gradient),
}
"""What torch computes on the meta device from dozens of Python functions, which took most of the time."""


def _refuse(name: str, given: list[Tensor], devices: set[str], args: Sequence[Any], *, numbers: bool) -> None:
    allowed = numbers and name not in COPIES and all(tensor.is_meta or not tensor.ndim for tensor in given)
    if len(devices) > 1 and not allowed:
        raise HostError(f"{name} takes tensors of the host and of the device: {[_shown(tensor) for tensor in given]}")
    if name == "index" and any(isinstance(index, Tensor) and index.dtype == torch.bool for index in args[1]):
        raise HostError("index by a mask reads how many entries are set")


def _has_list(index: Any) -> bool:
    return isinstance(index, list) or (isinstance(index, tuple) and any(isinstance(part, list) for part in index))


def _shown(tensor: Tensor) -> str:
    return f"{tensor.device.type} {str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
