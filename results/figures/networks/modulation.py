"""Modulation vectors of an arm: the tree of tasks they imply, factors by task and channel, and relations of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from results.analysis.figure_data.networks import ArmVectors
from results.analysis.task_tree import TaskTree
from results.figures.canvas import SCREEN, Caption, headed_figure
from results.figures.drawing import drawing, figure_names, figure_text
from results.figures.heat_map import Scale

Floats = NDArray[np.float64]

_LONGEST = 24
_MOST_NAMED_BELOW = 20
"""Largest number of tasks whose names fit below a matrix; its columns always have the order of the rows."""

_INCHES_A_CHARACTER = 0.066
_MARGIN, _GAP, _TREE, _MAPS, _SIDE = 0.2, 0.25, 1.3, 5.0, 2.5
_BAR, _BELOW = 0.1, 0.65


@dataclass(frozen=True)
class _Canvas:
    """A row of panels with the same height, placed in inches."""

    figure: Figure
    bottom: float
    height: float

    def axes(self, left: float, width: float) -> Axes:
        return self._axes(left, self.bottom, width, self.height)

    def bar(self, image: AxesImage, left: float, name: str) -> None:
        """Draw the colours of an image below the panels."""
        axes = self._axes(left, 0.38, 1.8, _BAR)
        bar = self.figure.colorbar(image, cax=axes, orientation="horizontal")
        bar.outline.set_visible(False)
        axes.tick_params(labelsize=7)
        axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel(name, fontsize=8)

    def _axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        across, up = self.figure.get_size_inches()
        return self.figure.add_axes((left / across, bottom / up, width / across, height / up))


@drawing()
def modulation_figure(tasks: Sequence[str], vectors: ArmVectors, labels: Floats | None, caption: Caption) -> Figure:
    """Draw tree, factors of every point, similarity and association of labels, a row per task in the order of the tree.

    Args:
        tasks: In the order of the rows of the vectors.
        vectors: Of one arm; without a tree the tasks keep their order, and there is no similarity.
        labels: Association of the tasks' labels, ``(T, T)``; None where it is not known.
        caption: Title and note.
    """
    order = list(range(len(tasks))) if vectors.tree is None else list(vectors.tree.order)
    known = list(figure_names(tasks, _LONGEST).values())
    names = [known[task] for task in order]
    related = {"similarity of vectors": vectors.similarity, "association of labels": labels}
    matrices = {title: matrix[np.ix_(order, order)] for title, matrix in related.items() if matrix is not None}
    room = 0.15 + _INCHES_A_CHARACTER * max(map(len, names))
    below = names if len(names) <= _MOST_NAMED_BELOW else []
    rows = min(max(1.3, 0.2 * len(names)), SCREEN[1] - 3.0)
    lead = (_TREE if vectors.tree else 0) + room
    width = 2 * _MARGIN + lead + _MAPS + (_GAP + _SIDE) * len(matrices)
    bottom = _BELOW + (room if below else 0.2)
    figure, top = headed_figure(caption, width, bottom + rows + 0.4, _MARGIN / width)
    height = figure.get_size_inches()[1]
    canvas = _Canvas(figure, bottom, top * height - 0.35 - bottom)
    if vectors.tree:
        _draw_tree(canvas.axes(_MARGIN, _TREE), vectors.tree)
    canvas.bar(_draw_points(canvas, _MARGIN + lead, vectors.points, order, names), _MARGIN + lead, "factor")
    for place, (title, matrix) in enumerate(matrices.items()):
        left = _MARGIN + lead + _MAPS + place * (_GAP + _SIDE) + _GAP
        image = _draw_matrix(canvas.axes(left, _SIDE), title, matrix, below)
        if place == 0:
            canvas.bar(image, left, "similarity, or Cramér's V")
    return figure


def _draw_tree(axes: Axes, tree: TaskTree) -> None:
    axes.add_collection(
        LineCollection([[(height, place) for place, height in join] for join in tree.joins], colors="k")
    )
    highest = max(height for join in tree.joins for _, height in join) or 1.0
    axes.set_xlim(1.03 * highest, 0)
    axes.set_ylim(len(tree.order) - 0.5, -0.5)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=3)
    axes.tick_params(labelsize=7)
    axes.set_xlabel("1 - similarity", fontsize=8)
    axes.spines[["top", "left", "right"]].set_visible(False)


def _draw_points(
    canvas: _Canvas, left: float, points: Mapping[str, NDArray[np.float32]], order: Sequence[int], names: Sequence[str]
) -> AxesImage:
    """Draw a map per modulation point on one scale, as wide as the root of its channels."""
    every = np.concatenate([point.ravel() for point in points.values()]).astype(np.float64)
    scale = Scale.around(every, 1.0) if every.min() < 1 < every.max() else Scale.of(every)
    shares = np.sqrt([point.shape[1] for point in points.values()])
    widths = (_MAPS - 0.08 * (len(points) - 1)) * shares / shares.sum()
    for place, ((name, point), width) in enumerate(zip(points.items(), widths, strict=True)):
        axes = canvas.axes(left, width)
        left += width + 0.08
        image = axes.imshow(point[order], cmap=scale.colors, vmin=scale.low, vmax=scale.high, aspect="auto")
        axes.set_title(figure_text(name), fontsize=8, loc="left")
        axes.set_yticks(range(len(names)) if place == 0 else [], names if place == 0 else [])
        axes.set_xticks([0, point.shape[1] - 1], ["", f"{point.shape[1]}"], ha="right")
        axes.tick_params(length=0, labelsize=7 if len(names) <= 30 else 6)
        axes.spines[:].set_visible(False)
    return image


def _draw_matrix(axes: Axes, title: str, matrix: Floats, below: Sequence[str]) -> AxesImage:
    between = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
    image = axes.imshow(between, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    axes.set_title(title, fontsize=8, loc="left")
    axes.set_yticks([])
    axes.set_xticks(range(len(below)), below, rotation=90, fontsize=7)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image
