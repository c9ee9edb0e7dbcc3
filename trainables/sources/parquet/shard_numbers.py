"""Checks the numbers in shard names: whether shards are missing or duplicated."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

_COUNTED = re.compile(r"(?P<series>.*?)(?P<index>\d+)-of-(?P<count>\d+)(?!\d)")
"""``-00000-of-00003``, with or without a hash after it; Hugging Face ``datasets`` gives each shard its own hash."""

_NUMBERED = re.compile(r"(?P<series>\D*)(?P<index>\d+)(-[0-9a-f]{8}[0-9a-f-]*(-c\d+)?(\.\w+)?)?")
"""``0000`` of the Hugging Face Hub's conversion, ``part-0`` of Arrow, ``part-00000-<uuid>-c000.snappy`` of Spark."""

_NAMED = 10


def check_complete(home: Path, split: str, names: Mapping[Path, str]) -> None:
    """Refuse a split with missing shards, or with two sets of shards.

    Args:
        home: the folder of the files.
        split: for messages.
        names: the part of each file name after the split.

    Raises:
        ValueError: the message lists the files, or the missing numbers.
    """
    counted = {path: found for path, name in names.items() if (found := _COUNTED.match(name))}
    numbered = {path: found for path, name in names.items() if (found := _NUMBERED.fullmatch(name))}
    if counted:
        counts = {int(found["count"]) for found in counted.values()}
        if len(counts) > 1 or len(counted) != len(names):
            raise _mixed(home, split, names)
        _check_numbers(home, split, counted, counts.pop())
    elif len(numbered) == len(names) > 1:
        _check_numbers(home, split, numbered, None)
    elif len(names) > 1 and not all(names.values()):  # ``train.parquet`` beside ``train-copy.parquet``
        raise _mixed(home, split, names)


def shard_order(name: str) -> tuple[str, int, str]:
    """Return a sort key that orders shards by number, not by digit."""
    found = _COUNTED.match(name) or _NUMBERED.fullmatch(name)
    return (found["series"], int(found["index"]), name) if found else (name, 0, name)


def _check_numbers(home: Path, split: str, found: Mapping[Path, re.Match[str]], count: int | None) -> None:
    files: dict[int, list[Path]] = defaultdict(list)
    for path, match in found.items():
        files[int(match["index"])].append(path)
    twice = [path for paths in files.values() if len(paths) > 1 for path in paths]
    if twice:
        raise ValueError(
            f"{home}: split {split!r} has duplicate shards, apparently from two sets: {_names(home, twice)}; "
            "keep one set"
        )
    if count is None:
        count = max(files) + 1 if min(files) == 0 else max(files)
        if min(files) > 1:  # for example years, or a subset of a larger set's numbers
            return
    wanted = set(range(1, count + 1)) if count in files else set(range(count))
    missing = sorted(wanted - set(files))
    if missing:
        raise ValueError(f"{home}: split {split!r} must have {count} shards, missing: {missing[:_NAMED]}")
    if set(files) - wanted:
        raise _mixed(home, split, found)


def _mixed(home: Path, split: str, paths: Mapping[Path, object]) -> ValueError:
    return ValueError(
        f"{home}: split {split!r} mixes files of different sets of shards: {_names(home, list(paths))}; keep one set"
    )


def _names(home: Path, paths: list[Path]) -> str:
    named = [path.relative_to(home).as_posix() for path in sorted(paths)]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
