"""Selected nuisance values at the edge of what was tried: a better value may lie beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from results.analysis.selection import BestTrialPerArm, rule_of
from results.tables.schema import NUISANCE

_ENDED = ("completed", "pruned", "failed")
"""Trials that were tried: one that diverged shows that larger values are no better."""


@dataclass(frozen=True)
class EdgeChoice:
    """A selected value beyond which its arm tried nothing.

    Attributes:
        arm_id: The arm.
        arm: Its name.
        name: The nuisance hyperparameter, as the column of ``trials``.
        value: The selected value.
        side: Which edge of the tried values it is.
        tried: Number of distinct values that the arm tried.
        low: The lowest of them.
        high: The highest.
    """

    arm_id: str
    arm: str
    name: str
    value: float
    side: Literal["lowest", "highest"]
    tried: int
    low: float
    high: float

    @property
    def note(self) -> str:
        """E.g. ``learning_rate 0.03 is the highest of 8 tried``."""
        return f"{self.name} {self.value:.3g} is the {self.side} of {self.tried} tried"


def edge_choices(trials: pd.DataFrame, rule: BestTrialPerArm | None = None) -> tuple[EdgeChoice, ...]:
    """Return the selected values at the edge of what their arm tried, by arm in table order.

    The edge is that of the values, not of the range: with few trials, the selected value is often the lowest or the
    highest by chance. Either way, the tuning has not shown that a value beyond it is worse.

    Args:
        trials: The ``trials`` table of one study.
        rule: How nuisance values are selected; None uses the rule that the trials were tuned for.

    Raises:
        ValueError: The trials were tuned for different objectives.

    Example:
        >>> from results.tables.store import arrow_table, frame_of
        >>> edge_choices(frame_of(arrow_table("trials", [])))
        ()
    """
    selected = (rule or rule_of(trials)).select(trials)
    tuned = trials[(trials["stage"] == "tune") & trials["state"].isin(_ENDED)]
    found: list[EdgeChoice] = []
    for arm_id, own in tuned.groupby("arm_id", sort=False):
        choice = selected.get(str(arm_id))
        if choice is None:
            continue
        best = own.loc[own["trial_id"] == choice.trial_id].iloc[0]
        for column in NUISANCE:
            values = sorted(own[column.name].dropna().unique())
            value = best[column.name]
            if len(values) < 2 or pd.isna(value) or values[0] < value < values[-1]:
                continue
            found.append(
                EdgeChoice(
                    arm_id=str(arm_id),
                    arm=str(best["arm"]),
                    name=column.name,
                    value=float(value),
                    side="lowest" if value == values[0] else "highest",
                    tried=len(values),
                    low=float(values[0]),
                    high=float(values[-1]),
                )
            )
    return tuple(found)
