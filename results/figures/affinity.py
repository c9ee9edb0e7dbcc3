"""Heat maps of matrices between tasks: which tasks help each other, and where gradients agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from results.figures.canvas import SCREEN, Caption, panel_figure
from results.figures.drawing import drawing, figure_names

Floats = NDArray[np.float64]

_MOST_WRITTEN = 14
"""Largest number of tasks for which the numbers are written into the cells."""

_CHARACTERS_WITH_ROOM = 20
_CELL, _AROUND = 0.34, 1.9
"""Side of a cell, and what title, names and colours take, in inches."""

_INCHES_A_CHARACTER = 0.06
"""Width and height that a longer name takes at the size of the labels."""


@dataclass(frozen=True)
class TaskMatrix:
    """A matrix to draw.

    Attributes:
        title: What its numbers mean.
        values: (T, T); the diagonal is blank, since no task is compared with itself.
        rows, columns: Meaning of a row and of a column.
    """

    title: str
    values: Floats
    rows: str
    columns: str


def unit_of(values: Floats) -> float:
    """Return the power of ten in which the largest number off the diagonal has two digits; 1 if all are zero."""
    widest = float(np.abs(values[~np.eye(len(values), dtype=bool)]).max())
    return float(10.0 ** (math.floor(math.log10(widest)) - 1)) if widest else 1.0


@drawing()
def affinity_figure(tasks: Sequence[str], matrices: Sequence[TaskMatrix], caption: Caption) -> Figure:
    """Draw one or two matrices side by side, red below zero and blue above, each with its own scale."""
    names = list(figure_names(tasks).values())
    names_beyond = _INCHES_A_CHARACTER * max(0, max(map(len, names)) - _CHARACTERS_WITH_ROOM)
    cells = min(_CELL * len(tasks), SCREEN[0] / 2 - _AROUND - 0.9 - names_beyond)
    side = _AROUND + cells + names_beyond
    figure = panel_figure(caption, max(len(matrices) * (side + 0.9), 6.0), side + 0.9)
    panels = figure.subplots(1, len(matrices), squeeze=False)[0]
    for panel, matrix in zip(panels, matrices, strict=True):
        _draw(figure, panel, names, matrix)
    return figure


def _draw(figure: Figure, panel: Axes, tasks: Sequence[str], matrix: TaskMatrix) -> None:
    between = np.where(np.eye(len(tasks), dtype=bool), np.nan, matrix.values)
    widest = float(np.nanmax(np.abs(between))) or 1.0
    image = panel.imshow(between, cmap="RdBu", vmin=-widest, vmax=widest)
    panel.set_xticks(range(len(tasks)), tasks, rotation=90, fontsize=7)
    panel.set_yticks(range(len(tasks)), tasks, fontsize=7)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    written = len(tasks) <= _MOST_WRITTEN
    unit = f" (numbers in units of {unit_of(matrix.values):g})" if written else ""
    panel.set_title(matrix.title + unit, fontsize=9, loc="left")
    panel.set_xlabel(matrix.columns, fontsize=8)
    panel.set_ylabel(matrix.rows, fontsize=8)
    bar = figure.colorbar(image, ax=panel, shrink=0.75)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    if written:
        _write_numbers(panel, between, unit_of(matrix.values))


def _write_numbers(panel: Axes, between: Floats, unit: float) -> None:
    widest = np.nanmax(np.abs(between))
    for (row, column), value in np.ndenumerate(between):
        if not np.isnan(value):
            color = "white" if abs(value) > 0.6 * widest else "#333333"
            panel.text(column, row, f"{value / unit:.0f}", ha="center", va="center", fontsize=6, color=color)
