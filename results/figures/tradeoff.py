"""Figures, drawn from computed frames with matplotlib's object interface: nothing here computes a statistic."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from results.figures.axis import BrokenLogAxis
from results.figures.canvas import BEATEN_COLOR, FRONT_COLOR, GRID_COLOR, Caption, plain_axes, write_head
from results.figures.drawing import NotebookFigure, drawing, figure_names
from results.figures.labels import Label, place_labels

LARGEST_NAMED = 13
"""Largest number of arms that are named beside their points."""

LARGEST_KEY = 40
"""Largest number of arms that are numbered: those whose names can be read in a key as high as the figure."""

_LEGEND = 0.04
"""Height of the legend, as a share of the figure."""

_REFERENCES = {"shared": ("s", "one network, no modulation"), "separate": ("D", "one network per task")}
"""Marker and explanation of the reference arms."""

Floats = NDArray[np.float64]


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
def tradeoff_figure(
    points: pd.DataFrame, caption: Caption, accuracy_name: str, band: pd.DataFrame | None = None
) -> Figure:
    """Draw accuracy against added parameters, intervals over seeds, and the front as a step line.

    Arms of nearly equal cost are drawn side by side, so that their intervals stay visible. More arms than can be named
    beside their points are numbered by accuracy, with a key at the side; of more than ``LARGEST_KEY`` arms it lists
    those on the front, then the most accurate ones.

    Args:
        points: As ``results.analysis.tradeoff.tradeoff_points`` returns them.
        caption: Title and note above the axes.
        accuracy_name: Label of the y axis.
        band: Of the front, as ``front_uncertainty`` returns it: columns ``cost``, ``low`` and ``high``.

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
    if band is not None:
        _draw_band(axes, axis, band)
    _draw_marks(axes, marks)
    # Above the axes, where there is no mark to cross.
    legend = axes.legend(handles=_legend_handles(marks), ncol=4, fontsize=7.5, frameon=False, handletextpad=0.3)
    legend.set_loc("lower left")
    legend.set_bbox_to_anchor((0.0, 1.0), transform=axes.transAxes)
    figure.draw_without_rendering()
    obstacles = [box for mark in marks for box in _mark_boxes(axes, mark)]
    names = _write_key(figure, marks) if numbered else figure_names(mark.arm for mark in marks)
    labels = [Label(names[mark.arm], mark.x, mark.mean, _text_color(mark)) for mark in marks if mark.arm in names]
    place_labels(axes, labels, obstacles, _line_boxes(axes, corners))
    return figure


def _text_color(mark: _Mark) -> str:
    return FRONT_COLOR if mark.on_front else "#333333"


def _write_key(figure: Figure, marks: Sequence[_Mark]) -> dict[str, str]:
    """List arms at the right, best first, and return the number of each: its place among all; NaN means come last."""
    ranked = sorted(marks, key=lambda mark: -mark.mean if np.isfinite(mark.mean) else np.inf)
    numbers = {mark.arm: str(place + 1) for place, mark in enumerate(ranked)}
    listed = {mark.arm for mark in sorted(ranked, key=lambda mark: not mark.on_front)[:LARGEST_KEY]}
    names = figure_names(mark.arm for mark in ranked if mark.arm in listed)
    lines = [(f"{numbers[m.arm]:>2}  {names[m.arm]}", _text_color(m)) for m in ranked if m.arm in listed]
    if len(marks) > len(listed):
        lines.append((f"and {len(marks) - len(listed):,} more arms", BEATEN_COLOR))
    step = min(0.028, 0.84 / len(lines))
    for place, (line, color) in enumerate(lines):
        figure.text(0.735, 0.945 - step * place, line, fontsize=8, color=color, va="top")
    return {arm: number for arm, number in numbers.items() if arm in listed}


def _canvas(caption: Caption, size: tuple[float, float], *, keyed: bool) -> tuple[Figure, Axes]:
    """Return a figure with title and note; ``keyed`` leaves a column free at the right."""
    figure = NotebookFigure(figsize=size, dpi=160)
    left, width = (0.065, 0.65) if keyed else (0.085, 0.895)
    top = write_head(figure, caption, left=left, share=0.72 if keyed else 1.0)
    axes = figure.add_axes((left, 0.105, width, top - 0.125 - _LEGEND))
    axes.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    plain_axes(axes)
    return figure, axes


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


def _draw_band(axes: Axes, axis: BrokenLogAxis, band: pd.DataFrame) -> None:
    """Shade the band of the front, a step function of the cost that reaches the right edge."""
    known = band.dropna(subset=["low", "high"])
    if known.empty:
        return
    places = axis.place(known["cost"].to_numpy(dtype=np.int64))
    places = np.append(np.where(places == axis.zero, axis.band[0], places), axes.get_xlim()[1])
    low, high = (np.append(values, values[-1]) for values in known[["low", "high"]].to_numpy(dtype=np.float64).T)
    axes.fill_between(places, low, high, step="post", color=FRONT_COLOR, alpha=0.1, linewidth=0, zorder=0)
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, float(low.min())), max(top, float(high.max())))


def _draw_marks(axes: Axes, marks: Sequence[_Mark]) -> None:
    """Draw marks with their intervals, those of one look together: matplotlib takes its time for every artist."""
    looks: dict[tuple[bool, str], list[_Mark]] = {}
    for mark in marks:
        looks.setdefault((mark.on_front, _REFERENCES.get(mark.arm, ("o", ""))[0]), []).append(mark)
    for (on_front, marker), alike in sorted(looks.items()):
        color = alike[0].color
        x, mean, low, high = np.array([(mark.x, mark.mean, mark.low, mark.high) for mark in alike]).T
        gap = np.full(len(x), np.nan)
        bars, ends = np.repeat(x, 3), np.stack([low, high, gap], axis=1).ravel()
        axes.plot(bars, ends, color=color, linewidth=1.6, solid_capstyle="butt", zorder=3)
        axes.plot(bars, ends, "_", color=color, markersize=6, markeredgewidth=1.4, zorder=3)
        face = color if on_front else "white"
        axes.plot(x, mean, marker, color=color, markersize=6.5, markerfacecolor=face, markeredgewidth=1.5, zorder=4)


def _legend_handles(marks: Sequence[_Mark]) -> list[Line2D]:
    def handle(marker: str, face: str, edge: str, name: str) -> Line2D:
        return Line2D([], [], marker=marker, color=edge, markerfacecolor=face, linestyle="none", label=name)

    arms = {mark.arm for mark in marks}
    return [
        handle("o", FRONT_COLOR, FRONT_COLOR, "on the front"),
        handle("o", "white", BEATEN_COLOR, "an arm that adds no more is better"),
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
