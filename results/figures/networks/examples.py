"""What a good and a bad arm retrieve for the same queries, as one picture."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from results.analysis.figure_data.networks import FoundExamples, FoundQuery
from results.figures.canvas import SCREEN, Caption, headed_figure
from results.figures.drawing import drawing, figure_names, figure_text
from results.plain_text import shortened

Bytes = NDArray[np.uint8]

MOST_QUERIES = 40
"""Largest number of queries; the first ones are drawn."""

_SIDE = 64
"""Side of an image, in pixels of the mosaic."""

_GAP, _AFTER_QUERY, _BETWEEN_ARMS, _BETWEEN_QUERIES = 8, 24, 8, 52
_RIGHT, _WRONG = "#1a7f37", "#C44E00"
_LONGEST = 16


class _Tile(NamedTuple):
    """An image and where its upper left corner lies in the mosaic; ``right`` is None for a query."""

    image: int
    x: int
    y: int
    right: bool | None


@drawing()
def example_figure(examples: FoundExamples, caption: Caption) -> Figure:
    """Draw each query with a row per arm: the query, then its neighbours, framed by whether they are right.

    Args:
        examples: At least one query, with the same arms and numbers of neighbours in every one.
        caption: Title and note.
    """
    queries = examples.queries[:MOST_QUERIES]
    arms = figure_names(queries[0].arms, _LONGEST)
    names = 12 + 10 * max(map(len, arms.values()))
    block = (names + _row_width(queries[0]) + 24, _block_height(queries[0]))
    columns = 1 if len(queries) <= 4 else 2 if len(queries) <= 14 else 4
    rows = -(-len(queries) // columns)
    size = (columns * block[0], rows * block[1])
    inches = min((SCREEN[0] - 0.3) / size[0], (SCREEN[1] - 1.6) / size[1], 1 / 110)
    width = max(size[0] * inches + 0.3, 7.0)
    figure, top = headed_figure(caption, width, size[1] * inches + 0.2, 0.15 / width)
    height = figure.get_size_inches()[1]
    axes = figure.add_axes(
        (0.15 / width, top - size[1] * inches / height, size[0] * inches / width, size[1] * inches / height)
    )
    axes.set_axis_off()
    points = 72 * inches
    tiles = []
    for place, query in enumerate(queries):
        x, y = (place // rows) * block[0], (place % rows) * block[1]
        title = shortened(figure_text(f"{query.task}: {query.label}"), 44)
        axes.text(x, y + 16, title, fontsize=min(9, 20 * points), fontweight="bold", va="center")
        for line, arm in enumerate(query.arms):
            down = y + 30 + line * (_SIDE + _BETWEEN_ARMS)
            axes.text(x, down + _SIDE / 2, arms[arm], fontsize=min(8, 18 * points), va="center")
            tiles += list(_tiles(query, arm, x + names, down))
    _draw_tiles(axes, tiles, examples.images, size)
    return figure


def _row_width(query: FoundQuery) -> int:
    neighbours = max(len(images) for images in query.arms.values())
    return _SIDE + _AFTER_QUERY + neighbours * (_SIDE + _GAP)


def _block_height(query: FoundQuery) -> int:
    return _BETWEEN_QUERIES + len(query.arms) * (_SIDE + _BETWEEN_ARMS)


def _tiles(query: FoundQuery, arm: str, x: int, y: int) -> Iterator[_Tile]:
    yield _Tile(query.image, x, y, None)
    for place, found in enumerate(query.arms[arm]):
        yield _Tile(found.image, x + _SIDE + _AFTER_QUERY + place * (_SIDE + _GAP), y, found.right)


def _draw_tiles(axes: Axes, tiles: list[_Tile], images: Mapping[int, bytes], size: tuple[int, int]) -> None:
    """Draw all images as one, which is much quicker than one by one, and their frames."""
    mosaic = np.full((size[1], size[0], 3), 255, dtype=np.uint8)
    decoded = {number: _decoded(images[number]) for number in {tile.image for tile in tiles}}
    for tile in tiles:
        mosaic[tile.y : tile.y + _SIDE, tile.x : tile.x + _SIDE] = decoded[tile.image]
    axes.imshow(mosaic, extent=(0, size[0], size[1], 0), aspect="auto")
    for right, color, style in ((True, _RIGHT, "solid"), (False, _WRONG, (0, (2, 1)))):
        frames = [_frame(tile) for tile in tiles if tile.right is right]
        axes.add_collection(LineCollection(frames, colors=color, linestyles=[style], linewidths=1.6))


def _decoded(jpeg: bytes) -> Bytes:
    """Return an image as (side, side, 3), on white where it is not square."""
    with Image.open(io.BytesIO(jpeg)) as opened:
        image = opened.convert("RGB")
    image.thumbnail((_SIDE, _SIDE))
    if max(image.size) < _SIDE:
        image = image.resize((_SIDE, _SIDE))
    square = Image.new("RGB", (_SIDE, _SIDE), "white")
    square.paste(image, ((_SIDE - image.width) // 2, (_SIDE - image.height) // 2))
    return np.asarray(square)


def _frame(tile: _Tile) -> list[tuple[float, float]]:
    left, top, right, bottom = tile.x - 2, tile.y - 2, tile.x + _SIDE + 2, tile.y + _SIDE + 2
    return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
