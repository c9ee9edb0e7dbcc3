"""Records one forward pass of a network from outside: which modules ran, on which tensors, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from torch import Tensor, nn

_HARMLESS = (type(None), bool)
"""Types of other arguments that do not depend on the batch, so that a call can be repeated with them."""


@dataclass(frozen=True)
class State:
    """A tensor at one moment: the object, and how often it had been changed in place."""

    tensor: Tensor
    version: int

    def __eq__(self, other: object) -> bool:
        """Return whether both are the same object in the same state; values are not compared."""
        return isinstance(other, State) and self.tensor is other.tensor and self.version == other.version

    __hash__ = None  # type: ignore[assignment]


@dataclass
class Call:
    """One run of a module.

    Attributes:
        name: Name of the module.
        start, end: Times on a common clock.
        given: The tensor it ran on, if that was one tensor and nothing else relevant.
        gave: The tensor it returned, if it returned one.
        keyword: The name under which it received the tensor; None means as the first argument.
        arguments: The other positional and keyword arguments.
    """

    name: str
    start: int
    end: int = -1
    given: State | None = None
    gave: State | None = None
    keyword: str | None = None
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)

    def holds(self, other: Call) -> bool:
        """Return whether the other call was made inside this one."""
        return self.start < other.start and other.end < self.end


def state_of(tensor: Tensor) -> State:
    """Return a tensor's current state."""
    return State(tensor, tensor._version)  # noqa: SLF001 - torch has no public API for it


@contextmanager
def recorded_calls(network: nn.Module) -> Iterator[list[Call]]:
    """Record the calls of all modules of a network while the block runs, in the order of their start.

    All tensors are kept until the record is dropped, so that no two share an identity.
    """
    calls: list[Call] = []
    open_calls: list[Call] = []
    clock = count()

    def before(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        call = Call(name, next(clock))
        _note_arguments(call, args, kwargs)
        calls.append(call)
        open_calls.append(call)

    def after(output: Any) -> None:
        call = open_calls.pop()
        call.end = next(clock)
        call.gave = state_of(output) if isinstance(output, Tensor) else None

    handles = []
    for name, module in network.named_modules():
        handles += [
            module.register_forward_pre_hook(
                lambda _module, args, kwargs, name=name: before(name, args, kwargs), with_kwargs=True
            ),
            module.register_forward_hook(lambda _module, _args, output: after(output)),
        ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _note_arguments(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Record a module's input tensor and other arguments, if there is one tensor and the others are constant."""
    named = [key for key, value in kwargs.items() if isinstance(value, Tensor)]
    if args and isinstance(args[0], Tensor) and not named:
        tensor, rest = args[0], args[1:]
    elif not args and len(named) == 1:
        call.keyword = named[0]
        tensor, rest = kwargs[named[0]], ()
    else:
        return
    others = {key: value for key, value in kwargs.items() if key != call.keyword}
    if all(isinstance(value, _HARMLESS) for value in (*rest, *others.values())):
        call.given, call.arguments, call.keywords = state_of(tensor), rest, others
