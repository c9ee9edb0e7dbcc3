"""Gains over separate networks: bars by task for some arms, and a map of every arm on every task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.figures.canvas import GRID_COLOR, SCREEN, Caption, hide_spare, panel_figure, plain_axes
from results.figures.drawing import drawing, figure_names
from results.figures.heat_map import Cells, Scale, heat_map

MOST_ARMS = 6
"""Largest number of arms whose gains are drawn as bars."""

MOST_ROWS = 40
"""Largest number of arms in the map."""

_LONGEST = 28
_UP, _DOWN = "#0072B2", "#C44E00"


@drawing()
def gain_figure(gains: pd.DataFrame, caption: Caption) -> Figure:
    """Draw a panel of bars per arm, with a bar and its interval for every task, all on one scale.

    Args:
        gains: Columns ``arm``, ``task``, ``mean``, ``low`` and ``high`` (NaN without interval), arms and tasks in the
            order in which they are shown; of many arms the first ``MOST_ARMS`` are drawn.
        caption: Title and note.
    """
    tasks = figure_names(gains["task"], _LONGEST)
    arms = figure_names(list(dict.fromkeys(gains["arm"]))[:MOST_ARMS], _LONGEST)
    columns = len(arms) if len(tasks) > 12 else min(len(arms), 3)
    rows = -(-len(arms) // columns)
    below = 0.4 + rows * (0.55 + max(0.9, 0.19 * len(tasks)))
    figure = panel_figure(caption, min(2.4 + 2.6 * columns, SCREEN[0]), below)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel, arm in zip(panels.flat, arms, strict=False):
        _draw_bars(panel, gains[gains["arm"] == arm].set_index("task").reindex(list(tasks)))
        panel.set_title(arms[arm], fontsize=9, loc="left")
    panels[0, 0].set_yticks(range(len(tasks)), list(tasks.values()))
    panels[0, 0].set_ylim(len(tasks) - 0.5, -0.5)
    hide_spare(panels, len(arms))
    figure.supxlabel("test triplet accuracy minus separate networks", fontsize=9)
    return figure


def _draw_bars(panel: Axes, own: pd.DataFrame) -> None:
    mean, low, high = own[["mean", "low", "high"]].to_numpy(dtype=np.float64).T
    places = np.arange(len(own))
    panel.barh(places, mean, height=0.66, color=np.where(mean < 0, _DOWN, _UP), alpha=0.7)
    panel.hlines(places, low, high, color="#222222", linewidth=1.1)
    panel.axvline(0, color="#555555", linewidth=0.9)
    panel.grid(axis="x", color=GRID_COLOR, linewidth=0.6)
    panel.locator_params(axis="x", nbins=4)
    plain_axes(panel)
    panel.tick_params(length=0, axis="y", labelsize=8 if len(own) <= 24 else 6.5)


@drawing()
def task_map(means: pd.DataFrame, caption: Caption, name: str, *, around_zero: bool) -> Figure:
    """Draw a heat map of arms (rows) by tasks (columns).

    Args:
        means: Index arms, columns tasks, in the order in which they are shown; of many arms the first ``MOST_ROWS``.
        caption: Title and note.
        name: What the colours mean.
        around_zero: Whether the values are differences, so that red lies below zero and blue above.
    """
    shown = means.head(MOST_ROWS)
    arms, tasks = (_names(axis) for axis in (shown.index, shown.columns))
    figure = panel_figure(caption, min(max(6.5, 3.2 + 0.5 * len(tasks)), SCREEN[0]), 1.4 + 0.2 * len(arms))
    values = shown.to_numpy(dtype=np.float64)
    scale = Scale.around(values) if around_zero else Scale.of(values)
    heat_map(figure, figure.subplots(), Cells(values, arms, tasks, name), scale)
    return figure


def _names(axis: pd.Index) -> Sequence[str]:
    return list(figure_names(map(str, axis), _LONGEST).values())
