"""Cosines between the gradients of tasks without and with modulation, and their change against the gain."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from numpy.typing import NDArray

from results.analysis.agreement import SHARED, StudyAgreement
from results.analysis.agreement_correlation import Correlation
from results.analysis.agreement_tables import Changes, mean_of
from results.figures.canvas import SCREEN, Caption, headed_figure
from results.figures.drawing import drawing, figure_names, figure_text

Floats = NDArray[np.float64]

_MOST_NAMED = 20
"""Largest number of tasks that each get a colour and a legend entry."""

_LONGEST_ARM = 16
"""Number of characters of an arm's name that fit beside a row of small maps."""

_LONGEST_IN_LEGEND = 22

_HEAD = 1.5
"""Inches that title and note of five lines take."""

_SMALLEST = 4.5
"""Size in points below which a name cannot be read."""


@dataclass(frozen=True)
class _Room:
    """Sizes in inches; ``points`` is the size of the names beside the maps, 0 where there is no room for them."""

    width: float
    names: float
    panel: float
    scatter: float
    points: float


def _room(agreement: StudyAgreement) -> _Room:
    """Return sizes with which the figure fits a screen."""
    tasks, stages = len(agreement.tasks), len(agreement.stages)
    wanted, scatter = max(1.15, 0.14 * tasks), 3.6 if tasks <= 10 else 2.8
    longest = 0.15 + 0.066 * max(map(len, figure_names(agreement.tasks).values()))
    for names in (longest, 0.35):
        across = (SCREEN[0] - names - 1.3) / stages - 0.12
        panel = min(wanted, across, (SCREEN[1] - _HEAD - scatter - 0.3 - names) / 2)
        points = min(7.0, 72 * 0.9 * panel / tasks)
        if points >= _SMALLEST:
            break
    width = max(8.0, names + 1.3 + stages * (panel + 0.12))
    return _Room(width, names, panel, scatter, points if points >= _SMALLEST else 0.0)


def shown_arm(agreement: StudyAgreement) -> str:
    """Return the ``arm_id`` drawn beside the shared arm: ``late``, otherwise the first with the most points."""
    late = [arm_id for arm_id, name in agreement.arms.items() if name == "late"]
    return late[0] if late else max(agreement.arms, key=lambda arm_id: agreement.points[arm_id])


@drawing()
def agreement_figure(agreement: StudyAgreement, changes: Changes, correlation: Correlation, caption: Caption) -> Figure:
    """Draw a task x task heat map per stage for the shared and one modulated arm, with a scatter plot below.

    Args:
        agreement: The measurements; the last measured epoch is drawn.
        changes: The same as ``results.analysis.agreement_tables.changes_of`` returns it.
        correlation: Over the cells (task x arm) of the scatter, for its title.
        caption: Title and note above the panels.
    """
    room = _room(agreement)
    below = 2 * room.panel + room.names + 0.3 + room.scatter
    figure, top = headed_figure(caption, room.width, below, left=0.02)
    height = figure.get_size_inches()[1]
    _draw_maps(figure, agreement, room, top - 0.3 / height)
    _draw_scatter(figure, agreement, changes, correlation, room)
    return figure


def _draw_maps(figure: Figure, agreement: StudyAgreement, room: _Room, top: float) -> None:
    height = figure.get_size_inches()[1]
    arm_id = shown_arm(agreement)
    rows = {SHARED: agreement.shared(), agreement.arms[arm_id]: agreement.measured[arm_id, "last"]}
    maps = {name: mean_of(measured.cosine, (0,)) for name, measured in rows.items()}
    finite = np.concatenate([np.abs(found[np.isfinite(found)]) for found in maps.values()])
    widest = float(finite.max()) or 1.0
    grid = GridSpec(
        2,
        len(agreement.stages),
        figure,
        left=(room.names + 0.4) / room.width,
        right=1 - 0.85 / room.width,
        top=top,
        bottom=top - (2 * room.panel + 0.12) / height,
        wspace=0.08,
        hspace=0.08,
    )
    tasks, arms = tuple(figure_names(agreement.tasks).values()) if room.points else (), figure_names(maps, _LONGEST_ARM)
    panels = []
    for row, (name, found) in enumerate(maps.items()):
        for column, stage in enumerate(agreement.stages):
            panel = figure.add_subplot(grid[row, column])
            image = panel.imshow(found[column], cmap="RdBu", vmin=-widest, vmax=widest, aspect="auto")
            _dress(panel, tasks if column == 0 else (), tasks if row == 1 else (), room.points)
            if row == 0:
                panel.set_title(figure_text(stage), fontsize=9)
            if column == 0:
                panel.set_ylabel(arms[name], fontsize=9, fontweight="bold")
            panels.append(panel)
    place = (1 - 0.7 / room.width, top - (2 * room.panel + 0.12) / height, 0.14 / room.width, 2 * room.panel / height)
    bar = figure.colorbar(image, cax=figure.add_axes(place))
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def _dress(panel: Axes, rows: tuple[str, ...], columns: tuple[str, ...], points: float) -> None:
    panel.set_xticks(range(len(columns)), columns, rotation=90, fontsize=points)
    panel.set_yticks(range(len(rows)), rows, fontsize=points)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)


def _draw_scatter(
    figure: Figure, agreement: StudyAgreement, changes: Changes, correlation: Correlation, room: _Room
) -> None:
    height = figure.get_size_inches()[1]
    box = (0.75 / room.width, 0.55 / height, 1 - (0.75 + 1.6) / room.width, (room.scatter - 0.75) / height)
    axes = figure.add_axes(box)
    x, y = mean_of(changes.cosine, (1,)), mean_of(changes.gain, (1,))
    named = len(agreement.tasks) <= _MOST_NAMED
    colors = mpl.colormaps["tab10" if len(agreement.tasks) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    for index in range(len(agreement.tasks)):
        color = colors[index] if named else "#0072B2"
        axes.plot(x[:, index], y[:, index], "o", color=color, markersize=4.5, alpha=0.8, markeredgewidth=0)
    points = list(axes.lines)
    for line in (axes.axhline, axes.axvline):
        line(0, color="#999999", linewidth=0.8, zorder=0)
    axes.set_xlabel("change of a task's mean cosine with the other tasks, modulated minus shared", fontsize=9)
    axes.set_ylabel("gain in test triplet accuracy", fontsize=9)
    axes.set_title(f"One point per task and modulated arm. {scatter_title(correlation)}", fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    if named:
        names = list(figure_names(agreement.tasks, _LONGEST_IN_LEGEND).values())  # given as such: one may begin with _
        axes.legend(
            points,
            names,
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            fontsize=8 if len(names) <= 10 else 6.5,
            labelspacing=0.3,
            frameon=False,
            handletextpad=0.2,
        )


def scatter_title(correlation: Correlation) -> str:
    """Return the correlation in one line."""
    found = correlation.pearson
    if found is None:
        return f"No correlation: {correlation.refusal}"
    return f"Pearson r = {found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}], permutation p = {found.p:.2g}"
