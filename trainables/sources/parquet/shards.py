"""Finds the Parquet files of each split in a folder."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from trainables.sources.parquet.files import row_count
from trainables.sources.parquet.shard_numbers import check_complete, shard_order
from trainables.sources.source import SPLIT_SPELLINGS, SPLITS

_SPLIT_OF = {spelling: split for split, spellings in SPLIT_SPELLINGS.items() for spelling in spellings}
_FOLDER = re.compile(rf"(?P<spelling>{'|'.join(_SPLIT_OF)})", re.IGNORECASE)
_NAME = re.compile(rf"{_FOLDER.pattern}(-.*)?", re.IGNORECASE)


def find_shards(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return the files of each split in the order of their numbers.

    A split is ``train-*.parquet`` or ``train.parquet``, or all files in ``train/``: in the folder, in its ``data/``, or
    in the folder of its only configuration (``default/``).

    Raises:
        ValueError: no such folder, files of a split in two places or under two spellings, a split without files, a
            missing shard, or shards of two sets; the message lists the files.
    """
    found = _splits_of(_home(folder))
    return {split: found[split] for split in SPLITS}


def unused_files(folder: Path) -> tuple[str, ...]:
    """Return the Parquet files next to the splits that belong to none of them.

    Raises:
        ValueError: as ``find_shards``.
    """
    home = _home(folder)
    used = {path for paths in find_shards(folder).values() for path in paths}
    return tuple(path.relative_to(home).as_posix() for path in _parquet_files(home) if path not in used)


def has_shards(folder: Path) -> bool:
    """Return whether any of the folders searched for splits contains Parquet files."""
    return bool(_homes(folder)) or any(_visible(place) for place in (folder, folder / "data"))


def count_rows(folder: Path) -> int:
    """Return the number of rows of all files of all splits, from their footers.

    Raises:
        ValueError: no such files, or one is not a Parquet file.
    """
    return sum(row_count(path) for paths in find_shards(folder).values() for path in paths)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))


def _parquet_files(home: Path) -> list[Path]:
    """Return the files in a folder and in its direct subfolders."""
    return [path for place in (home, *_folders(home)) for path in _visible(place)]


def _folders(folder: Path) -> list[Path]:
    return sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))


def _split_of(path: Path, home: Path) -> tuple[str, str] | None:
    """Return a file's split and its spelling in the name of the file or folder; None if it belongs to no split."""
    found = _NAME.fullmatch(path.stem) if path.parent == home else _FOLDER.fullmatch(path.parent.name)
    return None if found is None else (_SPLIT_OF[found["spelling"].casefold()], found["spelling"])


def _homes(folder: Path) -> list[Path]:
    """Return the folders that contain split files: the folder and its direct subfolders, except those of splits."""
    below = [place for place in _folders(folder) if not _FOLDER.fullmatch(place.name)]
    return [place for place in (folder, *below) if any(_split_of(path, place) for path in _parquet_files(place))]


def _home(folder: Path) -> Path:
    if not folder.is_dir():
        raise ValueError(f"data.source.path: {folder} is not a folder")
    homes = _homes(folder)
    if len(homes) > 1:
        names = ", ".join(str(home) for home in homes)
        raise ValueError(
            f"data.source.path: {folder} has splits in {len(homes)} places ({names}); keep one, or give the path of one"
        )
    if homes:
        return homes[0]
    place = next((place for place in (folder, folder / "data") if _visible(place)), None)
    if place is None:
        raise ValueError(f"data.source.path: no *.parquet files in {folder} or {folder / 'data'}")
    return place


def _splits_of(home: Path) -> dict[str, tuple[Path, ...]]:
    files: dict[str, dict[str, list[Path]]] = {split: defaultdict(list) for split in SPLITS}
    present = _parquet_files(home)
    for path in present:
        belongs = _split_of(path, home)
        if belongs is not None:
            split, spelling = belongs
            files[split][spelling].append(path)
    return {split: _shards_of(home, split, spelt, present) for split, spelt in files.items()}


def _shards_of(home: Path, split: str, spelt: dict[str, list[Path]], present: Sequence[Path]) -> tuple[Path, ...]:
    if not spelt:
        found = ", ".join(path.relative_to(home).as_posix() for path in present)
        wanted = " or ".join(f"{name}-*.parquet" for name in SPLIT_SPELLINGS[split])
        raise ValueError(f"{home}: split {split!r} has no file: expected {wanted}, found {found}")
    if len(spelt) > 1:
        names = ", ".join(path.relative_to(home).as_posix() for paths in spelt.values() for path in paths)
        raise ValueError(
            f"{home}: split {split!r} must have one spelling, found files of {' and '.join(spelt)}: {names}; "
            "keep one set"
        )
    ((spelling, paths),) = spelt.items()
    places = {path.parent for path in paths}
    if len(places) > 1:
        names = ", ".join(path.relative_to(home).as_posix() for path in paths)
        raise ValueError(f"{home}: split {split!r} mixes files of different sets of shards: {names}; keep one set")
    stems = {path: path.stem[len(spelling) :] if path.parent == home else path.stem for path in paths}
    check_complete(home, split, stems)
    return tuple(sorted(paths, key=lambda path: shard_order(stems[path])))
