"""Accuracy by placement and initialization, one grid per grouping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from results.tables.metrics import HEADLINE_METRICS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FactorGrid:
    """The arms of one grouping.

    Attributes:
        grouping: Name of the level.
        placements, initializations: The rows and columns, in the order of the study; the same in every grid.
        mean: Shape (placements, initializations): mean over the arms of a cell; NaN without one.
        arms: Names of the arms of each cell; several where they also differ in another factor, such as the form.
    """

    grouping: str
    placements: tuple[str, ...]
    initializations: tuple[str, ...]
    mean: Floats
    arms: tuple[tuple[tuple[str, ...], ...], ...]


def factor_grids(summary: pd.DataFrame, metric: str = HEADLINE_METRICS[0]) -> tuple[FactorGrid, ...]:
    """Return one grid per grouping of the arms that carry modulation and have results.

    Empty unless two of the three factors have two levels each, as there is no grid to look at otherwise.
    """
    reported = summary[summary[f"{metric}_mean"].notna() & summary["points"].fillna("").ne("")]
    names = ("grouping", "placement", "initialization")
    groupings, placements, initializations = (tuple(map(str, reported[name].unique())) for name in names)
    if sum(len(levels) > 1 for levels in (groupings, placements, initializations)) < 2:
        return ()
    return tuple(
        _grid(grouping, reported[reported["grouping"] == grouping], (placements, initializations), metric)
        for grouping in groupings
    )


def _grid(grouping: str, own: pd.DataFrame, axes: tuple[tuple[str, ...], tuple[str, ...]], metric: str) -> FactorGrid:
    placements, initializations = axes
    cells = {tuple(map(str, key)): rows for key, rows in own.groupby(["placement", "initialization"])}
    mean = np.full((len(placements), len(initializations)), np.nan)
    arms = []
    for row, placement in enumerate(placements):
        line: list[tuple[str, ...]] = []
        for column, initialization in enumerate(initializations):
            rows = cells.get((placement, initialization))
            line.append(() if rows is None else tuple(map(str, rows["arm"])))
            if rows is not None:
                mean[row, column] = rows[f"{metric}_mean"].mean()
        arms.append(tuple(line))
    return FactorGrid(grouping, placements, initializations, mean, tuple(arms))
