"""The three CelebA lists: attributes, partition and identities, as columns of text or as CSV."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.sources.reading.text_files import read_lines, read_table, refuse_duplicates
from trainables.sources.source import SPLITS

_LABEL_OF = {"1": 1, "-1": 0}


@dataclass(frozen=True)
class AttributeList:
    """The images in list order, the line of each, and their attributes (N, A), 0 or 1."""

    images: tuple[str, ...]
    lines: tuple[int, ...]
    attributes: tuple[str, ...]
    values: NDArray[np.int8]


def read_attributes(path: Path) -> AttributeList:
    """Return the attributes of all images; each process reads an unchanged file only once.

    The official list has the number of images, the attribute names, then one line per image: its name and a 1 or -1
    per attribute.

    Raises:
        ValueError: the count is wrong, a value is neither 1 nor -1, a line has the wrong number of values, or an image
            appears twice; the message gives file and line.
    """
    status = path.stat()
    return _read_attributes(path, status.st_size, status.st_mtime_ns)


def attribute_names(path: Path) -> tuple[str, ...]:
    """Return the names of the attributes."""
    return read_attributes(path).attributes


@functools.lru_cache(maxsize=2)
def _read_attributes(path: Path, _size: int, _changed: int) -> AttributeList:
    names, images, cells, lines = _csv_rows(path) if path.suffix == ".csv" else _text_rows(path)
    values = np.empty((len(cells), len(names)), dtype=np.int8)
    for row, found in enumerate(cells):
        if len(found) != len(names):
            raise ValueError(f"{path}, line {lines[row]}: expected {len(names)} attributes, got {len(found)}")
        try:
            values[row] = [_LABEL_OF[cell] for cell in found]
        except KeyError as error:
            wrong = names[found.index(str(error.args[0]))]
            message = f"{path}, line {lines[row]}: attribute {wrong!r} must be 1 or -1, got {error.args[0]!r}"
            raise ValueError(message) from error
    refuse_duplicates(images, lines, path)
    return AttributeList(tuple(images), tuple(lines), names, values)


def _text_rows(path: Path) -> tuple[tuple[str, ...], list[str], list[list[str]], Sequence[int]]:
    lines = read_lines(path)
    if len(lines) < 3 or not lines[0].strip().isdecimal():
        raise ValueError(
            f"{path}, line 1: expected the number of images, then attribute names, then images, got {lines[0][:40]!r}"
        )
    counted, rows = int(lines[0]), [line.split() for line in lines[2:]]
    if counted != len(rows):
        raise ValueError(f"{path}, line 1: announces {counted} images, but {len(rows)} follow; download the file again")
    for row, cells in enumerate(rows):
        if not cells:
            raise ValueError(f"{path}, line {row + 3}: empty; expected an image and its attributes")
    return tuple(lines[1].split()), [cells[0] for cells in rows], [cells[1:] for cells in rows], range(3, 3 + len(rows))


def _csv_rows(path: Path) -> tuple[tuple[str, ...], list[str], list[list[str]], Sequence[int]]:
    table = read_table(path)
    image, *names = table.columns
    rows = [list(cells) for cells in zip(*(table.columns[name] for name in names), strict=True)]
    return tuple(names), table.columns[image], rows, table.lines


def read_partition(path: Path, images: Sequence[str]) -> NDArray[np.str_]:
    """Return the official split (N,) of each image: 0 train, 1 validation, 2 test.

    Raises:
        ValueError: an image has no split, or a flag has another value; the message gives file and line.
    """
    flags = _read_pairs(path, images, "an image and 0, 1 or 2")
    known = {str(index): split for index, split in enumerate(SPLITS)}
    for row, (flag, line) in enumerate(flags):
        if flag not in known:
            rule = "the partition must be 0 (train), 1 (validation) or 2 (test)"
            raise ValueError(f"{path}, line {line}: {rule}, got {flag!r} for {images[row]!r}")
    return np.array([known[flag] for flag, _ in flags])


def read_identities(path: Path, images: Sequence[str]) -> list[str]:
    """Return the identity of each image.

    Raises:
        ValueError: an image has no identity, or one that is not a number; the message gives file and line.
    """
    found = _read_pairs(path, images, "an image and its identity")
    for flag, line in found:
        if not flag.isdecimal():
            raise ValueError(f"{path}, line {line}: an identity must be a whole number, got {flag!r}")
    return [flag for flag, _ in found]


def _read_pairs(path: Path, images: Sequence[str], rule: str) -> list[tuple[str, int]]:
    """Return the second word of each image's line, and the line number."""
    if path.suffix == ".csv":
        table = read_table(path)
        if len(table.columns) != 2:
            raise ValueError(f"{path}, line 1: expected two columns ({rule}), got {list(table.columns)}")
        pairs, lines = [list(cells) for cells in zip(*table.columns.values(), strict=True)], table.lines
    else:
        pairs = [line.split() for line in read_lines(path)]
        lines = tuple(range(1, len(pairs) + 1))
    for row, pair in enumerate(pairs):
        if len(pair) != 2:
            raise ValueError(f"{path}, line {lines[row]}: expected {rule}, got {' '.join(pair)[:60]!r}")
    names = [pair[0] for pair in pairs]
    refuse_duplicates(names, lines, path)
    row_of = {name: row for row, name in enumerate(names)}
    missing = [name for name in images if name not in row_of]
    if missing or len(names) != len(images):
        odd = missing[0] if missing else next(iter(set(names) - set(images)))
        raise ValueError(
            f"{path}: must list the {len(images)} images with attributes, got {len(names)}; {odd!r} is in one only"
        )
    return [(pairs[row_of[name]][1], lines[row_of[name]]) for name in images]
