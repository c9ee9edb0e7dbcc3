"""Folds forms that act on the output of a stage, y = M x + b by channel, into the layers that read or make it.

Into the readers, since W (M x + b) = (W M) x + W b: exact for every form that is linear in x. A shift passes only
layers without padding, which would be padded with b instead of zero. Into the maker, since a ReLU and max pooling let
factors that are not negative pass: a relu(z) = relu(a z).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor, nn

from trainables.networks.modulation import Modulation
from trainables.networks.modulation.matrices import LowRank, Projection, SqueezeExcite
from trainables.networks.modulation.vectors import Scale, ScaleShift
from trainables.packs.folding.errors import NotFoldableError
from trainables.packs.folding.inside import scale_and_shift
from trainables.packs.folding.places import Around


@dataclass(frozen=True)
class Linear:
    """y = M x + b by channel; ``factors`` (C,) is the diagonal of M where M is nothing else, ``shift`` (C,) is b."""

    matrix: Tensor
    factors: Tensor | None = None
    shift: Tensor | None = None


@singledispatch
def linear_of(form: Modulation, group: int) -> Linear:  # noqa: ARG001 - of its variants
    """Return what a form does to the channels for a group.

    Raises:
        NotFoldableError: It is not linear in the output of the stage, or not a form of this package.
    """
    raise NotFoldableError(f"{type(form).__name__} is not a form of this package")


@linear_of.register
def _(form: Scale, group: int) -> Linear:
    factors = form.factors()[group]
    return Linear(torch.diag(factors), factors)


@linear_of.register
def _(form: ScaleShift, group: int) -> Linear:
    factors = form.factors()[group]
    return Linear(torch.diag(factors), factors, form.shifts[group])


@linear_of.register
def _(form: Projection, group: int) -> Linear:
    return Linear(form.matrices[group])


@linear_of.register
def _(form: LowRank, group: int) -> Linear:
    mixed = form.up[group] @ form.down[group]
    return Linear(torch.eye(len(mixed)) + mixed)


@linear_of.register
def _(form: SqueezeExcite, group: int) -> Linear:  # noqa: ARG001 - of all variants
    raise NotFoldableError("its gate depends on the image")


def fold_output(change: Linear, place: Around) -> None:
    """Change the layers around a stage's output so that they do without the form.

    Raises:
        NotFoldableError: No weights there do the same.
    """
    if place.readers:
        _into_readers(change, place.readers)
    elif isinstance(place.maker, nn.Linear) and not place.clipped:
        _after_linear(change, place.maker)
    elif place.maker is not None:
        _before_relu(change, place.maker)
    else:
        raise NotFoldableError("no layer that makes or reads the output is linear in it")


def _into_readers(change: Linear, readers: tuple[nn.Module, ...]) -> None:
    padded = [layer for layer in readers if isinstance(layer, nn.Conv2d) and layer.padding not in ((0, 0), "valid")]
    if change.shift is not None and padded:
        raise NotFoldableError("the convolution that reads the output pads it with zeros, which no shift changes")
    for layer in readers:
        weight = layer.get_parameter("weight")
        by_channel = weight.view(len(weight), len(change.matrix), -1)
        if change.shift is not None:
            shift = torch.einsum("ocp,c->o", by_channel, change.shift)
            layer.bias = nn.Parameter(shift if layer.bias is None else layer.bias + shift)  # type: ignore[operator]
        weight.copy_(torch.einsum("ocp,cd->odp", by_channel, change.matrix).reshape(weight.shape))


def _after_linear(change: Linear, maker: nn.Linear) -> None:
    maker.weight.copy_(change.matrix @ maker.weight)
    if maker.bias is not None or change.shift is not None:
        bias = torch.zeros(len(change.matrix)) if maker.bias is None else change.matrix @ maker.bias
        maker.bias = nn.Parameter(bias if change.shift is None else bias + change.shift)


def _before_relu(change: Linear, maker: nn.Module) -> None:
    if change.factors is None:
        raise NotFoldableError("a ReLU makes the output, and channels mixed after it are not those mixed before it")
    if change.shift is not None:
        raise NotFoldableError("a ReLU makes the output, and a shift after it is not one before it")
    if bool((change.factors < 0).any()):
        raise NotFoldableError("a ReLU makes the output, which no negative factor passes")
    scale_and_shift(maker, change.factors, torch.zeros_like(change.factors))
