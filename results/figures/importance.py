"""What matters: importances of factors and nuisance values, and shares of variance, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.figures.canvas import BEATEN_COLOR, FRONT_COLOR, Caption, panel_figure, plain_axes
from results.figures.drawing import drawing, figure_names

_LONGEST = 34
MOST_BARS = 15
"""Largest number of bars of a panel: those that matter most for the first response."""


@dataclass(frozen=True)
class Effects:
    """One row of panels.

    Attributes:
        rows: Columns ``response``, ``name``, ``value``, ``low``, ``high``, and ``strong`` for bars in full colour.
        axis: What the values are.
    """

    rows: pd.DataFrame
    axis: str


@drawing()
def importance_figure(effects: Mapping[str, Effects], caption: Caption) -> Figure:
    """Draw a row of panels for each kind of effects, by title, with a panel for each response."""
    responses = list(dict.fromkeys(name for found in effects.values() for name in found.rows["response"]))
    names = [_names(found.rows) for found in effects.values()]
    heights = [0.55 + 0.22 * len(own) for own in names]
    figure = panel_figure(caption, max(7.5, 2.2 + 3.1 * len(responses)), 0.3 + sum(heights))
    panels = figure.subplots(len(effects), len(responses), squeeze=False, sharey="row", height_ratios=heights)
    for line, own, (title, found) in zip(panels, names, effects.items(), strict=True):
        for panel, response in zip(line, responses, strict=True):
            _draw(panel, found.rows[found.rows["response"] == response], own)
            panel.set_title(f"{title}: {response}" if panel is line[0] else response, fontsize=9, loc="left")
            panel.set_xlabel(found.axis, fontsize=8)
    return figure


def _names(rows: pd.DataFrame) -> list[str]:
    """Return the names in the order of their values for the first response."""
    rows = rows.assign(first=rows["response"] == rows["response"].iloc[0])
    order = rows.sort_values(["first", "value"], ascending=False, kind="stable")["name"]
    return list(dict.fromkeys(map(str, order)))[:MOST_BARS]


def _draw(panel: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    place = {name: index for index, name in enumerate(names)}
    for row in rows[rows["name"].isin(names)].to_dict("records"):
        at = place[str(row["name"])]
        panel.barh(at, row["value"], height=0.6, color=FRONT_COLOR if row["strong"] else BEATEN_COLOR, alpha=0.75)
        panel.hlines(at, row["low"], row["high"], color="#222222", linewidth=1.2)
    panel.set_yticks(range(len(names)), list(figure_names(names, _LONGEST).values()))
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.set_xlim(0, 1)
    panel.tick_params(length=0, axis="y")
    plain_axes(panel)
