"""The arms ranked by accuracy, and the curves of their training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

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
    upright,
)
from results.figures.drawing import drawing, figure_names

MOST_ARMS = 40
"""Largest number of arms in a figure; the caption says that the best ones are shown."""

_LONGEST_PANEL_TITLE = 24


@drawing()
def ranked_figure(ranked: pd.DataFrame, equals: frozenset[str], chance: float | None, caption: Caption) -> Figure:
    """Draw the arms from best to worst with their intervals.

    Args:
        ranked: As ``figure_data.ranked_arms`` returns it; of many arms the first ``MOST_ARMS`` are drawn.
        equals: Arms that cannot be told from the best, itself included; they are filled.
        chance: Mean chance level, drawn as a line if it is known.
        caption: Title and note.
    """
    shown = ranked.head(MOST_ARMS)
    figure = panel_figure(caption, 9.0, 0.9 + 0.2 * len(shown))
    axes = figure.subplots()
    names = figure_names(shown["arm"])
    for place, row in enumerate(shown.to_dict("records")):
        tied = row["arm"] in equals
        color = FRONT_COLOR if tied else BEATEN_COLOR
        axes.hlines(place, row["low"], row["high"], color=color, linewidth=1.6)
        axes.plot([row["mean"]], [place], "o", color=color, markerfacecolor=color if tied else "white", markersize=5)
    if chance is not None:
        axes.axvline(chance, color=CHANCE_COLOR, linewidth=1.1, zorder=0)
    axes.set_yticks(range(len(shown)), list(names.values()))
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(axis="y", color=GRID_COLOR, linewidth=0.6)
    axes.tick_params(length=0, axis="y")
    axes.set_xlabel("triplet accuracy on test images, mean over tasks", fontsize=9)
    plain_axes(axes)
    handles = [
        Line2D([], [], marker="o", color=FRONT_COLOR, label="cannot be told from the best"),
        Line2D([], [], marker="o", color=BEATEN_COLOR, markerfacecolor="white", label="can be told from it"),
        *([Line2D([], [], color=CHANCE_COLOR, label="chance")] if chance is not None else []),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncol=3, fontsize=8, frameon=False)
    return figure


@dataclass(frozen=True)
class CurveAxis:
    """What the curves show: the label of the y axis, and the chance level, drawn if it is known."""

    name: str
    chance: float | None = None


@drawing()
def curve_figure(curves: pd.DataFrame, axis: CurveAxis, caption: Caption) -> Figure:
    """Draw the curve of every arm in a panel of its own: mean over seeds, the spread of seeds, and the others in grey.

    Args:
        curves: As ``figure_data.arm_curves`` returns it; of many arms the first ``MOST_ARMS`` are drawn.
        axis: What the curves show.
        caption: Title and note.
    """
    names = figure_names(list(dict.fromkeys(curves["arm"]))[:MOST_ARMS], _LONGEST_PANEL_TITLE)
    columns = min(len(names), 4 if len(names) <= 12 else 6 if len(names) <= 24 else 8)
    rows = -(-len(names) // columns)
    height = max(1.05, min(2.0, (SCREEN[1] - 1.8) / rows))
    figure = panel_figure(caption, max(min(0.8 + 2.3 * columns, SCREEN[0]), 6.0), 0.4 + rows * height)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    by_arm = {arm: rows for arm, rows in curves.groupby("arm", sort=False) if arm in names}
    lines = {arm: own[["epoch", "mean"]].to_numpy(dtype=np.float64) for arm, own in by_arm.items()}
    with _scaled_once(panels):
        for panel, arm in zip(panels.flat, names, strict=False):
            others = [line for other, line in lines.items() if other != arm]
            panel.add_collection(LineCollection(others, colors="#d4d4d4", linewidths=0.6, zorder=1))
            _draw_curve(panel, by_arm[arm], axis)
            panel.set_title(names[arm], fontsize=8, loc="left")
    hide_spare(panels, len(names))
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel(upright(axis.name, rows * height), fontsize=9)
    return figure


@contextmanager
def _scaled_once(panels: NDArray[Any]) -> Iterator[None]:
    """Choose the common scale of panels (rows, columns) when all are drawn, not over all of them after every artist."""
    for panel in panels.flat:
        panel.set_autoscale_on(False)
    yield
    for panel in panels.flat:
        panel.set_autoscale_on(True)
    panels[0, 0].autoscale_view()


def _draw_curve(panel: Axes, own: pd.DataFrame, axis: CurveAxis) -> None:
    columns = own[["epoch", "mean", "lowest", "highest"]].to_numpy(dtype=np.float64)
    epoch, mean, lowest, highest = columns.T
    panel.fill_between(epoch, lowest, highest, color=FRONT_COLOR, alpha=0.25, linewidth=0, zorder=2)
    panel.plot(epoch, mean, color=FRONT_COLOR, linewidth=1.4, zorder=3, marker="o" if len(epoch) == 1 else None)
    if axis.chance is not None:
        panel.axhline(axis.chance, color=CHANCE_COLOR, linewidth=0.9, zorder=0)
    panel.locator_params(axis="x", nbins=4, integer=True)
    panel.locator_params(axis="y", nbins=4)
    plain_axes(panel)
