"""Draws a query and its matches as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from results.plain_text import visible
from results.tables.files import replacing
from study.errors import UserError
from study.retrieval.faults import told_to_the_user

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    from study.retrieval.querying import Retrieved

_TILE = 128
_GAP = 8
_CAPTION = 30
_COLUMNS = 6
_WHITE, _BLACK, _GREY = (255, 255, 255), (20, 20, 20), (110, 110, 110)
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def save_grid(found: Retrieved, path: Path) -> None:
    """Draw the query and its matches into a file.

    Raises:
        UserError: The file name has no known ending, or the index keeps no thumbnails.
    """
    if path.suffix.lower() not in _FORMATS:
        raise UserError(f"--grid {path}: should end in {', '.join(_FORMATS)}")
    picture = draw_grid(found)
    with replacing(path) as temporary:
        picture.save(temporary, _FORMATS[path.suffix.lower()])


def draw_grid(found: Retrieved) -> Image.Image:
    """Return a picture of the query and its matches, nearest first, with their similarity and id.

    Raises:
        UserError: The index keeps no thumbnails.
    """
    with told_to_the_user():
        tasks = ", ".join(f"{task} {weight:g}" for task, weight in found.weights.items())
        tiles = [(_query_image(found), "query", tasks)]
        tiles += [(found.index.image(one.id), f"{one.rank}: {one.similarity:.3f}", one.id) for one in found.matches]
    return _drawn(tiles)


def _query_image(found: Retrieved) -> Image.Image:
    from trainables.index.adding.sources import SourceImage
    from trainables.index.adding.thumbnails import small_copy

    if isinstance(found.query, Path):
        return small_copy(SourceImage("query", found.query).read(), _TILE)
    return found.index.image(found.query.id)


def _drawn(tiles: Sequence[tuple[Image.Image, str, str]]) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    columns = min(_COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    width, height = _TILE + _GAP, _TILE + _CAPTION + _GAP
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _WHITE)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, (image, first, second) in enumerate(tiles):
        left, top = _GAP + number % columns * width, _GAP + number // columns * height
        tile = image.convert("RGB")
        tile.thumbnail((_TILE, _TILE))
        sheet.paste(tile, (left + (_TILE - tile.width) // 2, top + (_TILE - tile.height) // 2))
        draw.text((left, top + _TILE + 2), first, _BLACK, font)
        draw.text((left, top + _TILE + 15), _shortened(visible(second), draw, font), _GREY, font)
    return sheet


def _shortened(text: str, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return the end of a text that fits below a tile: ids differ there."""
    while text and draw.textlength(text, font) > _TILE:
        text = text[1:]
    return text
