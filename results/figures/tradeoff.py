"""Figures, drawn from computed frames with matplotlib's object interface: nothing here computes a statistic."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from results.figures.axis import BrokenLogAxis
from results.figures.drawing import NotebookFigure, drawing, figure_names, figure_text
from results.figures.labels import Label, place_labels
from results.tables.files import replacing

FRONT_COLOR = "#0072B2"
BEATEN_COLOR = "#6b6b6b"
_GRID = "#e6e6e6"
LARGEST_NAMED = 13
"""Largest number of arms that are named beside their points."""

_LONGEST_PANEL_TITLE = 28

_REFERENCES = {"shared": ("s", "one network, no modulation"), "separate": ("D", "one network per task")}
"""Marker and explanation of the reference arms."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Caption:
    """Title and note of a figure.

    Example:
        >>> Caption("Accuracy against added parameters", "Means over seeds 1, 2 and 3.").title
        'Accuracy against added parameters'
    """

    title: str
    note: str


@dataclass(frozen=True)
class _Mark:
    """A drawn point of the trade-off; ``low`` and ``high`` are NaN without an interval."""

    arm: str
    x: float
    mean: float
    low: float
    high: float
    on_front: bool

    @property
    def color(self) -> str:
        return FRONT_COLOR if self.on_front else BEATEN_COLOR


@drawing()
def tradeoff_figure(points: pd.DataFrame, caption: Caption, accuracy_name: str) -> Figure:
    """Draw accuracy against added parameters, intervals over seeds, and the front as a step line.

    Arms of nearly equal cost are drawn side by side, so that their intervals stay visible. More arms than can be named
    beside their points are numbered by accuracy, with a key at the side.

    Args:
        points: As ``results.analysis.tradeoff.tradeoff_points`` returns them.
        caption: Title and note above the axes.
        accuracy_name: Label of the y axis.

    Example:
        >>> points = pd.DataFrame({
        ...     "arm": ["shared", "late"],
        ...     "added_parameters": [0, 512],
        ...     "mean": [0.70, 0.78],
        ...     "low": [0.69, 0.77],
        ...     "high": [0.71, 0.79],
        ...     "on_front": [True, True],
        ... })
        >>> figure = tradeoff_figure(points, Caption("Two arms", "Means over seeds."), "triplet accuracy")
        >>> figure.axes[0].get_ylabel()
        'triplet accuracy'
    """
    numbered = len(points) > LARGEST_NAMED
    figure, axes = _canvas(caption, (12.0, 5.8) if numbered else (9.0, 5.8), keyed=numbered)
    counts = points["added_parameters"].to_numpy(dtype=np.int64)
    axis = BrokenLogAxis.over(counts)
    places = axis.spread(axis.place(counts), points["on_front"].to_numpy(dtype=bool))
    estimates = points[["mean", "low", "high"]].to_numpy(dtype=np.float64)
    columns = zip(points["arm"], places, *estimates.T, points["on_front"], strict=True)
    marks = [_Mark(str(arm), x, mean, low, high, bool(on_front)) for arm, x, mean, low, high, on_front in columns]
    axis.dress(axes)
    axes.set_xlim(right=max([axes.get_xlim()[1], *places + 0.1]))
    _limit_accuracy(axes, estimates)
    axes.set_xlabel("added parameters (over the same network without modulation)")
    axes.set_ylabel(accuracy_name)
    corners = _front_corners([mark for mark in marks if mark.on_front], axes)
    axes.plot(*corners.T, color=FRONT_COLOR, linewidth=1.3, alpha=0.75, zorder=2)
    axes.fill_between(corners[:, 0], corners[:, 1], axes.get_ylim()[0], color=FRONT_COLOR, alpha=0.05, linewidth=0)
    for mark in marks:
        _draw_mark(axes, mark)
    legend = axes.legend(handles=_legend_handles(marks), loc="lower right", fontsize=8, frameon=False)
    figure.draw_without_rendering()
    obstacles = [*(box for mark in marks for box in _mark_boxes(axes, mark)), legend.get_window_extent()]
    names = figure_names(mark.arm for mark in marks)
    if numbered:
        names = _write_key(figure, marks, names)
    labels = [Label(names[mark.arm], mark.x, mark.mean, _text_color(mark)) for mark in marks]
    place_labels(axes, labels, obstacles, _line_boxes(axes, corners))
    return figure


def _text_color(mark: _Mark) -> str:
    return FRONT_COLOR if mark.on_front else "#333333"


def _write_key(figure: Figure, marks: Sequence[_Mark], names: Mapping[str, str]) -> dict[str, str]:
    """List the arms at the right, best first, and return the number of each; NaN means come last."""
    ranked = sorted(marks, key=lambda mark: -mark.mean if np.isfinite(mark.mean) else np.inf)
    step = min(0.028, 0.84 / len(ranked))
    for place, mark in enumerate(ranked):
        line = f"{place + 1:>2}  {names[mark.arm]}"
        figure.text(0.735, 0.945 - step * place, line, fontsize=8, color=_text_color(mark), va="top")
    return {mark.arm: str(place + 1) for place, mark in enumerate(ranked)}


@drawing()
def task_figure(values: pd.DataFrame, caption: Caption, accuracy_name: str) -> Figure:
    """Draw one panel per task with one line per arm: mean and interval over seeds.

    Args:
        values: Columns ``arm``, ``task``, ``mean``, ``low``, ``high`` (NaN without interval), arms and tasks in the
            order in which they are shown.
        caption: Title and note above the panels.
        accuracy_name: Label of the x axes.
    """
    arms, tasks = figure_names(values["arm"]), figure_names(values["task"], _LONGEST_PANEL_TITLE)
    columns = min(4, len(tasks))
    rows = -(-len(tasks) // columns)
    figure = NotebookFigure(figsize=(2.2 + 2.1 * columns, 1.3 + rows * (0.75 + 0.21 * len(arms))), dpi=160)
    top = write_head(figure, caption, left=0.015)
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, top), w_pad=0.08, h_pad=0.06)
    figure.set_layout_engine(layout)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for panel, task in zip(panels.flat, tasks, strict=False):
        _draw_task(panel, values[values["task"] == task], arms)
        panel.set_title(tasks[task], fontsize=9, loc="left")
    for panel in panels.flat[len(tasks) :]:
        panel.set_visible(False)
    figure.supxlabel(accuracy_name, fontsize=9)
    return figure


@drawing()
def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its suffix; the old file stays until the new one is complete.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_figure(Figure(), Path(folder, "figure.png"))
        ...     Path(folder, "figure.png").is_file()
        True
    """
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}  # the same numbers give the same file
    with replacing(path) as temporary:
        figure.savefig(temporary, metadata=metadata, facecolor="white")


def _canvas(caption: Caption, size: tuple[float, float], *, keyed: bool) -> tuple[Figure, Axes]:
    """Return a figure with title and note; ``keyed`` leaves a column free at the right."""
    figure = NotebookFigure(figsize=size, dpi=160)
    left, width = (0.065, 0.65) if keyed else (0.085, 0.895)
    top = write_head(figure, caption, left=left, share=0.72 if keyed else 1.0)
    axes = figure.add_axes((left, 0.105, width, top - 0.125))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    return figure, axes


def write_head(figure: Figure, caption: Caption, left: float, share: float = 1.0) -> float:
    """Write title and note; return the top of the space below them (share of the figure)."""
    width, height = figure.get_size_inches()
    note = textwrap.fill(figure_text(caption.note), int(15.2 * (share - left) * width))
    figure.text(left, 1 - 0.25 / height, figure_text(caption.title), fontsize=12.5, fontweight="bold", va="center")
    figure.text(left, 1 - 0.41 / height, note, fontsize=8, color="#444444", va="top", linespacing=1.35)
    return float(1 - (0.5 + 0.157 * (note.count("\n") + 1)) / height)


def _limit_accuracy(axes: Axes, estimates: Floats) -> None:
    finite = estimates[np.isfinite(estimates)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    pad = 0.12 * max(high - low, 0.01)
    axes.set_ylim(low - pad, high + pad)


def _front_corners(front: Sequence[_Mark], axes: Axes) -> Floats:
    """Return the step line through the front, extended to the right edge; shape (corners, 2)."""
    corners: list[tuple[float, float]] = []
    for mark in front:
        if corners:
            corners.append((mark.x, corners[-1][1]))
        corners.append((mark.x, mark.mean))
    if corners:
        corners.append((axes.get_xlim()[1], corners[-1][1]))
    return np.array(corners, dtype=np.float64).reshape(-1, 2)


def _draw_mark(axes: Axes, mark: _Mark) -> None:
    axes.plot([mark.x] * 2, [mark.low, mark.high], color=mark.color, linewidth=1.6, solid_capstyle="butt", zorder=3)
    bounds = [mark.low, mark.high]
    axes.plot([mark.x] * 2, bounds, "_", color=mark.color, markersize=6, markeredgewidth=1.4, zorder=3)
    axes.plot(
        [mark.x],
        [mark.mean],
        marker=_REFERENCES.get(mark.arm, ("o", ""))[0],
        markersize=6.5,
        color=mark.color,
        markerfacecolor=mark.color if mark.on_front else "white",
        markeredgewidth=1.5,
        linestyle="none",
        zorder=4,
    )


def _legend_handles(marks: Sequence[_Mark]) -> list[Line2D]:
    def handle(marker: str, face: str, edge: str, name: str) -> Line2D:
        return Line2D([], [], marker=marker, color=edge, markerfacecolor=face, linestyle="none", label=name)

    arms = {mark.arm for mark in marks}
    return [
        handle("o", FRONT_COLOR, FRONT_COLOR, "on the front"),
        handle("o", "white", BEATEN_COLOR, "beaten by an arm that adds no more"),
        *(handle(m, "white", "black", f"{arm}: {what}") for arm, (m, what) in _REFERENCES.items() if arm in arms),
    ]


def _mark_boxes(axes: Axes, mark: _Mark) -> list[Bbox]:
    """Return the pixels that a marker and its interval cover."""
    x, y = axes.transData.transform((mark.x, mark.mean))
    half = 5.5 * axes.figure.dpi / 72
    boxes = [Bbox([[x - half, y - half], [x + half, y + half]])]
    if np.isfinite(mark.low):
        low, high = (axes.transData.transform((mark.x, bound))[1] for bound in (mark.low, mark.high))
        boxes.append(Bbox([[x - half, low - 2], [x + half, high + 2]]))
    return boxes


def _line_boxes(axes: Axes, corners: Floats) -> list[Bbox]:
    pixels = axes.transData.transform(corners) if len(corners) else corners
    return [Bbox([np.minimum(a, b) - 1, np.maximum(a, b) + 1]) for a, b in itertools.pairwise(pixels)]


def _draw_task(panel: Axes, rows: pd.DataFrame, arms: Mapping[str, str]) -> None:
    """Draw the arms' estimates in the order of ``arms``, which holds their names in the figure."""
    places = np.array([list(arms).index(arm) for arm in rows["arm"]])
    panel.hlines(places, rows["low"], rows["high"], color=FRONT_COLOR, linewidth=1.5)
    panel.plot(rows["mean"], places, "o", color=FRONT_COLOR, markersize=4.5)
    for reference, style in (("shared", ":"), ("separate", "--")):
        for value in rows.loc[rows["arm"] == reference, "mean"]:
            panel.axvline(value, color=BEATEN_COLOR, linestyle=style, linewidth=0.9, zorder=0)
    panel.set_yticks(range(len(arms)), list(arms.values()))
    panel.set_ylim(len(arms) - 0.5, -0.5)
    panel.grid(axis="y", color=_GRID, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(labelsize=8, length=0, axis="y")
    panel.tick_params(labelsize=8, axis="x")
    panel.locator_params(axis="x", nbins=4)
