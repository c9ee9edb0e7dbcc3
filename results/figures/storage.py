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

MOST_LABELS = 12
"""Largest number of labels in a panel: those of the most accurate points, since more cannot be read."""

_TITLE = 9.5
"""Size of a panel's title in points."""

_MOST_JOINED = 2
"""Largest number of points in one place, or of lines with one end, that are all named."""

_LONGEST_JOINED = 48
"""Largest number of characters of their names."""


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
    chosen = set(panel.chosen)
    for filled in (False, True):
        alike = [arm for arm in arms if (arm.name in chosen) == filled]
        _draw_arms(panel.axes, alike, [panel.cost(arm) for arm in alike], filled=filled)
    costs = [panel.cost(arm) for arm in arms]
    panel.axes.set_xlim(min(costs) / 1.6, max(costs) * 1.6)
    _decades(panel.axes, "x")


def _name_points(panel: _Panel, arms: Sequence[StoredArm], shown: Mapping[str, str]) -> None:
    """Name points, those in one place with one label; if some go without, the title says so."""
    chosen = set(panel.chosen)
    named = [arm for arm in arms if len(arms) <= _LARGEST_NAMED or arm.name in chosen]
    points = np.array([(panel.cost(arm), _mean(arm)) for arm in named]).reshape(-1, 2)
    places: dict[tuple[float, float], list[StoredArm]] = {}
    for arm, (x, y) in zip(named, panel.axes.transData.transform(points).round(), strict=True):
        places.setdefault((x, y), []).append(arm)
    best = set(sorted(places, key=lambda place: place[1], reverse=True)[:MOST_LABELS])
    labels = []
    for together in (own for place, own in places.items() if place in best):
        color = _color(any(arm.name in chosen for arm in together))
        text = _joined([shown[arm.name] for arm in together])
        labels.append(Label(text, panel.cost(together[0]), _mean(together[0]), color))
    if len(places) > len(best):
        panel.axes.set_title(f"{panel.title} ({len(best)} of {len(places)} named)", fontsize=_TITLE, loc="left")
    place_labels(panel.axes, labels, _boxes(panel, arms), [])


def _draw_arms(axes: Axes, arms: Sequence[StoredArm], costs: Sequence[float], *, filled: bool) -> None:
    """Draw points of one look with their intervals, together: matplotlib takes its time for every artist."""
    if not arms:
        return
    color = _color(filled)
    ends = np.array([(*(_interval(arm) or (math.nan, math.nan)), math.nan) for arm in arms])
    axes.plot(np.repeat(costs, 3), ends.ravel(), color=color, linewidth=1.2, zorder=3)
    face = color if filled else "white"
    axes.plot(costs, [_mean(arm) for arm in arms], "o", color=color, markerfacecolor=face, markersize=5.5, zorder=4)


def _draw_growth(axes: Axes, panels: StoragePanels, chosen: Sequence[str]) -> None:
    """Draw bytes of network and index against the gallery size."""
    _dress(axes, "as the gallery grows", "images", "bytes of network and index")
    reach, efficient = _reach(panels), set(chosen)
    for arm in panels.arms:
        filled = arm.name in efficient
        total = arm.network_bytes + reach * arm.index_bytes_per_image
        style = "-" if arm.form == "fp32" else "--"
        alpha = 0.9 if filled else 0.35
        (line,) = axes.plot(reach, total, style, color=_color(filled), linewidth=1.2, alpha=alpha)
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
    joined = ", ".join(names)
    if len(names) == 1 or (len(names) <= _MOST_JOINED and len(joined) <= _LONGEST_JOINED):
        return joined
    return f"{names[0]} and {len(names) - 1} more"


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
    axes.set_title(title, fontsize=_TITLE, loc="left")
    axes.set_xlabel(x_name, fontsize=8.5)
    axes.set_ylabel(y_name, fontsize=8.5)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _boxes(panel: _Panel, arms: Sequence[StoredArm]) -> list[Bbox]:
    """Return the pixels of each marker with its interval."""
    costs = [panel.cost(arm) for arm in arms]
    low, high = zip(*(_interval(arm) or (_mean(arm), _mean(arm)) for arm in arms), strict=True)
    below, above = (panel.axes.transData.transform(np.stack([costs, ends], axis=1)) for ends in (low, high))
    return [Bbox([first, last]) for first, last in zip(below - 6, above + 6, strict=True)]


def _interval(arm: StoredArm) -> tuple[float, float] | None:
    """Return the ends of the interval of an arm's accuracy, if it has one."""
    accuracy = arm.accuracy
    if accuracy is None or accuracy.low is None or accuracy.high is None:
        return None
    return accuracy.low, accuracy.high


def _mean(arm: StoredArm) -> float:
    return arm.accuracy.mean if arm.accuracy is not None else math.nan


def _color(filled: bool) -> str:
    return FRONT_COLOR if filled else BEATEN_COLOR
