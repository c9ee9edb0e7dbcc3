"""From the rows of a CSV file to names, labels and splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainables.data.cells import (
    CellRule,
    LabelledColumn,
    label_cells,
    label_value,
    one_value_cells,
    split_cells,
    split_task,
)
from trainables.data.image_files import FolderFiles
from trainables.data.listing import Listing, SplitListing
from trainables.data.own_split import draw_split
from trainables.data.source import SPLITS
from trainables.data.text_files import TextTable, read_table, refuse_duplicates
from trainables.names import nearest

if TYPE_CHECKING:
    from trainables.data.table import TableImages

_SPLIT_OF = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}


def read_rows(source: TableImages, tasks: tuple[str, ...], data_seed: int, files: FolderFiles) -> Listing:
    """Return the images of a table.

    Args:
        source: the keys of the study file.
        tasks: columns, or ``column=value``.
        data_seed: draws the split where the table has none.
        files: checks that no path leads out of the folder of images.

    Raises:
        ValueError: a column is missing, a path leads out, an image is there twice, a value breaks its rule; names file,
            line, value and rule.
    """
    table = read_table(source.path, source.delimiter)
    names = table.column(source.image_column)
    refuse_duplicates(names, range(2, len(names) + 2), source.path)
    for row, name in enumerate(names):
        try:
            files.path_of(name)
        except ValueError as error:
            raise ValueError(f"{table.row(row)}: {error}") from error
    for column in source.labels:
        table.column(column)
    columns = [_label(source, table, task) for task in tasks]
    labels = np.stack([column.labels for column in columns], axis=1)
    splits = _splits(source, table, data_seed)
    parts = {}
    for split in SPLITS:
        rows = np.flatnonzero(splits == split)
        parts[split] = SplitListing(tuple(names[row] for row in rows), rows, labels[rows])
    classes = {task: column.classes for task, column in zip(tasks, columns, strict=True)}
    return Listing(source.path.name, classes, parts)


def _label(source: TableImages, table: TextTable, task: str) -> LabelledColumn:
    known = source.known_tasks()
    column, value = split_task(task, known)
    if column not in known:
        raise ValueError(f"{table.file}: no column for task {task!r}{nearest(column, known)}")
    given = source.labels.get(column)
    cells = table.column(column)
    if value is not None or (given is not None and given.kind == "multi_label"):
        values = split_cells(cells, given.separator if given else ";", source.missing)
    else:
        values = one_value_cells(cells, source.missing)
    if value is not None:
        return label_value(values, value, task)
    fields = {} if given is None else given.model_dump()
    return label_cells(values, CellRule(**fields), lambda row: f"{table.row(row)}, column {column!r}")


def _splits(source: TableImages, table: TextTable, data_seed: int) -> NDArray[np.str_]:
    name = source.split_column or ("split" if "split" in table.columns else None)
    if name is None:
        groups = table.column(source.group_column or source.image_column)
        try:
            return draw_split(groups, data_seed, source.shares)
        except ValueError as error:
            raise ValueError(f"{table.file}: {error}") from error
    cells = table.column(name)
    for row, cell in enumerate(cells):
        if cell not in _SPLIT_OF:
            rule = "must be train, validation (val, valid) or test"
            raise ValueError(f"{table.row(row)}, column {name!r}: {rule}, got {cell!r}{nearest(cell, _SPLIT_OF)}")
    return np.array([_SPLIT_OF[cell] for cell in cells])
