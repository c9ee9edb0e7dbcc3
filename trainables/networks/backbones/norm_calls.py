"""Replacements for torch's normalisations while any network runs.

torch has three defects. With a bias but no scale, batch and instance norm on CUDA give the bias no gradient, and group
norm fails in its backward pass on all devices; the replacements then use a scale of ones. Batch norm of channels-last
batches on the CPU has inaccurate sums (see ``channels_last_norm``). So does group norm, which there computes the
variance as a difference of two squares, so it gets such maps in the other layout. Everything else is torch's own,
including all CUDA kernels, and the norms of parts recomputed in the backward pass (gradient checkpointing).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the conventional name
from torch import Tensor
from torch.overrides import TorchFunctionMode

from trainables.networks.backbones.channels_last_norm import ChannelsLastBatchNorm, NormSettings, in_long_chains


def batch_norm(  # noqa: PLR0913, PLR0917 - the signature of torch.nn.functional.batch_norm
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch norm with accurate sums, and with a gradient for the bias on all devices."""
    scale = _scale(weight, bias)
    known = running_mean is not None and running_var is not None
    sums = training or torch.is_grad_enabled()  # else running statistics are all that is used, at any size of a batch
    if not sums or not in_long_chains(input) or not (training or known):  # torch reports what is missing
        return F.batch_norm(input, running_mean, running_var, scale, bias, training, momentum, eps)
    settings = NormSettings(training, momentum, eps)
    normalised: Tensor = ChannelsLastBatchNorm.apply(  # type: ignore[no-untyped-call]
        input, scale, bias, running_mean, running_var, settings
    )
    return normalised


def group_norm(
    input: Tensor,  # noqa: A002 - the signature of torch.nn.functional.group_norm
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Group norm with accurate sums, and with a bias that needs no scale."""
    scale = _scale(weight, bias)
    if input.device.type != "cpu" or input.is_contiguous():
        return F.group_norm(input, num_groups, scale, bias, eps)
    return torch.empty_like(input).copy_(F.group_norm(input.contiguous(), num_groups, scale, bias, eps))


def instance_norm(  # noqa: PLR0913, PLR0917 - the signature of torch.nn.functional.instance_norm
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Instance norm with a gradient for the bias on all devices."""
    scale = _scale(weight, bias)
    return F.instance_norm(input, running_mean, running_var, scale, bias, use_input_stats, momentum, eps)


def _scale(weight: Tensor | None, bias: Tensor | None) -> Tensor | None:
    """Return the scale, or ones if there is only a bias; these are used in computation but are not a parameter."""
    return torch.ones_like(bias) if weight is None and bias is not None else weight


@dataclass(frozen=True)
class _StandIn:
    """The function to call, and the argument order of the replaced one."""

    function: Callable[..., Tensor]
    names: tuple[str, ...]

    def __call__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
        given = {**dict(zip(self.names, args, strict=False)), **kwargs}
        given.pop("cudnn_enabled", None)
        return self.function(**given)


_MOVING = ("running_mean", "running_var")
_AFFINE = ("weight", "bias")
_HOW = ("momentum", "eps")

_STAND_INS: dict[Callable[..., Any], _StandIn] = {
    F.batch_norm: _StandIn(batch_norm, ("input", *_MOVING, *_AFFINE, "training", *_HOW)),
    torch.batch_norm: _StandIn(batch_norm, ("input", *_AFFINE, *_MOVING, "training", *_HOW)),
    F.group_norm: _StandIn(group_norm, ("input", "num_groups", *_AFFINE, "eps")),
    torch.group_norm: _StandIn(group_norm, ("input", "num_groups", *_AFFINE, "eps")),
    F.instance_norm: _StandIn(instance_norm, ("input", *_MOVING, *_AFFINE, "use_input_stats", *_HOW)),
    torch.instance_norm: _StandIn(instance_norm, ("input", *_AFFINE, *_MOVING, "use_input_stats", *_HOW)),
}


class SoundNorms(TorchFunctionMode):
    """Inside a ``with`` block, redirects all calls of torch's norms to the replacements in this module."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the replacement, or else the original."""
        stand_in = _STAND_INS.get(func)
        if stand_in is None or _is_computed_again():
            return func(*args, **(kwargs or {}))
        return stand_in(args, kwargs or {})


def _is_computed_again() -> bool:
    """Return whether hooks capture the tensors saved for the backward pass, as in gradient checkpointing.

    The recomputation runs inside the backward pass, where no mode reaches it, and must be the same as the first.
    """
    return torch._C._autograd._top_saved_tensors_default_hooks(True) is not None  # noqa: SLF001 - no public API
