"""Images sorted into one folder per class, optionally below one folder per split, as the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainables.sources.source import SPLIT_SPELLINGS, SPLITS
from trainables.sources.table.columns import is_image_name

_SPLIT_OF = {spelling: split for split, spellings in SPLIT_SPELLINGS.items() for spelling in spellings}


@dataclass(frozen=True)
class ClassFolders:
    """The images below a folder, sorted: path, class, and split if there are split folders."""

    folder: Path
    rows: tuple[tuple[str, ...], ...]
    header: tuple[str, ...]


def find_class_folders(folder: Path) -> ClassFolders | None:
    """Return the images of ``CLASS/*.jpg`` or ``SPLIT/CLASS/*.jpg``; None if there are fewer than two class folders.

    Raises:
        ValueError: there are folders for some splits, but not for all three.
    """
    inside = _folders(folder)
    splits = {path: _SPLIT_OF[path.name.casefold()] for path in inside if path.name.casefold() in _SPLIT_OF}
    if len(splits) > 1:
        rows: list[tuple[str, ...]] = [
            (*found, split) for path, split in splits.items() for found in _images(folder, _folders(path))
        ]
        missing = [split for split in SPLITS if split not in {row[2] for row in rows}]
        if rows and missing:
            raise ValueError(
                f"{folder}: class folders for {' and '.join(sorted({row[2] for row in rows}))}, none for "
                f"{' and '.join(missing)}: move a part of the images there, or put all classes into one folder without "
                "splits, which are then drawn"
            )
        header: tuple[str, ...] = ("file", "class", "split")
    else:
        rows, header = _images(folder, inside), ("file", "class")
    if len({row[1] for row in rows}) < 2:
        return None
    return ClassFolders(folder, tuple(sorted(rows)), header)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(root: Path, classes: Sequence[Path]) -> list[tuple[str, ...]]:
    return [
        (path.relative_to(root).as_posix(), place.name)
        for place in classes
        for path in sorted(place.rglob("*"))
        if is_image_name(path.name) and not path.name.startswith(".") and path.is_file()
    ]
