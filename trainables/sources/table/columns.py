"""Which column of a CSV file means what: found by looking at its values."""

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
    """Return the columns most of whose first values are named as image files are."""
    return tuple(name for name, cells in table.columns.items() if _share_of_images(cells[:_LOOKED_AT]) > 0.5)


def split_column(table: TextTable) -> str | None:
    """Return the only column that holds nothing but names of splits, of which at least two."""
    known = {spelling for spellings in SPLIT_SPELLINGS.values() for spelling in spellings}
    values = {name: {cell.casefold() for cell in cells} for name, cells in table.columns.items()}
    found = [name for name, cells in values.items() if cells <= known and len(cells) > 1]
    return found[0] if len(found) == 1 else None


def images_folder(names: Sequence[str], folder: Path) -> Path:
    """Return where the first images lie: in the folder, or in one up to two levels below; the folder where nowhere."""
    first = [name for name in names[:_LOOKED_AT] if name]
    for place in _folders(folder, _DEEPEST):
        if any((place / name).is_file() for name in first if _is_inside(name)):
            return place
    return folder


def delimiter_of(path: Path) -> str:
    """Return the character that splits the first line into most cells, a comma where none does.

    Raises:
        ValueError: no text in UTF-8.
    """
    header = read_text(path).split("\n", 1)[0]
    return max(_DELIMITERS, key=header.count)


def is_image_name(name: str) -> bool:
    """Return whether a file is called as image files are."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def _share_of_images(cells: Sequence[str]) -> float:
    return sum(map(is_image_name, cells)) / max(1, len(cells))


def _is_inside(name: str) -> bool:
    pure = PurePosixPath(name)
    return not pure.is_absolute() and ".." not in pure.parts and "\0" not in name


def _folders(folder: Path, levels: int) -> Iterator[Path]:
    """Yield a folder and those below it, the near ones first."""
    nearby = [folder]
    for level in range(levels + 1):
        yield from nearby
        if level < levels:
            nearby = [
                path for place in nearby for path in sorted(place.iterdir()) if path.is_dir() and path.name[0] != "."
            ]
