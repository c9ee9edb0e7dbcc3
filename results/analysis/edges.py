"""Selected nuisance values at the edge of what was tried: a better value may lie beyond it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
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
    names, arms = (tuned[column].to_numpy(dtype=object) for column in ("trial_id", "arm"))
    columns = {column.name: tuned[column.name].to_numpy(dtype=float, na_value=np.nan) for column in NUISANCE}
    for arm_id, places in _places(tuned).items():
        choice = selected.get(arm_id)
        if choice is None:
            continue
        best = next(place for place in places if names[place] == choice.trial_id)
        for name, column in columns.items():
            values, value = np.unique(column[places]), float(column[best])
            values = values[~np.isnan(values)]
            if len(values) < 2 or math.isnan(value) or values[0] < value < values[-1]:
                continue
            found.append(
                EdgeChoice(
                    arm_id=arm_id,
                    arm=str(arms[best]),
                    name=name,
                    value=value,
                    side="lowest" if value == values[0] else "highest",
                    tried=len(values),
                    low=float(values[0]),
                    high=float(values[-1]),
                )
            )
    return tuple(found)


def _places(trials: pd.DataFrame) -> dict[str, list[int]]:
    """Return the places of each arm's rows, by arm in table order."""
    found: dict[str, list[int]] = {}
    for place, arm_id in enumerate(trials["arm_id"]):
        found.setdefault(str(arm_id), []).append(place)
    return found
