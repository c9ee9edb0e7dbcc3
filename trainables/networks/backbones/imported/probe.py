"""Probes a network before its weights exist: shapes at its points, what runs where, and whether it is staged.

This takes one forward pass in each mode (training, evaluation) of the network on torch's meta device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainables.foundation.global_stream import global_stream
from trainables.foundation.registry import nearest
from trainables.networks.backbones.backbone import StageShape, is_layer
from trainables.networks.backbones.imported.calls import Call, recorded_calls, state_of
from trainables.networks.backbones.imported.chain import FORWARD_ERRORS, Chain, find_chain, runs_apart

_IMAGES = 2


@dataclass(frozen=True)
class NetworkProbe:
    """The structure of a network, derived from its forward pass.

    Attributes:
        shapes: The outputs at the points in execution order, then the embedding if no point outputs it.
        chain: The modules to run up to each of them, if that reproduces the network; else None.
        pooled: Whether the network's own result is a map, whose mean over positions is the embedding.
        layers: By stage, the modules with weights and no submodules, in execution order.
        owners: By stage, the modules whose own parameters and buffers belong to it.
    """

    shapes: tuple[StageShape, ...]
    chain: Chain | None
    pooled: bool
    layers: dict[str, tuple[str, ...]]
    owners: dict[str, tuple[str, ...]]


def result_of(output: Any) -> Tensor | None:
    """Return the tensor in a network's output: the output itself, ``pooler_output`` or ``last_hidden_state``."""
    if isinstance(output, Tensor):
        return output
    for name in ("pooler_output", "last_hidden_state"):
        tensor = getattr(output, name, None)
        if isinstance(tensor, Tensor):
            return tensor
    return None


def embedding_of(result: Tensor) -> Tensor:
    """Return embeddings ``(B, D)`` of a result ``(B, D)``, or the mean over positions of ``(B, C, H, W)``."""
    return result.mean(dim=(2, 3)) if result.ndim == 4 else result


def probe_network(network: nn.Module, points: Sequence[str], image_size: int) -> NetworkProbe:
    """Determine how a network on the meta device processes square images of ``image_size`` pixels.

    Raises:
        ValueError: If a point is not a module, does not run exactly once or outputs no map or vector, or if the network
            cannot embed the images; the message gives ``network.points`` or ``network.backbone``.
    """
    modules = dict(network.named_modules())
    for point in points:
        if point not in modules or not point:
            raise ValueError(f"network.points: the network has no module '{point}'{nearest(point, list(modules)[1:])}")
    modes = [_forward(network, image_size, training=training) for training in (True, False)]
    calls, images, result = modes[-1]
    ordered = _in_order(calls, points)
    chains = {find_chain(calls, list(ordered), images, result) for calls, images, result in modes}
    shapes = [_shape(point, call.gave.tensor) for point, call in ordered.items() if call.gave is not None]
    last = next(reversed(ordered.values())).gave
    if result.ndim != 2 or last != state_of(result):
        name = "embedding" if "embedding" not in points else "output"
        shapes.append(_shape(name, embedding_of(result)))
    return NetworkProbe(
        tuple(shapes),
        _chain_of(network, chains, images),
        result.ndim == 4,
        *_by_stage(modules, calls, [shape.name for shape in shapes], [call.end for call in ordered.values()]),
    )


def _forward(network: nn.Module, image_size: int, *, training: bool) -> tuple[list[Call], Tensor, Tensor]:
    """Return the record of a forward pass, the images, and the result."""
    images = torch.empty(_IMAGES, 3, image_size, image_size, device="meta")
    network.train(training)
    try:
        with global_stream(0), torch.no_grad(), recorded_calls(network) as calls:
            output = network(images)
    except FORWARD_ERRORS as error:
        raise ValueError(
            f"network.backbone: the network cannot embed images of {image_size} x {image_size} pixels (data.image_size)"
            f" on torch's meta device: {error}"
        ) from error
    if images._version:  # noqa: SLF001 - torch has no public API for it
        raise ValueError("network.backbone: the network must not change its images in place; other branches need them")
    result = result_of(output)
    if result is None or result.ndim not in (2, 4) or len(result) != _IMAGES:
        got = type(output).__name__ if result is None else f"a tensor {tuple(result.shape)}"
        raise ValueError(
            f"network.backbone: the network must map {_IMAGES} images to a tensor ({_IMAGES}, D) or"
            f" ({_IMAGES}, C, H, W), or an object with pooler_output or last_hidden_state; got {got}"
        )
    return calls, images, result


def _chain_of(network: nn.Module, chains: set[Chain | None], images: Tensor) -> Chain | None:
    """Return the chain that is valid in all modes and whose stages are independent of each other, if there is one."""
    chain = chains.pop() if len(chains) == 1 else None
    with global_stream(0), torch.no_grad():
        return chain if chain is not None and runs_apart(network, chain, images) else None


def _in_order(calls: Sequence[Call], points: Sequence[str]) -> dict[str, Call]:
    """Return the calls of the points in the order they end."""
    found = {}
    for point in points:
        own = [call for call in calls if call.name == point]
        if len(own) != 1:
            raise ValueError(f"network.points: '{point}' must run once in a forward pass, but runs {len(own)} times")
        gave = own[0].gave
        if gave is None or gave.tensor.ndim not in (2, 4) or len(gave.tensor) != _IMAGES:
            got = "no tensor" if gave is None else f"a tensor {tuple(gave.tensor.shape)}"
            raise ValueError(
                f"network.points: '{point}' must output a map ({_IMAGES}, C, H, W) or a vector ({_IMAGES}, D) for"
                f" {_IMAGES} images, got {got}"
            )
        found[point] = own[0]
    return dict(sorted(found.items(), key=lambda item: item[1].end))


def _shape(name: str, output: Tensor) -> StageShape:
    _, channels, height, width = output.shape if output.ndim == 4 else (*output.shape, 1, 1)
    return StageShape(name, channels, height, width)


def _by_stage(
    modules: dict[str, nn.Module], calls: Sequence[Call], stages: Sequence[str], ends: Sequence[int]
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return layers and owners of tensors by stage: where a module first ends, or the last stage if it never runs."""
    stage_of: dict[str, str] = {}
    for call in sorted(calls, key=lambda call: call.end):
        stage_of.setdefault(call.name, stages[min(sum(end < call.end for end in ends), len(stages) - 1)])
    layers = {
        stage: tuple(name for name, at in stage_of.items() if at == stage and is_layer(modules[name]))
        for stage in stages
    }
    owners = {stage: tuple(name for name in modules if stage_of.get(name, stages[-1]) == stage) for stage in stages}
    return layers, owners
