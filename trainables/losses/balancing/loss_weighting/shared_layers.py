"""Finds the layers that the losses of all tasks train together, for any network and any modulation."""

from __future__ import annotations

import torch
from torch import nn

from trainables.foundation.global_stream import global_stream
from trainables.networks.multi_task import MultiTaskModel


def weights_for_all(model: MultiTaskModel) -> list[nn.Parameter]:
    """Return the trained weights of the layers shared by all tasks, in execution order, on any device.

    Raises:
        ValueError: There are none: tasks have separate networks or layers, or the shared layers are frozen.
    """
    found: list[nn.Parameter] = []
    if len(model.members) == 1:
        (network,) = model.members
        points = network.points()
        owned = {
            stage
            for stage, form in points.items()
            if form.keeps_first and form.has_parameters and network.branches > 1  # else only statistics are copied
        }
        found = [
            weight
            for stage in (shape.name for shape in network.backbone.shapes if shape.name not in owned)
            for layer in network.backbone.layers(stage).values()
            for weight in layer.parameters(recurse=False)
            if weight.ndim > 1 and weight.requires_grad
        ]
    if not found:
        raise ValueError(
            "balancing.method: 'gradnorm' compares the tasks' gradients on the last layer that all of them train, and"
            " here there is none; take another method for networks or layers of the tasks' own, or frozen ones"
        )
    return found


def last_weight_for_all(model: MultiTaskModel, image_size: int) -> nn.Parameter:
    """Return the last shared weight on which every task's embedding depends, determined with blank images.

    Layers that run without affecting an embedding are excluded. Running statistics and random states do not change.

    Raises:
        ValueError: There is none.
    """
    weights = weights_for_all(model)
    device = weights[0].device
    training = model.training
    model.eval()
    try:
        with torch.enable_grad(), global_stream(0, device):
            # two images, since norms without running statistics need more than one value per channel
            blank = torch.zeros(2, 3, image_size, image_size, device=device)
            for own in model.embed_tasks(blank).sum((1, 2)):
                gradients = torch.autograd.grad(own, weights, retain_graph=True, allow_unused=True)
                weights = [weight for weight, gradient in zip(weights, gradients, strict=True) if gradient is not None]
                if not weights:
                    raise ValueError(
                        "balancing.method: 'gradnorm' needs a layer that the embeddings of all tasks depend on"
                    )
    finally:
        model.train(training)
    return weights[-1]
