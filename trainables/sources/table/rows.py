"""Converts the rows of a CSV file to image names, labels and splits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainables.foundation.errors import error_context
from trainables.foundation.registry import nearest
from trainables.sources.reading.cells import (
    CellRule,
    LabelledColumn,
    label_cells,
    label_value,
    one_value_cells,
    split_cells,
    split_task,
)
from trainables.sources.reading.image_files import FolderFiles
from trainables.sources.reading.listing import Listing, SplitListing
from trainables.sources.reading.missing import MissingValues
from trainables.sources.reading.own_split import draw_split
from trainables.sources.reading.text_files import TextTable, read_table, refuse_duplicates
from trainables.sources.source import SPLIT_SPELLINGS, SPLITS
from trainables.sources.table.columns import image_columns
from trainables.sources.table.keys import TableKeys

_SPLIT_OF = {spelling: split for split, spellings in SPLIT_SPELLINGS.items() for spelling in spellings}


def read_rows(source: TableKeys, tasks: tuple[str, ...], data_seed: int, files: FolderFiles) -> Listing:
    """Return the images of a table.

    Args:
        source: the keys of the study file.
        tasks: columns, or ``column=value``.
        data_seed: draws the split if the table has none.
        files: checks that no path leaves the image folder.

    Raises:
        ValueError: a column is missing, a path leaves the image folder, an image appears twice, or a value breaks its
            rule; the message gives file, line, value and rule.
    """
    table = read_table(source.path, source.delimiter)
    names = _image_names(source, table, files)
    for column in source.labels:
        table.column(column)
    columns, notes = [], []
    for task in tasks:
        column, value = split_task(task, source.tasks_of(table))
        missing = _missing_in(source, column)
        if value is not None:
            missing.refuse_as_value(task, value)
        columns.append(_label(source, table, task, missing))
        notes.append(missing.note(column))
    labels = np.stack([column.labels for column in columns], axis=1)
    splits, split_notes = _splits(source, table, data_seed, names)
    parts = {}
    for split in SPLITS:
        rows = np.flatnonzero(splits == split)
        lines = tuple(table.lines[row] for row in rows)
        parts[split] = SplitListing(tuple(names[row] for row in rows), lines, labels[rows])
    classes = {task: column.classes for task, column in zip(tasks, columns, strict=True)}
    return Listing(
        source.path.name, classes, parts, tuple(dict.fromkeys(note for note in (*notes, *split_notes) if note))
    )


def _missing_in(source: TableKeys, column: str) -> MissingValues:
    """Return the missing-value markers of a column; a word in its ``order`` is a value."""
    order = source.labels[column].order if column in source.labels else ()
    return MissingValues([word for word in source.missing if word not in order])


def _image_names(source: TableKeys, table: TextTable, files: FolderFiles) -> list[str]:
    column, missing = source.image_column, MissingValues(source.missing)
    if column not in table.columns:
        found = image_columns(table)
        hint = f"the values of {' and '.join(map(repr, found))} look like image file names" if found else ""
        rest = f"; {hint}" if hint else table.hint or f"; it has {', '.join(table.columns)}"
        raise ValueError(f"data.source.image_column: {table.file} has no column {column!r}{rest}")
    names = []
    for row, name in enumerate(table.column(column)):
        if not missing.values([name]):
            raise ValueError(f"{table.row(row)}, column {column!r}: each row must name an image, got {name!r}")
        try:
            names.append(files.normalised(name))
            files.path_of(names[-1])
        except ValueError as error:
            raise ValueError(f"{table.row(row)}: {error}") from error
    refuse_duplicates(files.one_spelling(names), table.lines, table.file)
    return names


def _label(source: TableKeys, table: TextTable, task: str, missing: MissingValues) -> LabelledColumn:
    known = source.tasks_of(table)
    column, value = split_task(task, known)
    if column not in known:
        raise ValueError(f"{table.file}: no column for task {task!r}{table.hint or nearest(column, known)}")
    given = source.labels.get(column)
    cells = table.column(column)
    rule = CellRule() if given is None else CellRule(**given.model_dump())
    if value is not None or rule.kind == "multi_label":
        values = split_cells(cells, rule.separator, missing)
    else:
        values = one_value_cells(cells, missing)
    if value is not None:
        return label_value(values, value, task, rule)
    return label_cells(values, rule, lambda row: f"{table.row(row)}, column {column!r}")


def _splits(
    source: TableKeys, table: TextTable, data_seed: int, names: Sequence[str]
) -> tuple[NDArray[np.str_], tuple[str | None, ...]]:
    """Return the split (N,) of each image, and notes on how it was drawn."""
    name = source.split_column or ("split" if "split" in table.columns else None)
    if name is None:
        return _drawn(source, table, data_seed, names)
    cells = table.column(name)
    for row, cell in enumerate(cells):
        if cell.casefold() not in _SPLIT_OF:
            rule = "must be train, validation (valid, val, dev) or test"
            raise ValueError(f"{table.row(row)}, column {name!r}: {rule}, got {cell!r}{nearest(cell, _SPLIT_OF)}")
    return np.array([_SPLIT_OF[cell.casefold()] for cell in cells]), ()


def _drawn(
    source: TableKeys, table: TextTable, data_seed: int, names: Sequence[str]
) -> tuple[NDArray[np.str_], tuple[str | None, ...]]:
    """Draw the split. An image without a value in the group column forms its own group."""
    groups: list[str] = list(names)
    notes: list[str | None] = []
    if source.group_column is not None:
        missing = MissingValues(source.missing)
        cells = one_value_cells(table.column(source.group_column), missing)
        # A file name contains no NUL, so no group's name equals that of a single image.
        groups = [cell[0] if cell else f"\0{image}" for cell, image in zip(cells, names, strict=True)]
        alone = sum(not cell for cell in cells)
        if alone:
            notes.append(f"column {source.group_column!r}: {alone:,} images have no group; each forms its own")
        notes.append(missing.note(source.group_column))
    with error_context(str(table.file)):
        return draw_split(groups, data_seed, source.shares), tuple(notes)
