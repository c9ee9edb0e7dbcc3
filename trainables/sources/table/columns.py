"""Detects the role of each column of a CSV file from its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from trainables.sources.reading.text_files import TextTable, read_text
from trainables.sources.source import SPLIT_SPELLINGS

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".jp2")
_DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT = 200
_DEEPEST = 2


def image_columns(table: TextTable) -> tuple[str, ...]:
    """Return the columns in which most of the first values look like image file names."""
    return tuple(name for name, cells in table.columns.items() if _share_of_images(cells[:_LOOKED_AT]) > 0.5)


def split_column(table: TextTable) -> str | None:
    """Return the only column that contains nothing but split names, and at least two of them."""
    known = {spelling for spellings in SPLIT_SPELLINGS.values() for spelling in spellings}
    values = {name: {cell.casefold() for cell in cells} for name, cells in table.columns.items()}
    found = [name for name, cells in values.items() if cells <= known and len(cells) > 1]
    return found[0] if len(found) == 1 else None


def images_folder(names: Sequence[str], folder: Path) -> Path:
    """Return the folder of the first images: the given one or one up to two levels below; if none, the given one."""
    first = [name for name in names[:_LOOKED_AT] if name]
    for place in _folders(folder, _DEEPEST):
        if any((place / name).is_file() for name in first if _is_inside(name)):
            return place
    return folder


def delimiter_of(path: Path) -> str:
    """Return the character that splits the first line into the most cells; by default a comma.

    Raises:
        ValueError: the file is not UTF-8 text.
    """
    header = read_text(path).split("\n", 1)[0]
    return max(_DELIMITERS, key=header.count)


def is_image_name(name: str) -> bool:
    """Return whether a file name has the suffix of an image file."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def _share_of_images(cells: Sequence[str]) -> float:
    return sum(map(is_image_name, cells)) / max(1, len(cells))


def _is_inside(name: str) -> bool:
    pure = PurePosixPath(name)
    return not pure.is_absolute() and ".." not in pure.parts and "\0" not in name


def _folders(folder: Path, levels: int) -> Iterator[Path]:
    """Yield a folder and those below it, level by level."""
    nearby = [folder]
    for level in range(levels + 1):
        yield from nearby
        if level < levels:
            nearby = [
                path for place in nearby for path in sorted(place.iterdir()) if path.is_dir() and path.name[0] != "."
            ]
