"""Labels beside their points, placed so that they overlap neither each other nor the drawing.

Boxes are rows ``(x0, y0, x1, y1)`` in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ANGLES = np.radians((0, 180, 90, 270, 30, 150, 330, 210, 60, 120, 300, 240))
_RADII = np.array((9.0, 16.0, 26.0, 38.0, 52.0, 68.0, 86.0, 106.0, 128.0))
_LEADER_FROM = 14.0
"""Distance in points from which a thin line leads from the label to its point."""

_ROUNDS = 4
_OVER_LABEL, _OVER_MARK, _LEADER_OVER_LABEL, _LEADER_OVER_MARK, _OVER_LINE = 1e5, 1e3, 1e3, 20.0, 5.0


@dataclass(frozen=True)
class Label:
    """A text for the point at ``x, y`` (data coordinates)."""

    text: str
    x: float
    y: float
    color: str


@dataclass(frozen=True)
class _Places:
    """Candidate places of one label: ``angle``, ``radius`` (k,), ``boxes`` (k, 4) and ``leaders`` (k, steps, 2)."""

    angle: Floats
    radius: Floats
    boxes: Floats
    leaders: Floats

    @cached_property
    def reach(self) -> Floats:
        """The smallest box (4,) around all places: what lies outside of it cannot be in their way."""
        points = np.concatenate([self.boxes[:, :2], self.boxes[:, 2:], self.leaders.reshape(-1, 2)])
        return np.concatenate([points.min(axis=0), points.max(axis=0)])


def place_labels(
    axes: Axes, labels: Sequence[Label], obstacles: Sequence[Bbox], lines: Sequence[Bbox]
) -> list[Annotation]:
    """Annotate the points, choosing the least obstructive of about a hundred places around each point.

    A label is placed with the others in view, and again while that improves it; ``obstacles`` (markers, intervals,
    legend; pixels) are avoided at almost any cost, ``lines`` (pixels) where that costs little. The figure must have
    been drawn once.
    """
    size = 8.5 if len(labels) <= 16 else 7.0
    canvas = axes.figure
    # Without one that is handed in, the figure would make a renderer of its whole size for every label.
    renderer = RendererAgg(canvas.bbox.width, canvas.bbox.height, canvas.dpi)  # type: ignore[no-untyped-call]
    places = [_places(axes, label, size, renderer) for label in labels]
    frame = np.array(axes.bbox.extents)
    marks, crossed = _rows(obstacles), _rows(lines)
    fixed = [_fixed_cost(options, frame, _within(options, marks), _within(options, crossed)) for options in places]
    chosen: dict[int, int] = {}
    for _ in range(_ROUNDS):
        before = dict(chosen)
        for index, options in enumerate(places):
            others = [other for other in chosen if other != index]
            boxes = _within(options, np.array([places[o].boxes[chosen[o]] for o in others]).reshape(-1, 4))
            leaders = np.array([places[o].leaders[chosen[o]] for o in others]).reshape(-1, 2)
            chosen[index] = int(np.argmin(fixed[index] + _clash(options, boxes, leaders)))
        if chosen == before:
            break
    return [_annotate(axes, label, size, places[index], chosen[index]) for index, label in enumerate(labels)]


def _alignment(angle: Floats) -> tuple[Floats, Floats]:
    """Return the share of the text left of and below its anchor: 0, a half or 1."""
    return 0.5 - 0.5 * _sign(np.cos(angle)), 0.5 - 0.5 * _sign(np.sin(angle))


def _sign(values: Floats) -> Floats:
    return np.where(np.abs(values) > 0.3, np.sign(values), 0.0)


def _annotate(axes: Axes, label: Label, size: float, places: _Places, which: int) -> Annotation:
    angle, radius = places.angle[which], places.radius[which]
    left, below = (float(share) for share in _alignment(angle))
    leader = {"arrowstyle": "-", "color": "#9a9a9a", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
    return axes.annotate(
        label.text,
        (label.x, label.y),
        xytext=(radius * np.cos(angle), radius * np.sin(angle)),
        textcoords="offset points",
        ha={0.0: "left", 0.5: "center", 1.0: "right"}[left],
        va={0.0: "bottom", 0.5: "center", 1.0: "top"}[below],
        fontsize=size,
        color=label.color,
        zorder=6,
        # The line starts where the text is anchored, not at the middle of its box.
        arrowprops={**leader, "relpos": (left, below)} if radius > _LEADER_FROM else None,
    )


def _places(axes: Axes, label: Label, size: float, renderer: RendererAgg) -> _Places:
    probe = axes.annotate(label.text, (label.x, label.y), fontsize=size)
    extent = probe.get_window_extent(renderer)
    probe.remove()
    point = axes.transData.transform((label.x, label.y))
    angle, radius = np.tile(_ANGLES, len(_RADII)), np.repeat(_RADII, len(_ANGLES))
    tips = point + (axes.figure.dpi / 72) * radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    left, below = _alignment(angle)
    corner = tips - np.stack([left * extent.width, below * extent.height], axis=1)
    boxes = np.concatenate([corner, corner + np.array([extent.width, extent.height])], axis=1)
    # A place without a leader gets one of no length, inside its own box, so that it crosses nothing.
    start = np.where(radius[:, None] > _LEADER_FROM, point, tips)
    steps = np.linspace(0.15, 1.0, 24)[:, None]
    return _Places(angle, radius, boxes, start[:, None] + steps * (tips - start)[:, None])


def _fixed_cost(places: _Places, frame: Floats, obstacles: Floats, lines: Floats) -> Floats:
    """Cost of every place without regard to other labels: distance, unusual angles, and overlap."""
    boxes = places.boxes
    outside = (boxes[:, :2] < frame[:2]).any(axis=1) | (boxes[:, 2:] > frame[2:]).any(axis=1)
    cost: Floats = places.radius / 10 + np.tile(np.arange(len(_ANGLES)), len(_RADII)) / 20
    cost += _OVER_LABEL * outside
    cost += _OVER_MARK * _covered(boxes, obstacles) + _OVER_LINE * _covered(boxes, lines)
    cost += _LEADER_OVER_MARK * _inside(places.leaders[:, 4:], obstacles).any(axis=1).sum(axis=1)
    return cost


def _clash(places: _Places, boxes: Floats, leaders: Floats) -> Floats:
    """Cost of covering other labels, and of leaders that cross labels."""
    crossed = _inside(places.leaders, boxes).any(axis=1).sum(axis=1)
    left, low, right, high = places.reach
    near = (leaders[:, 0] > left) & (leaders[:, 1] > low) & (leaders[:, 0] < right) & (leaders[:, 1] < high)
    crossing = _inside(leaders[None, near], places.boxes)[0].any(axis=0)
    cost: Floats = _OVER_LABEL * _covered(places.boxes, boxes) + _LEADER_OVER_LABEL * (crossed + crossing)
    return cost


def _within(places: _Places, boxes: Floats) -> Floats:
    """Return those of boxes (n, 4) that may overlap a place: in a full figure most are far from any one label."""
    left, low, right, high = places.reach
    near = (boxes[:, 0] <= right) & (boxes[:, 1] <= high) & (boxes[:, 2] >= left) & (boxes[:, 3] >= low)
    return np.asarray(boxes[near], dtype=np.float64)


def _covered(boxes: Floats, others: Floats) -> Floats:
    """Return for each box how many of the others it overlaps."""
    (left, low, right, high), (their_left, their_low, their_right, their_high) = boxes.T[:, :, None], others.T[:, None]
    overlap = (left < their_right) & (low < their_high) & (their_left < right) & (their_low < high)
    return np.asarray(overlap.sum(axis=1), dtype=np.float64)


def _inside(points: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """Return which points (a, b, 2) lie in which boxes (c, 4); shape (a, b, c)."""
    x, y = points[..., 0, None], points[..., 1, None]
    left, low, right, high = np.ascontiguousarray(boxes.T)
    return np.asarray((x > left) & (y > low) & (x < right) & (y < high))


def _rows(boxes: Sequence[Bbox]) -> Floats:
    return np.array([box.extents for box in boxes], dtype=np.float64).reshape(-1, 4)
