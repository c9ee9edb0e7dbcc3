"""Which Parquet files of a folder make up which split."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.data.source import SPLITS

_SPELLINGS = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
_SHARD = re.compile(r"-(?P<index>\d+)-of-(?P<count>\d+)$")


def find_shards(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return the files of every split in shard order: ``train-*.parquet`` or ``train.parquet``, here or in ``data/``.

    Raises:
        ValueError: no such folder, a split without files or under two spellings, or a missing shard.
    """
    if not folder.is_dir():
        raise ValueError(f"data.source.path: {folder} is not a folder")
    home = next((place for place in (folder, folder / "data") if any(place.glob("*.parquet"))), None)
    if home is None:
        raise ValueError(f"data.source.path: no *.parquet files in {folder} or {folder / 'data'}")
    return {split: _shards_of(home, split) for split in SPLITS}


def _shards_of(home: Path, split: str) -> tuple[Path, ...]:
    found = {name: _files(home, name) for name in _SPELLINGS[split] if _files(home, name)}
    if not found:
        present = ", ".join(sorted(path.name for path in home.glob("*.parquet")))
        wanted = " or ".join(f"{name}-*.parquet" for name in _SPELLINGS[split])
        raise ValueError(f"{home}: split {split!r} has no file: expected {wanted}, found {present}")
    if len(found) > 1:
        raise ValueError(f"{home}: split {split!r} must be spelt one way, found files of {' and '.join(found)}")
    (paths,) = found.values()
    _check_complete(home, split, paths)
    return paths


def _files(home: Path, name: str) -> tuple[Path, ...]:
    return tuple(sorted([*home.glob(f"{name}.parquet"), *home.glob(f"{name}-*.parquet")]))


def _check_complete(home: Path, split: str, paths: tuple[Path, ...]) -> None:
    """Refuse a half-downloaded split: the names say how many shards there must be."""
    numbered = [match for path in paths if (match := _SHARD.search(path.stem))]
    counts = sorted({int(match["count"]) for match in numbered})
    if not counts:
        return
    if len(counts) > 1 or len(numbered) != len(paths):
        names = ", ".join(path.name for path in paths)
        raise ValueError(f"{home}: split {split!r} mixes files of different sets of shards: {names}")
    missing = sorted(set(range(counts[0])) - {int(match["index"]) for match in numbered})
    if missing:
        raise ValueError(f"{home}: split {split!r} must have {counts[0]} shards, missing: {missing[:10]}")


def count_rows(folder: Path) -> int:
    """Return the rows of all files of all splits, from their footers.

    Raises:
        ValueError: no such files, or one that is no Parquet file.
    """
    total = 0
    for path in (path for paths in find_shards(folder).values() for path in paths):
        try:
            total += int(pq.read_metadata(path).num_rows)
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(f"{path}: not a readable Parquet file: {error}") from error
    return total
