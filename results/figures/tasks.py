"""Accuracy by task on one scale: a panel per task, or a heat map where panels would not fit a screen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.figures.canvas import (
    BEATEN_COLOR,
    CHANCE_COLOR,
    FRONT_COLOR,
    GRID_COLOR,
    SCREEN,
    Caption,
    hide_spare,
    panel_figure,
    plain_axes,
)
from results.figures.drawing import drawing, figure_names
from results.figures.gains import task_map

_LONGEST_PANEL_TITLE = 28
_COLUMNS = range(4, 9)
_HEAD = 1.3
_LABELS = 2.2
_MARGIN = 0.02


@drawing()
def task_figure(values: pd.DataFrame, caption: Caption, accuracy_name: str) -> Figure:
    """Draw the mean and interval of every arm on every task, with the chance level, all on one scale.

    Up to what fits a screen there is a panel per task; beyond that a heat map of the means.

    Args:
        values: Columns ``arm``, ``task``, ``mean``, ``low``, ``high`` (NaN without interval) and, if known, ``chance``;
            arms and tasks in the order in which they are shown.
        caption: Title and note above the panels.
        accuracy_name: Label of the x axes, or of the colours.
    """
    arms, tasks = figure_names(values["arm"]), figure_names(values["task"], _LONGEST_PANEL_TITLE)
    columns = _columns(len(tasks), len(arms))
    if columns is None:
        means = values.pivot_table(index="arm", columns="task", values="mean", sort=False)
        return task_map(means.reindex(list(arms), columns=list(tasks)), caption, accuracy_name, around_zero=False)
    rows = -(-len(tasks) // columns)
    width = min(_LABELS + 2.1 * columns, SCREEN[0])
    figure = panel_figure(caption, width, 0.3 + rows * _panel_height(len(arms)), padding=(0.08, 0.06))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel, task in zip(panels.flat, tasks, strict=False):
        _draw_task(panel, values[values["task"] == task], arms)
        panel.set_title(tasks[task], fontsize=9, loc="left")
    hide_spare(panels, len(tasks))
    left, right = panels[0, 0].get_xlim()
    panels[0, 0].set_xlim(max(left, -_MARGIN), min(right, 1 + _MARGIN))  # an interval may go beyond what is possible
    figure.supxlabel(accuracy_name, fontsize=9)
    return figure


def panels_fit(tasks: int, arms: int) -> bool:
    """Return whether ``task_figure`` draws a panel per task, with intervals, or a heat map of means."""
    return _columns(tasks, arms) is not None


def _panel_height(arms: int) -> float:
    return 0.75 + 0.21 * arms


def _columns(tasks: int, arms: int) -> int | None:
    """Return the smallest number of columns with which the panels fit a screen; None if they do not."""
    for columns in _COLUMNS:
        if _HEAD + -(-tasks // columns) * _panel_height(arms) <= SCREEN[1]:
            return min(columns, tasks)
    return None


def _draw_task(panel: Axes, rows: pd.DataFrame, arms: Mapping[str, str]) -> None:
    """Draw the arms' estimates in the order of ``arms``, which holds their names in the figure."""
    places = np.array([list(arms).index(arm) for arm in rows["arm"]])
    panel.hlines(places, rows["low"], rows["high"], color=FRONT_COLOR, linewidth=1.5)
    panel.plot(rows["mean"], places, "o", color=FRONT_COLOR, markersize=4.5)
    for reference, style in (("shared", ":"), ("separate", "--")):
        for value in rows.loc[rows["arm"] == reference, "mean"]:
            panel.axvline(value, color=BEATEN_COLOR, linestyle=style, linewidth=0.9, zorder=0)
    if "chance" in rows and rows["chance"].notna().any():
        panel.axvline(rows["chance"].mean(), color=CHANCE_COLOR, linewidth=1.1, zorder=0)
    panel.set_yticks(range(len(arms)), list(arms.values()))
    panel.set_ylim(len(arms) - 0.5, -0.5)
    panel.grid(axis="y", color=GRID_COLOR, linewidth=0.6)
    plain_axes(panel)
    panel.spines["left"].set_visible(False)
    panel.tick_params(length=0, axis="y")
    panel.locator_params(axis="x", nbins=4)
