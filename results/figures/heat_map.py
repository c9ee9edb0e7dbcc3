"""Heat maps of accuracy: a number in every cell, and one colour scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from results.analysis.figure_data.factor_grid import FactorGrid
from results.figures.canvas import SCREEN, Caption, panel_figure
from results.figures.drawing import drawing, figure_names

Floats = NDArray[np.float64]

_LONGEST = 26
_MOST_NUMBERED = 24
"""Largest number of columns in which numbers can be read."""


@dataclass(frozen=True)
class Cells:
    """Values (rows, columns), NaN as an empty cell, and what names them in the figure; ``name`` labels the colours."""

    values: Floats
    rows: Sequence[str]
    columns: Sequence[str]
    name: str


@dataclass(frozen=True)
class Scale:
    """A range of values and the colours that stand for it."""

    low: float
    high: float
    colors: str = "cividis"  # told apart without colour vision, and in grey
    signed: bool = False

    @classmethod
    def of(cls, values: Floats) -> Scale:
        """Return the scale over the range of finite values; 0 to 1 without any."""
        finite = values[np.isfinite(values)]
        return cls(float(finite.min()), float(finite.max())) if len(finite) else cls(0.0, 1.0)

    @classmethod
    def around(cls, values: Floats, middle: float = 0.0) -> Scale:
        """Return a scale of differences from the middle: red below it, blue above."""
        finite = np.abs(values[np.isfinite(values)] - middle)
        widest = float(finite.max()) if finite.any() else 1.0
        return cls(middle - widest, middle + widest, "RdBu", signed=True)

    def ink(self, values: Floats) -> NDArray[np.bool_]:
        """Return where white text is read better than black, by the luminance of sRGB (ITU-R BT.709)."""
        shares = (values - self.low) / (self.high - self.low or 1.0)
        colors = colormaps[self.colors](np.clip(np.nan_to_num(shares), 0, 1))[..., :3]
        dark: NDArray[np.bool_] = colors @ np.array([0.2126, 0.7152, 0.0722]) < 0.45
        return dark


def heat_map(figure: Figure, axes: Axes, cells: Cells, scale: Scale) -> None:
    """Draw cells, with their numbers where there is room for them."""
    values = cells.values
    image = axes.imshow(values, cmap=scale.colors, vmin=scale.low, vmax=scale.high, aspect="auto")
    axes.set_xticks(range(len(cells.columns)), list(cells.columns), rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(cells.rows)), list(cells.rows))
    axes.tick_params(labelsize=8 if max(values.shape) <= 24 else 7, length=0)
    axes.spines[:].set_visible(False)
    if values.shape[1] <= _MOST_NUMBERED:
        _write_numbers(axes, values, scale)
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01)
    bar.set_label(cells.name, fontsize=8)
    bar.ax.tick_params(labelsize=8)


def _write_numbers(axes: Axes, values: Floats, scale: Scale) -> None:
    size = 7.5 if values.size <= 200 else 5.5
    form = f"{'+' if scale.signed else ''}.{3 if values.shape[1] <= 12 else 2}f"
    white = scale.ink(values)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            color = "white" if white[row, column] else "black"
            text = axes.text(column, row, f"{value:{form}}", ha="center", va="center", fontsize=size, color=color)
            text.set_in_layout(False)  # a thousand of them, all inside the axes


@drawing()
def factor_figure(grids: Sequence[FactorGrid], caption: Caption, accuracy_name: str) -> Figure:
    """Draw accuracy by placement and initialization, one heat map per grouping, all on one colour scale."""
    placements = list(figure_names(grids[0].placements, _LONGEST).values())
    initializations = list(figure_names(grids[0].initializations, _LONGEST).values())
    columns = min(len(grids), 2 if len(initializations) > 5 else 3)
    rows = -(-len(grids) // columns)
    width = min(columns * (2.6 + 0.75 * len(initializations)), SCREEN[0])
    figure = panel_figure(caption, max(width, 6.0), 0.4 + rows * (1.6 + 0.3 * len(placements)))
    panels = figure.subplots(rows, columns, squeeze=False)
    scale = Scale.of(np.stack([grid.mean for grid in grids]))
    titles = figure_names([grid.grouping for grid in grids], _LONGEST)
    for panel, grid in zip(panels.flat, grids, strict=False):
        heat_map(figure, panel, Cells(grid.mean, placements, initializations, accuracy_name), scale)
        panel.set_title(f"grouping {titles[grid.grouping]}", fontsize=9, loc="left")
    for panel in panels.flat[len(grids) :]:
        panel.set_visible(False)
    return figure
