"""``space.budget``: which arms a plan leaves out because they cost too much, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.budget import Budget
from study.errors import UserError

if TYPE_CHECKING:  # torch comes with it
    from trainables.networks.components import StorageLedger


_NAMED = 12


@dataclass(frozen=True)
class ArmOverBudget:
    """An arm that is not trained, the limits that it exceeds, and by how much at most, as a share of a limit."""

    name: str
    exceeded: tuple[str, ...]
    arm_id: str = ""
    excess: float = 0.0

    def __str__(self) -> str:
        """Return the arm and its reasons."""
        return f"{self.name} ({', '.join(self.exceeded)})"


def over_budget(budget: Budget, costs: Mapping[str, StorageLedger]) -> dict[str, ArmOverBudget]:
    """Return the arms that exceed the budget, by name.

    Args:
        budget: The limits.
        costs: The storage of each arm by name.

    Raises:
        UserError: they all do; names the one that adds the fewest parameters.
    """
    limited = {name: _limited(cost) for name, cost in costs.items()}
    over = {
        name: ArmOverBudget(name, exceeded, excess=budget.excess(cost))
        for name, cost in limited.items()
        if (exceeded := budget.exceeded_by(cost))
    }
    if costs and len(over) == len(costs):
        cheapest = min(costs, key=lambda name: (costs[name].added_parameters, costs[name].bytes_fp32))
        raise UserError(f"space.budget: every arm exceeds it, even {over[cheapest]}; raise the limit, or add an arm")
    return over


def _limited(cost: StorageLedger) -> dict[str, float]:
    return {
        "added_parameters": cost.added_parameters,
        "bytes": cost.bytes_fp32,
        "multiply_adds": cost.multiply_adds_per_image,
    }


def over_budget_lines(over: Iterable[ArmOverBudget]) -> tuple[str, ...]:
    """Return a line that names the arms left out, with the limits they exceed; none without any."""
    named = [str(arm) for arm in over]
    arms = "; ".join(named[:_NAMED]) + (f"; and {len(named) - _NAMED} more" if len(named) > _NAMED else "")
    return (f"not trained, over space.budget: {arms}",) if arms else ()
