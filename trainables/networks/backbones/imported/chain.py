"""Determines whether a network is a chain through its modulation points, so that its first part can run once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from trainables.networks.backbones.imported.calls import Call, State, state_of

FORWARD_ERRORS = (RuntimeError, ValueError, TypeError, IndexError)
"""The errors that torch and networks raise on unsupported shapes."""


@dataclass(frozen=True)
class Step:
    """A module to run: its name in the network, and how to call it."""

    module: str
    keyword: str | None
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]


Chain = tuple[tuple[Step, ...], ...]
"""The steps up to and including each point, then those after the last."""


def find_chain(calls: Sequence[Call], points: Sequence[str], images: Tensor, result: Tensor) -> Chain | None:
    """Return the steps that lead from the images through each point to the result, or None if the network does more.

    Starting from the images, the next step is the outermost module that runs on exactly the current tensor, unchanged
    since it was created, and that contains no later point. Anything that bypasses a point (a skip connection around it,
    an addition outside any module) creates another tensor or changes this one in place; either ends the chain.

    Args:
        calls: The record of one forward pass.
        points: Modules after which the chain is cut, in the order they end.
        images: The input.
        result: The output; may be a flattened view of the last step's output.
    """
    ends = {call.name: call for call in calls if call.name in points}
    remaining = list(points)
    stages: list[list[Step]] = [[]]
    current, now = State(images, 0), 0
    while call := next((call for call in calls if call.start >= now and call.given == current), None):
        if call.gave is None or any(call.holds(ends[point]) for point in remaining):
            now = call.start + 1  # look inside
            continue
        stages[-1].append(Step(call.name, call.keyword, call.arguments, tuple(call.keywords.items())))
        current, now = call.gave, call.end
        if call.name in remaining:
            remaining.remove(call.name)
            stages.append([])
    if remaining or not (state_of(result) == current or _is_flattened(result, current)):
        return None
    return tuple(tuple(stage) for stage in stages)


def runs_apart(network: nn.Module, chain: Chain, images: Tensor) -> bool:
    """Return whether each stage can run on a different number of images than the one before it.

    Branches require this. A module that stores a tensor for another to read, or counts its images, fails here.
    """
    features = images
    for number, steps in enumerate(chain, start=len(images) + 1):
        try:
            given, features = features, StageView(network, steps)(features)
        except FORWARD_ERRORS:
            return False
        if len(features) != len(given):
            return False
        features = features.new_empty((number, *features.shape[1:]))
    return True


def _is_flattened(result: Tensor, current: State) -> bool:
    """Return whether the result is ``current.flatten(1)`` and nothing has changed it since."""
    tensor = current.tensor
    base = tensor if tensor._base is None else tensor._base  # noqa: SLF001 - torch has no public API for it
    return (
        result._base is base  # noqa: SLF001
        and result._version == current.version  # noqa: SLF001
        and result.shape == tensor.flatten(1).shape
        and tensor.is_contiguous()
        and result.is_contiguous()
        and result.storage_offset() == tensor.storage_offset()
    )


class StageView(nn.Module):
    """Steps of a network in order, as one module. It refers to the network's modules but does not own them."""

    def __init__(self, network: nn.Module, steps: Sequence[Step]) -> None:
        super().__init__()
        self.steps = tuple(steps)
        self.shown = nn.ModuleList(network.get_submodule(step.module) for step in steps)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to the output of the last step."""
        for step, module in zip(self.steps, self.shown, strict=True):
            keywords = dict(step.keywords)
            if step.keyword is None:
                features = module(features, *step.arguments, **keywords)
            else:
                features = module(**{step.keyword: features}, **keywords)
        return features
