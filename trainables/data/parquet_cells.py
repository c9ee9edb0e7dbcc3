"""Columns of a Parquet file that hold text, or lists of values: cells that become classes by their values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainables.data.cells import CellRule, LabelledColumn, label_cells, label_value, split_task

Cell = tuple[str, ...]


def is_cell_type(kind: Any) -> bool:
    """Return whether a column's values are text, or lists of text, integers or booleans."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_value(kind.value_type)
    return _is_text(kind)


def label_shards(paths: list[Path], task: str, names: Mapping[str, tuple[str, ...] | None]) -> LabelledColumn:
    """Return classes and labels of a task over all files, so that a class has one index everywhere.

    Args:
        paths: the files.
        task: a column, or ``column=value`` for the binary task "does the cell hold this value".
        names: class names by column, where the file stores integers for them.

    Raises:
        ValueError: a file cannot be read, an integer has no name, or no cell holds the value.
    """
    column, value = split_task(task, list(names))
    cells = [cell for path in paths for cell in _read_cells(path, column, names[column])]
    if value is not None:
        return label_value(cells, value, task)
    return label_cells(cells, CellRule("multi_label"), lambda row: f"column {column!r}, row {row}")


def _is_text(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_value(kind: Any) -> bool:
    return _is_text(kind) or bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind))


def _read_cells(path: Path, column: str, names: tuple[str, ...] | None) -> list[Cell]:
    try:
        with pq.ParquetFile(path) as file:
            found = file.read(columns=[column]).column(0).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: column {column!r} cannot be read: {error}") from error
    return [_cell(entry, names, f"{path}: column {column!r}, row {row}") for row, entry in enumerate(found)]


def _cell(entry: Any, names: tuple[str, ...] | None, where: str) -> Cell:
    values = entry if isinstance(entry, list) else [entry]
    return tuple(text for value in values if (text := _text(value, names, where)) is not None)


def _text(value: Any, names: tuple[str, ...] | None, where: str) -> str | None:
    """Return a value as text; None for what means "not labelled": null, -1 and empty text."""
    if value is None or value in ("", -1):
        return None
    if isinstance(value, str):
        return value
    if names is None:
        return str(value).lower() if isinstance(value, bool) else str(value)
    if not 0 <= int(value) < len(names):
        raise ValueError(f"{where}: labels must be -1 (unlabelled) to {len(names) - 1}, got {value}")
    return names[int(value)]


def rows_of(labels: np.ndarray[Any, np.dtype[np.int64]], counts: Mapping[Path, int], wanted: tuple[Path, ...]) -> Any:
    """Return the part of ``labels`` (all files in the order of ``counts``) that belongs to the wanted files."""
    ends = np.cumsum(list(counts.values()))
    starts = dict(zip(counts, np.concatenate(([0], ends[:-1])), strict=True))
    return np.concatenate([labels[starts[path] : starts[path] + counts[path]] for path in wanted])
