"""What a CUDA graph does, on the CPU: it repeats the operations of one step at the addresses that they had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Replay(TorchDispatchMode):
    """Stands in for ``CapturedWork``: does the work once, records it the second time, and repeats it from then on.

    None of our code runs in a repetition. What the host would have to do in a step, or state that moves, shows as other
    numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.done = 0
        self.captured = False
        self._calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        assert func is not torch.ops.aten._local_scalar_dense.default, "the host reads a value"
        self._calls.append((func, args, kwargs or {}, found))
        return found

    def do(self, work: Callable[[], None]) -> None:
        self.done += 1
        if self.captured:
            self._repeat()
        elif self.done == 1:
            work()
        else:
            with self:
                work()
            self.captured = True

    @torch.no_grad()
    def _repeat(self) -> None:
        for func, args, kwargs, found in self._calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(found), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def count_in_tensors(balancer: Any) -> None:
    """Let Adam over the weights of the tasks count its steps as it does on an accelerator, not on the host."""
    weights = getattr(balancer, "_optimizer", None)
    if weights is not None:
        for group in weights._adam.param_groups:
            group["fused"] = True
