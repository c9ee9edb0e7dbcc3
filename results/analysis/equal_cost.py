"""Arms at equal steps beside the same arms at equal cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from results.analysis.statistics import Interval
from results.tables.metrics import HEADLINE_METRICS
from results.tables.schema import FACTORS

EQUAL_STEPS, EQUAL_COST = "steps", "multiply_adds"


@dataclass(frozen=True)
class Trained:
    """An arm under one budget.

    Attributes:
        arm: Its name.
        estimate: Mean over seeds of its test accuracy, with the interval of the summary.
        training_cost: Multiply-adds of its training, relative to one shared network at equal steps.
        seconds: Measured seconds of a training; they depend on the machine and decide nothing.
    """

    arm: str
    estimate: Interval
    training_cost: float
    seconds: float


@dataclass(frozen=True)
class BothBudgets:
    """One arm at equal steps and at equal cost; an arm that costs no more than a shared network is the same in both."""

    steps: Trained
    cost: Trained

    @property
    def same(self) -> bool:
        """Whether both are the same trials."""
        return self.steps == self.cost


def both_budgets(summary: pd.DataFrame, metric: str = HEADLINE_METRICS[0]) -> tuple[BothBudgets, ...]:
    """Return the arms that were trained under both budgets, in the order of the summary; empty unless some were.

    Args:
        summary: The ``summary`` table of one study.
        metric: One of its headline metrics.
    """
    others = [column.name for column in FACTORS if column.name != "budget"]
    done = summary[summary["n_seeds"] > 0].to_dict("records")
    at_cost = {_key(row, others): row for row in done if row["budget"] == EQUAL_COST}
    if not at_cost:
        return ()
    found = []
    for row in done:
        twin = at_cost.get(_key(row, others), row if row["training_cost"] == 1 else None)
        if row["budget"] == EQUAL_STEPS and twin is not None:
            found.append(BothBudgets(_trained(row, metric), _trained(twin, metric)))
    return tuple(found)


def _key(row: dict[Any, Any], names: list[str]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in names)


def _trained(row: dict[Any, Any], metric: str) -> Trained:
    low, high = (
        None if pd.isna(row[f"{metric}_{side}"]) else float(row[f"{metric}_{side}"]) for side in ("low", "high")
    )
    estimate = Interval(float(row[f"{metric}_mean"]), low, high, int(row["n_seeds"]))
    return Trained(str(row["arm"]), estimate, float(row["training_cost"]), float(row["seconds_mean"]))
