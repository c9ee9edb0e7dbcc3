"""Gradients of a loss that may not depend on all given parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def gradients_of(loss: Tensor, parameters: Sequence[nn.Parameter], *, retain_graph: bool) -> tuple[Tensor, ...]:
    """Return the gradient of a scalar with respect to each parameter; zeros for unused and frozen parameters.

    User networks may have layers that never run, branches for only some tasks, and frozen parts.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    found = {}
    if trained and loss.requires_grad:
        gradients = torch.autograd.grad(loss, trained, retain_graph=retain_graph, materialize_grads=True)
        found = {id(parameter): gradient for parameter, gradient in zip(trained, gradients, strict=True)}
    return tuple(
        found[id(parameter)] if id(parameter) in found else torch.zeros_like(parameter) for parameter in parameters
    )
