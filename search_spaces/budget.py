"""What an arm may cost at most. Costs are known before training, so a plan leaves out the arms that exceed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, Strict

from search_spaces.level import Level, from_scientific_text

Limit = Annotated[float, Strict(), BeforeValidator(from_scientific_text), Field(ge=0)]
"""A largest cost; 0 admits only what costs nothing."""


class Budget(Level):
    """The most that an arm may cost; None sets no limit.

    Attributes:
        added_parameters: Parameters beyond one network without modulation.
        bytes: Of the stored network (all of it, with its running statistics) at fp32.
        multiply_adds: For one image and all tasks.

    Example:
        >>> Budget(added_parameters=1000).exceeded_by({"added_parameters": 2952, "bytes": 900_000})
        ('added_parameters 2,952 > 1,000',)
    """

    added_parameters: Limit | None = None
    bytes: Limit | None = None
    multiply_adds: Limit | None = None

    def excess(self, costs: Mapping[str, float]) -> float:
        """Return by how much the costs of an arm exceed a limit at most, as a share of the limit (of 1, if it is 0)."""
        limits: dict[str, float | None] = {name: getattr(self, name) for name in Budget.model_fields}
        over = ((costs[name] - limit) / (limit or 1) for name, limit in limits.items() if limit is not None)
        return max((0.0, *over))

    def exceeded_by(self, costs: Mapping[str, float]) -> tuple[str, ...]:
        """Return ``name cost > limit`` for each limit that the costs of an arm, by name, exceed."""
        limits = {name: getattr(self, name) for name in Budget.model_fields}
        return tuple(
            f"{name} {costs[name]:,.0f} > {limit:,.0f}"
            for name, limit in limits.items()
            if limit is not None and name in costs and costs[name] > limit
        )
