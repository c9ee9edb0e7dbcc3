"""What a user asks of the storage analysis, and its rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from results.analysis.storage.efficient import Limits
from study.arguments import mapping, number, optional, several, whole
from study.errors import UserError

if TYPE_CHECKING:
    from trainables.storage.stored import Format

IMAGES = (1e4, 1e6, 1e9)

MOST_IMAGES = 10**15
"""Gallery images: beyond any index, and below the numbers that a float no longer counts one by one."""

MOST = 1e30
"""Of bytes and multiply-adds."""


@dataclass(frozen=True)
class StorageRequest:
    """What the user asks.

    Attributes:
        images: Gallery sizes N.
        tasks: Number of tasks T; None for those of the study.
        precisions: Of the network.
        index: Precision of the index; None for that of the network.
        limits: What network and index, and a gallery image, may take at most.
    """

    images: tuple[float, ...] = IMAGES
    tasks: int | None = None
    precisions: tuple[str, ...] = ("fp32",)
    index: str | None = None
    limits: Limits = field(default_factory=Limits)


def request_of(
    images: Any, tasks: Any = None, precision: Any = "fp32", index_precision: Any = None, budget: Any = None
) -> StorageRequest:
    """Return a request from values of any type.

    Raises:
        UserError: names argument, value and rule.
    """
    given = precision if isinstance(precision, Iterable) and not isinstance(precision, str) else (precision,)
    request = StorageRequest(
        several("images", images, _gallery),
        optional(_tasks, "tasks", tasks),
        tuple(dict.fromkeys(several("precision", given, _precision))),
        optional(_precision, "index_precision", index_precision),
        _limits(mapping("budget", {} if budget is None else budget)),
    )
    if not request.images or not request.precisions:
        raise UserError(f"{'precision' if request.images else 'images'}: needs at least one value")
    return request


def _limits(budget: Mapping[str, Any]) -> Limits:
    known = ("bytes", "multiply_adds")
    for key in budget:
        if key not in known:
            raise UserError(f"budget: unknown {key!r}; known: {', '.join(known)}")
    return Limits(**{key: optional(_limit, f"budget: {key}", value) for key, value in budget.items()})


def _limit(name: str, value: Any) -> float:
    return number(name, value, 1, MOST)


def _gallery(name: str, value: Any) -> float:
    """Return a gallery size: a whole number, also one written as 1e6."""
    return float(whole(name, value, 1, MOST_IMAGES))


def _tasks(name: str, value: Any) -> int:
    from trainables.storage.forecast import MOST_TASKS

    return whole(name, value, 1, MOST_TASKS)


def _precision(name: str, value: Any) -> str:
    from trainables.networks.precision import PRECISIONS

    if value not in PRECISIONS:
        raise UserError(f"{name}: unknown {value!r}; known: {', '.join(PRECISIONS)}")
    return str(value)


def formats_of(request: StorageRequest) -> tuple[Format, ...]:
    """Return the formats asked for, each once."""
    from trainables.networks.precision import PRECISIONS
    from trainables.storage.stored import Format

    known = {str(precision): precision for precision in PRECISIONS}
    return tuple(
        Format(known[precision], known[request.index or precision]) for precision in dict.fromkeys(request.precisions)
    )
