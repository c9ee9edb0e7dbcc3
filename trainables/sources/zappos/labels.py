"""Tasks and labels from the UT-Zappos50K tables."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

import numpy as np

from trainables.foundation.registry import nearest
from trainables.sources.reading.cells import (
    NO_YES,
    CellRule,
    LabelledColumn,
    MultiValued,
    label_cells,
    label_value,
    split_cells,
    split_task,
)
from trainables.sources.reading.missing import MissingValues
from trainables.sources.reading.text_files import TextTable, read_table, refuse_duplicates
from trainables.sources.source import UNLABELLED
from trainables.sources.zappos.csn_triplets import CONDITIONS
from trainables.sources.zappos.layout import META_DATA, META_DATA_BINARY, find_file

HEEL = "HeelHeight"
_SEPARATOR = ";"
_INCHES = re.compile(
    r"(?P<under>under\s+)?(?P<whole>\d+(?:\.\d+)?)(?:\s+(?P<top>\d+)/(?P<bottom>\d+))?\s*in\b", re.IGNORECASE
)


def inches(value: str) -> float:
    """Return a heel's minimum height in inches: ``Flat`` 0, ``Under 1in`` 0.5, ``1in - 1 3/4in`` 1, ``5in & over`` 5.

    Raises:
        ValueError: the value gives no height.
    """
    if value.strip().casefold() == "flat":
        return 0.0
    found = _INCHES.match(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not a height in inches")
    height = float(found["whole"]) + (int(found["top"]) / int(found["bottom"]) if found["top"] else 0.0)
    return height / 2 if found["under"] else height


class ZapposLabels:
    """Labels by CID, from ``meta-data.csv`` and ``meta-data-bin.csv``; an empty cell is unlabelled.

    Args:
        root: the folder of the data set.
        multi_valued: how to treat a cell with several values (``cells.CellRule``).
        heel_bins: bin edges in inches.
        optional: tasks that do not require ``meta-data.csv``, because they come with triplets.
    """

    def __init__(
        self, root: Path, multi_valued: MultiValued, heel_bins: tuple[float, ...], optional: Collection[str]
    ) -> None:
        self._root = root
        self._rule = CellRule("multi_label", multi_valued)
        self._heel = CellRule("ordinal", multi_valued, bins=heel_bins, number=inches)
        self._optional = optional

    @cached_property
    def table(self) -> TextTable | None:
        """``meta-data.csv``, None if it is missing."""
        return self._read(META_DATA)

    @cached_property
    def _binary(self) -> TextTable | None:
        return self._read(META_DATA_BINARY)

    def listing(self) -> TextTable:
        """Return the table whose first column lists every CID.

        Raises:
            ValueError: there is no such table.
        """
        table = self.table or self._binary
        if table is None:
            raise ValueError(f"{self._root}: no {META_DATA}; looked for it there, in ut-zap50k-data/ and in data/")
        return table

    def label(self, task: str, cids: list[str]) -> LabelledColumn:
        """Return the labels of images; an image that is not in the table is unlabelled.

        Raises:
            ValueError: no such task, or a value that cannot be parsed.
        """
        columns = list(self.table.columns)[1:] if self.table else []
        column, value = split_task(task, [*CONDITIONS, *columns])
        column = CONDITIONS.get(column, column)
        if column in columns and self.table:
            return _pick(self.table, self._label(self.table, column, value, task), cids)
        if self._binary and task in list(self._binary.columns)[1:]:
            return _pick(self._binary, _label_binary(self._binary, task), cids)
        if task in self._optional:
            return LabelledColumn((), np.full(len(cids), UNLABELLED, dtype=np.int64))
        if not self.table and not self._binary:
            self.listing()
        binary = list(self._binary.columns)[1:] if self._binary else []
        known = [*CONDITIONS, *columns, *binary]
        raise ValueError(f"data.tasks: UT-Zappos50K has no task {task!r}{nearest(task, known)}")

    def _label(self, table: TextTable, column: str, value: str | None, task: str) -> LabelledColumn:
        cells = split_cells(table.column(column), _SEPARATOR, MissingValues(()))
        if value is not None:
            return label_value(cells, value, task, self._rule)
        rule = self._heel if column == HEEL else self._rule
        return label_cells(cells, rule, lambda row: f"{table.row(row)}, column {column!r}")

    def _read(self, name: str) -> TextTable | None:
        path = find_file(self._root, name)
        if path is None:
            return None
        table = read_table(path)
        refuse_duplicates(next(iter(table.columns.values())), table.lines, path)
        return table


def _label_binary(table: TextTable, task: str) -> LabelledColumn:
    cells = table.column(task)
    for row, cell in enumerate(cells):
        if cell not in ("0", "1", ""):
            raise ValueError(f"{table.row(row)}, column {task!r}: must be 0 or 1, got {cell!r}")
    return LabelledColumn(NO_YES, np.array([int(cell) if cell else UNLABELLED for cell in cells], dtype=np.int64))


def _pick(table: TextTable, found: LabelledColumn, cids: list[str]) -> LabelledColumn:
    row_of = {cid: row for row, cid in enumerate(next(iter(table.columns.values())))}
    rows = [row_of.get(cid) for cid in cids]
    labels = [UNLABELLED if row is None else int(found.labels[row]) for row in rows]
    return LabelledColumn(found.classes, np.array(labels, dtype=np.int64))
