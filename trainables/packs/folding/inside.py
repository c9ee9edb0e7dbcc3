"""Folds forms that act inside a stage: each adapted layer gets the tensors with which it computes as for a group."""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor, nn

from trainables.networks.modulation.inside import LayerAdapter, is_batch_norm
from trainables.networks.modulation.masks import UnitRouting, WeightScores
from trainables.networks.modulation.normalization import NormAffine, NormBias, NormStatistics, OwnNorm
from trainables.networks.modulation.own import OwnLayer
from trainables.networks.modulation.vectors import above_threshold
from trainables.networks.modulation.weight_changes import KernelAdapter
from trainables.packs.folding.errors import NotFoldableError


@singledispatch
def fold_layer(adapter: LayerAdapter, layer: nn.Module, group: int) -> None:  # noqa: ARG001 - of its variants
    """Change the layer so that it computes by itself what the adapter makes of it for a group.

    Raises:
        NotFoldableError: No weights of the layer do the same, or the adapter is not one of this package.
    """
    raise NotFoldableError(f"{type(adapter).__name__} is not a part of this package")


@fold_layer.register
def _(adapter: NormBias, layer: nn.Module, group: int) -> None:
    scale_and_shift(layer, torch.ones_like(adapter.bias[group]), adapter.bias[group])


@fold_layer.register
def _(adapter: NormAffine, layer: nn.Module, group: int) -> None:
    scale_and_shift(layer, adapter.weight[group], adapter.bias[group])


@fold_layer.register
def _(adapter: NormStatistics, layer: nn.Module, group: int) -> None:
    if group:
        layer.get_buffer("running_mean").copy_(adapter.own_mean[group - 1])
        layer.get_buffer("running_var").copy_(adapter.own_variance[group - 1])


@fold_layer.register
def _(adapter: OwnNorm, layer: nn.Module, group: int) -> None:
    fold_layer(adapter.statistics, layer, group)
    scale_and_shift(layer, adapter.weight[group], adapter.bias[group])


@fold_layer.register
def _(adapter: UnitRouting, layer: nn.Module, group: int) -> None:
    on = adapter.mask[group].float()
    scale_and_shift(layer, on, torch.zeros_like(on))


@fold_layer.register
def _(adapter: WeightScores, layer: nn.Module, group: int) -> None:
    weight = layer.get_parameter("weight")
    weight.mul_(above_threshold(adapter.scores[group]).view_as(weight))


@fold_layer.register
def _(adapter: KernelAdapter, layer: nn.Module, group: int) -> None:
    weight = layer.get_parameter("weight")
    weight.copy_(adapter.kernel(weight, group))


@fold_layer.register
def _(adapter: OwnLayer, layer: nn.Module, group: int) -> None:
    if group:
        layer.load_state_dict(adapter.copies[group - 1].state_dict())


def scale_and_shift(norm: nn.Module, scale: Tensor, shift: Tensor) -> None:
    """Change a norm so that it outputs ``scale y + shift``, by channel, where it gave y.

    Raises:
        NotFoldableError: Its channels are not those of its weight.
    """
    if not (is_batch_norm(norm) or isinstance(norm, nn.GroupNorm)):
        raise NotFoldableError(f"a {type(norm).__name__} has no weight for each channel")
    weight, bias = (dict(norm.named_parameters(recurse=False)).get(name) for name in ("weight", "bias"))
    norm.weight = nn.Parameter(scale if weight is None else weight * scale)
    norm.bias = nn.Parameter(shift if bias is None else bias * scale + shift)
