"""What all figures share: caption, colours, the head above the axes, and writing a file."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from results.figures.drawing import NotebookFigure, drawing, figure_text
from results.tables.files import replacing

FRONT_COLOR = "#0072B2"
BEATEN_COLOR = "#6b6b6b"
CHANCE_COLOR = "#C44E00"
GRID_COLOR = "#e6e6e6"

SCREEN = (14.0, 8.8)
"""Largest width and height of a figure in inches: shown as wide as a screen, all of it is visible."""


@dataclass(frozen=True)
class Caption:
    """Title and note of a figure.

    Example:
        >>> Caption("Accuracy against added parameters", "Means over seeds 1, 2 and 3.").title
        'Accuracy against added parameters'
    """

    title: str
    note: str


@drawing()
def save_figure(figure: Figure, *paths: Path) -> None:
    """Write a figure in the format of each path's suffix; an old file stays until the new one is complete.

    The panels are laid out once for all files: matplotlib would do so for each, and draw it twice.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_figure(Figure(), Path(folder, "figure.png"), Path(folder, "figure.svg"))
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['figure.png', 'figure.svg']
    """
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
    figure.set_layout_engine(None)
    try:
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}  # equal numbers, equal files
            with replacing(path) as temporary:
                figure.savefig(temporary, metadata=metadata, facecolor="white")
    finally:
        figure.set_layout_engine(layout)


def headed_figure(caption: Caption, width: float, below: float, left: float = 0.015) -> tuple[Figure, float]:
    """Return a figure with title and note, and the top of the space below them (share of the figure).

    Args:
        caption: However long, it takes nothing from the space below, unless the figure would not fit a screen.
        width: Of the figure, in inches.
        below: Height of what is drawn below title and note, in inches.
        left: Where title and note begin, as a share of the width.
    """
    head = _Head.of(caption, (1 - left) * width)
    figure = NotebookFigure(figsize=(width, min(head.inches + below, SCREEN[1])), dpi=160)
    return figure, head.write(figure, left)


def panel_figure(caption: Caption, width: float, below: float, padding: tuple[float, float] = (0.042, 0.042)) -> Figure:
    """Return a figure with title and note whose panels are laid out below them.

    Args:
        caption: See ``headed_figure``, also for ``width`` and ``below``.
        width: In inches.
        below: In inches.
        padding: Inches around a panel, across and up.
    """
    figure, top = headed_figure(caption, width, below)
    across, up = padding
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=(0, 0, 1, top), w_pad=across, h_pad=up))
    return figure


def write_head(figure: Figure, caption: Caption, left: float, share: float = 1.0) -> float:
    """Write title and note; return the top of the space below them (share of the figure)."""
    return _Head.of(caption, (share - left) * figure.get_size_inches()[0]).write(figure, left)


@dataclass(frozen=True)
class _Head:
    """Title and note in lines that fit a width."""

    title: str
    note: str

    @classmethod
    def of(cls, caption: Caption, width: float) -> _Head:
        """Return the head in lines that fit a width in inches."""
        notes = (textwrap.fill(figure_text(line), int(15.2 * width)) for line in caption.note.split("\n"))
        return cls(textwrap.fill(figure_text(caption.title), int(9.5 * width)), "\n".join(notes))

    @property
    def below_title(self) -> float:
        """Inches from the top to the note."""
        return 0.41 + 0.22 * self.title.count("\n")

    @property
    def inches(self) -> float:
        return self.below_title + 0.09 + 0.157 * (self.note.count("\n") + 1)

    def write(self, figure: Figure, left: float) -> float:
        """Write the head; return the top of the space below it (share of the figure)."""
        height = figure.get_size_inches()[1]
        figure.text(left, 1 - 0.15 / height, self.title, fontsize=12.5, fontweight="bold", va="top")
        place = 1 - self.below_title / height
        figure.text(left, place, self.note, fontsize=8, color="#444444", va="top", linespacing=1.35)
        return float(1 - self.inches / height)


def upright(name: str, inches: float) -> str:
    """Return the name of a vertical axis in lines that fit into a height, at 8 or 9 points."""
    return textwrap.fill(name, max(12, int(13 * inches)))


def plain_axes(axes: Axes) -> None:
    """Remove the frame that carries no information, and put the grid below the marks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)


def hide_spare(panels: NDArray[Any], used: int) -> None:
    """Hide the panels (rows, columns) beyond the used ones, and label the lowest used one of every column."""
    columns = panels.shape[1]
    for index, panel in enumerate(panels.flat):
        panel.set_visible(index < used)
        panel.tick_params(labelbottom=used - columns <= index < used, axis="x")
