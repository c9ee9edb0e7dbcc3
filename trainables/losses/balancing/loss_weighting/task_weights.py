"""Adam over the weights of the tasks, which a step without any present task must not move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class TaskWeightOptimizer:
    """Adam over one tensor ``(T,)``, decided upon and computed on the tensor's device.

    Nothing is read by the host, and weights and state keep their memory, also when a state is loaded, so that a step
    can be part of a CUDA graph.
    """

    def __init__(self, weights: Tensor, rate: float, decay: float = 0.0) -> None:
        self._weights = weights
        away = weights.device.type != "cpu"  # there, torch would by default count the steps on the CPU
        self._adam = torch.optim.Adam([weights], lr=rate, weight_decay=decay, fused=away or None, capturable=away)
        self._make_state()

    @torch.no_grad()
    def step(self, gradient: Tensor, moving: Tensor) -> None:
        """Take a step along ``gradient`` (T,) if ``moving``, a bool scalar, is true; else change nothing."""
        tensors = [self._weights, *self._state().values()]
        before = [tensor.clone() for tensor in tensors]
        self._weights.grad = gradient
        self._adam.step()
        for tensor, old in zip(tensors, before, strict=True):
            tensor.copy_(torch.where(moving, tensor, old))

    def state_dict(self) -> dict[str, Any]:
        """Return Adam's state."""
        return self._adam.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy Adam's state into the tensors of this one; a state from before the first step may hold none."""
        saved = state["state"].get(0, {})
        for name, tensor in self._state().items():
            tensor.copy_(saved[name]) if name in saved else tensor.zero_()

    def _state(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self._adam.state[self._weights]
        return found

    @torch.no_grad()
    def _make_state(self) -> None:
        """Let Adam make its state, which it does in the first step only, and set it to 0."""
        start = self._weights.clone()
        self._weights.grad = torch.zeros_like(self._weights)
        self._adam.step()
        self._weights.copy_(start)
        for tensor in self._state().values():
            tensor.zero_()
