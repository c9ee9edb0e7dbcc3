"""The storage figure: accuracy against bytes and work, and bytes as the gallery grows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from results.analysis.storage.arms import StoredArm
from results.figures.canvas import BEATEN_COLOR, FRONT_COLOR, Caption, headed_figure
from results.figures.drawing import drawing, figure_names
from results.figures.labels import Label, place_labels

_PANEL = (4.65, 3.2)
_LARGEST_NAMED = 8
"""Largest number of points of a panel that are all named; of more, only the efficient ones are."""

_MOST_JOINED = 2
"""Largest number of lines with one end that are all named."""


@dataclass(frozen=True)
class StoragePanels:
    """What is drawn.

    Attributes:
        arms: Arms with a known accuracy.
        efficient: Names (``StoredArm.name``) of the efficient arms by gallery size; one panel each.
        names: Name shown of each arm.
        title: Of the figure.
        note: Below the title.
    """

    arms: Sequence[StoredArm]
    efficient: Mapping[float, Sequence[str]]
    names: Mapping[str, str]
    title: str
    note: str


@drawing()
def storage_figure(panels: StoragePanels) -> Figure:
    """Draw a panel per gallery size (accuracy against total bytes), one of multiply-adds, and one of growing bytes."""
    count = len(panels.efficient) + 2
    columns = min(3, count)
    rows = -(-count // columns)
    caption = Caption(panels.title, panels.note)
    figure, top = headed_figure(caption, _PANEL[0] * columns, _PANEL[1] * rows, left=0.012)
    figure.subplots_adjust(left=0.05, right=0.985, top=top - 0.05, bottom=0.09, hspace=0.42, wspace=0.24)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    drawn: list[_Panel] = []
    for panel, (images, chosen) in zip(axes, panels.efficient.items(), strict=False):
        title = f"{images:,.0f} images"
        drawn.append(_Panel(panel, title, "bytes of network and index", _bytes_at(images), chosen))
    everywhere = list(dict.fromkeys(name for chosen in panels.efficient.values() for name in chosen))
    work = "multiply-adds to embed an image for all tasks"
    drawn.append(_Panel(axes[count - 2], "at any size", work, lambda arm: arm.multiply_adds.image, everywhere))
    for part in drawn:
        _draw_panel(part, panels.arms)
    _draw_growth(axes[count - 1], panels, everywhere)
    figure.draw_without_rendering()  # labels are placed in pixels
    names = figure_names(panels.names.values())
    shown = {arm: names[name] for arm, name in panels.names.items()}
    for part in drawn:
        _name_points(part, panels.arms, shown)
    _name_lines(axes[count - 1], panels, everywhere, shown)
    for empty in axes[count:]:
        empty.set_visible(False)
    return figure


def _bytes_at(images: float) -> Callable[[StoredArm], float]:
    return lambda arm: arm.total_bytes(images)


@dataclass(frozen=True)
class _Panel:
    """One panel: its axes, title, what is on its x axis, and the names of the arms that are filled."""

    axes: Axes
    title: str
    axis: str
    cost: Callable[[StoredArm], float]
    chosen: Sequence[str]


def _draw_panel(panel: _Panel, arms: Sequence[StoredArm]) -> None:
    _dress(panel.axes, panel.title, panel.axis, "triplet accuracy")
    for arm in arms:
        _draw_arm(panel.axes, arm, panel.cost(arm), filled=arm.name in panel.chosen)
    costs = [panel.cost(arm) for arm in arms]
    panel.axes.set_xlim(min(costs) / 1.6, max(costs) * 1.6)
    _decades(panel.axes, "x")


def _name_points(panel: _Panel, arms: Sequence[StoredArm], shown: Mapping[str, str]) -> None:
    labels = [
        Label(shown[arm.name], panel.cost(arm), _mean(arm), _color(arm.name in panel.chosen))
        for arm in arms
        if len(arms) <= _LARGEST_NAMED or arm.name in panel.chosen
    ]
    place_labels(panel.axes, labels, [_box(panel.axes, arm, panel.cost(arm)) for arm in arms], [])


def _draw_arm(axes: Axes, arm: StoredArm, cost: float, *, filled: bool) -> None:
    color, accuracy = _color(filled), arm.accuracy
    if accuracy is not None and accuracy.low is not None and accuracy.high is not None:
        axes.plot([cost] * 2, [accuracy.low, accuracy.high], color=color, linewidth=1.2, zorder=3)
    face = color if filled else "white"
    axes.plot([cost], [_mean(arm)], "o", color=color, markerfacecolor=face, markersize=5.5, zorder=4)


def _draw_growth(axes: Axes, panels: StoragePanels, chosen: Sequence[str]) -> None:
    """Draw bytes of network and index against the gallery size."""
    _dress(axes, "as the gallery grows", "images", "bytes of network and index")
    reach = _reach(panels)
    for arm in panels.arms:
        filled = arm.name in chosen
        total = arm.network_bytes + reach * arm.index_bytes_per_image
        (line,) = axes.plot(reach, total, color=_color(filled), linewidth=1.2, alpha=0.9 if filled else 0.35)
        line.set_zorder(3 if filled else 2)
    _decades(axes, "x")
    _decades(axes, "y")


def _name_lines(axes: Axes, panels: StoragePanels, chosen: Sequence[str], shown: Mapping[str, str]) -> None:
    """Name the lines of the efficient arms at their right ends; lines that end in one place share a label."""
    reach = _reach(panels)
    last = float(reach[-1])
    ends: dict[float, list[StoredArm]] = {}
    for arm in panels.arms:
        if arm.name in chosen:
            ends.setdefault(round(math.log10(arm.total_bytes(last)), 1), []).append(arm)
    labels = [
        Label(_joined([shown[arm.name] for arm in arms]), last, arms[0].total_bytes(last), FRONT_COLOR)
        for arms in ends.values()
    ]
    lines = [
        _around(*axes.transData.transform((images, arms[0].total_bytes(images))))
        for arms in ends.values()
        for images in reach
    ]
    place_labels(axes, labels, lines, [])


def _joined(names: Sequence[str]) -> str:
    """Return two names, or the first one and how many more there are, so that a label fits into its panel."""
    return ", ".join(names) if len(names) <= _MOST_JOINED else f"{names[0]} and {len(names) - 1} more"


def _around(x: float, y: float) -> Bbox:
    return Bbox([[x - 3, y - 3], [x + 3, y + 3]])


def _reach(panels: StoragePanels) -> NDArray[np.float64]:
    """Return the gallery sizes over which bytes are drawn."""
    sizes = list(panels.efficient)
    return np.logspace(min(2.0, math.log10(min(sizes))), math.log10(max(sizes)) + 0.5, 60)


def _decades(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with powers of ten in short form, since text in figures is literal."""
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    steps = (1.0,) if decades > 2 else (1.0, 2.0, 5.0) if decades > 0.7 else tuple(map(float, range(1, 10)))
    axis.set_major_locator(LogLocator(subs=steps, numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axis.set_minor_formatter(NullFormatter())


def _short(value: float) -> str:
    for suffix, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= factor:
            return f"{value / factor:g} {suffix}"
    return f"{value:g}"


def _dress(axes: Axes, title: str, x_name: str, y_name: str) -> None:
    axes.set_title(title, fontsize=9.5, loc="left")
    axes.set_xlabel(x_name, fontsize=8.5)
    axes.set_ylabel(y_name, fontsize=8.5)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _box(axes: Axes, arm: StoredArm, cost: float) -> Bbox:
    """Return the pixels of a marker with its interval."""
    accuracy = arm.accuracy
    bounds = [_mean(arm)] * 2
    if accuracy is not None and accuracy.low is not None and accuracy.high is not None:
        bounds = [accuracy.low, accuracy.high]
    (x, low), (_, high) = (axes.transData.transform((cost, bound)) for bound in bounds)
    return Bbox([[x - 6, low - 6], [x + 6, high + 6]])


def _mean(arm: StoredArm) -> float:
    return arm.accuracy.mean if arm.accuracy is not None else math.nan


def _color(filled: bool) -> str:
    return FRONT_COLOR if filled else BEATEN_COLOR
