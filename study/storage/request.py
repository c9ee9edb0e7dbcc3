"""What a user asks of the storage analysis, and its rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from results.analysis.storage.efficient import Limits
from study.errors import UserError

if TYPE_CHECKING:
    from trainables.storage.stored import Format

IMAGES = (1e4, 1e6, 1e9)


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


def limits_of(budget: Mapping[str, float]) -> Limits:
    """Return the limits that a mapping names.

    Raises:
        UserError: a key is unknown.
    """
    known = ("bytes", "multiply_adds")
    for key in budget:
        if key not in known:
            raise UserError(f"budget: unknown {key!r}; known: {', '.join(known)}")
    return Limits(**budget)


def formats_of(request: StorageRequest) -> tuple[Format, ...]:
    """Return the formats asked for, each once."""
    from trainables.networks.precision import PRECISIONS
    from trainables.storage.stored import Format

    known = {str(precision): precision for precision in PRECISIONS}
    return tuple(
        Format(known[precision], known[request.index or precision]) for precision in dict.fromkeys(request.precisions)
    )


def check_request(request: StorageRequest) -> None:
    """Refuse values that break a rule.

    Raises:
        UserError: names key, value and rule.
    """
    from trainables.networks.precision import PRECISIONS

    for name, values in (("precision", request.precisions), ("index_precision", (request.index,))):
        for value in values:
            if value is not None and value not in PRECISIONS:
                raise UserError(f"{name}: unknown {value!r}; known: {', '.join(PRECISIONS)}")
    _check_positive("images", request.images)
    limits = (request.tasks, request.limits.bytes, request.limits.multiply_adds)
    for name, limit in zip(("tasks", "bytes", "multiply-adds"), limits, strict=True):
        _check_positive(name, () if limit is None else (limit,))
    if not request.images or not request.precisions:
        raise UserError("images and precision need at least one value each")


def _check_positive(name: str, values: Sequence[float]) -> None:
    for value in values:
        if not 1 <= value < math.inf:
            raise UserError(f"{name}: should be a number of at least 1, got {value}")
