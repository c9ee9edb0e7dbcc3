"""Heat maps of accuracy: a number in every cell, and one colour scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from results.analysis.figure_data.factor_grid import FactorGrid
from results.figures.canvas import SCREEN, Caption, write_head
from results.figures.drawing import NotebookFigure, drawing, figure_names

Floats = NDArray[np.float64]

_COLORS = "cividis"  # told apart without colour vision, and in grey
_LONGEST = 26


@dataclass(frozen=True)
class Cells:
    """Values (rows, columns), NaN as an empty cell, and what names them in the figure; ``name`` labels the colours."""

    values: Floats
    rows: Sequence[str]
    columns: Sequence[str]
    name: str


def heat_map(figure: Figure, axes: Axes, cells: Cells, limits: tuple[float, float] | None = None) -> None:
    """Draw cells with their numbers; ``limits`` is the range of the colours, by default that of the values."""
    values, (low, high) = cells.values, limits or limits_of(cells.values)
    image = axes.imshow(values, cmap=_COLORS, vmin=low, vmax=high, aspect="auto")
    axes.set_xticks(range(len(cells.columns)), list(cells.columns), rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(cells.rows)), list(cells.rows))
    axes.tick_params(labelsize=8, length=0)
    axes.spines[:].set_visible(False)
    size = 7.5 if values.size <= 200 else 5.5
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = value < (low + high) / 2
            text = f"{value:.3f}" if values.shape[1] <= 12 else f"{value:.2f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color="white" if dark else "black")
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01)
    bar.set_label(cells.name, fontsize=8)
    bar.ax.tick_params(labelsize=8)


def limits_of(values: Floats) -> tuple[float, float]:
    """Return the range of finite values; 0 and 1 without any."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


@drawing()
def factor_figure(grids: Sequence[FactorGrid], caption: Caption, accuracy_name: str) -> Figure:
    """Draw accuracy by placement and initialization, one heat map per grouping, all on one colour scale."""
    placements = list(figure_names(grids[0].placements, _LONGEST).values())
    initializations = list(figure_names(grids[0].initializations, _LONGEST).values())
    columns = min(len(grids), 2 if len(initializations) > 5 else 3)
    rows = -(-len(grids) // columns)
    width = min(columns * (2.6 + 0.75 * len(initializations)), SCREEN[0])
    height = min(2.0 + rows * (1.6 + 0.3 * len(placements)), SCREEN[1])
    figure = NotebookFigure(figsize=(max(width, 6.0), height), dpi=160)
    top = write_head(figure, caption, left=0.015)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=(0, 0, 1, top)))
    panels = figure.subplots(rows, columns, squeeze=False)
    limits = limits_of(np.stack([grid.mean for grid in grids]))
    titles = figure_names([grid.grouping for grid in grids], _LONGEST)
    for panel, grid in zip(panels.flat, grids, strict=False):
        heat_map(figure, panel, Cells(grid.mean, placements, initializations, accuracy_name), limits)
        panel.set_title(f"grouping {titles[grid.grouping]}", fontsize=9, loc="left")
    for panel in panels.flat[len(grids) :]:
        panel.set_visible(False)
    return figure
