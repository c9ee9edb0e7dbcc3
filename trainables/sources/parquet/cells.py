"""Parquet columns of text or lists, whose values determine the classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from trainables.sources.parquet.files import read_columns
from trainables.sources.reading.cells import CellRule, LabelledColumn, label_cells, label_value, split_task
from trainables.sources.reading.missing import MissingValues

Cell = tuple[str, ...]
_RULE = CellRule("multi_label")


def label_shards(
    paths: list[Path], task: str, names: Mapping[str, tuple[str, ...] | None], missing: MissingValues
) -> LabelledColumn:
    """Return classes and labels of a task over all files, so that a class has the same index in each.

    Args:
        paths: the files.
        task: a column, or ``column=value`` for the binary task "does the cell contain this value?".
        names: class names by column, if the file stores integers for them.
        missing: the texts that mark a missing value.

    Raises:
        ValueError: a file cannot be read, an integer has no name, or no cell contains the value.
    """
    column, value = split_task(task, list(names))
    if value is not None and names[column] is None:  # a name declared by the file is always a value
        missing.refuse_as_value(task, value)
    cells = [cell for path in paths for cell in _read_cells(path, column, names[column], missing)]
    if value is not None:
        return label_value(cells, value, task, _RULE)
    return label_cells(cells, _RULE, lambda row: f"column {column!r}, row {row}")


def _read_cells(path: Path, column: str, names: tuple[str, ...] | None, missing: MissingValues) -> list[Cell]:
    cells = []
    for row, entry in enumerate(read_columns(path, [column]).column(column).to_pylist()):
        entries = entry if isinstance(entry, list) else [entry]
        try:
            cells.append(tuple(text for value in entries for text in _texts(value, names, missing)))
        except ValueError as error:
            raise ValueError(f"{path}: column {column!r}, row {row}: {error}") from error
    return cells


def _texts(value: Any, names: tuple[str, ...] | None, missing: MissingValues) -> Cell:
    """Return a value as text; nothing if it is unlabelled: null, NaN, -1 or a missing-value marker."""
    if isinstance(value, str):
        return missing.values([value])
    if value is None or value == -1 or (isinstance(value, float | Decimal) and math.isnan(value)):
        return ()
    if isinstance(value, bool) and names is None:
        return (str(value).lower(),)
    if math.isinf(value) or value != int(value):
        raise ValueError(f"labels must be integers, got {value}")
    if names is None:
        return (str(int(value)),)
    if not 0 <= int(value) < len(names):
        raise ValueError(f"labels must be -1 (unlabelled) to {len(names) - 1}, got {value}")
    return (names[int(value)],)


def rows_of(labels: np.ndarray[Any, np.dtype[np.int64]], counts: Mapping[Path, int], wanted: tuple[Path, ...]) -> Any:
    """Return the part of ``labels`` (all files, in the order of ``counts``) that belongs to the given files."""
    ends = np.cumsum(list(counts.values()))
    starts = dict(zip(counts, np.concatenate(([0], ends[:-1])), strict=True))
    return np.concatenate([labels[starts[path] : starts[path] + counts[path]] for path in wanted])
