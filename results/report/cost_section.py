"""The part of the report on arms at equal steps beside arms at equal cost."""

from __future__ import annotations

import pandas as pd

from results.analysis.equal_cost import Trained, both_budgets
from results.report.markdown import table
from results.report.wording import estimate

_NOTE = (
    "Cost: multiply-adds of a training, relative to one shared network at equal steps, counted before training. "
    "Seconds were measured, depend on the machine, and decide nothing. Where both columns are equal, the arm costs no "
    "more than the shared network, and its trials are the same."
)


def cost_section(summary: pd.DataFrame) -> str:
    """Every arm at equal steps and at equal cost; empty unless a study ran both."""
    arms = both_budgets(summary)
    if not arms:
        return ""
    header = ["arm", "at equal steps", "cost", "seconds", "at equal cost", "cost", "seconds"]
    return f"{table(header, [[arm.steps.arm, *_cells(arm.steps), *_cells(arm.cost)] for arm in arms])}\n\n{_NOTE}"


def _cells(trained: Trained) -> list[str]:
    interval = trained.estimate
    accuracy = estimate(interval.mean, interval.low, interval.high)
    return [accuracy, f"{trained.training_cost:.3g}", f"{trained.seconds:,.1f}"]
