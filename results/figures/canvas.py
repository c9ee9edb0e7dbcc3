"""What all figures share: caption, colours, the head above the axes, and writing a file."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from results.figures.drawing import drawing, figure_text
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


def write_head(figure: Figure, caption: Caption, left: float, share: float = 1.0) -> float:
    """Write title and note; return the top of the space below them (share of the figure)."""
    width, height = figure.get_size_inches()
    room = (share - left) * width
    title = textwrap.fill(figure_text(caption.title), int(9.5 * room))
    note = "\n".join(textwrap.fill(figure_text(line), int(15.2 * room)) for line in caption.note.split("\n"))
    below = 0.41 + 0.22 * title.count("\n")  # inches, of the title's last line
    figure.text(left, 1 - 0.15 / height, title, fontsize=12.5, fontweight="bold", va="top")
    figure.text(left, 1 - below / height, note, fontsize=8, color="#444444", va="top", linespacing=1.35)
    return float(1 - (below + 0.09 + 0.157 * (note.count("\n") + 1)) / height)


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
