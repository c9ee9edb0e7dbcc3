"""Maps text cells to classes: single values, several values, ordered numbers, and missing values."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trainables.foundation.registry import nearest
from trainables.sources.reading.missing import MissingValues
from trainables.sources.source import UNLABELLED, Labels

CellKind = Literal["class", "multi_label", "ordinal"]
MultiValued = Literal["combination", "first", "unlabelled"]
Cells = Sequence[Sequence[str]]
"""The values of each cell: none if unlabelled, possibly several."""

NO_YES = ("no", "yes")


def plain_number(text: str) -> float:
    """Return the number in a cell.

    Raises:
        ValueError: the text is not a number, or not a finite one.
    """
    number = float(text)
    if not math.isfinite(number) or "_" in text:  # only Python separates digits by "_"
        raise ValueError(f"{text!r} is not a finite number")
    return number


@dataclass(frozen=True)
class CellRule:
    """How the cells of a column map to classes.

    Attributes:
        kind: ``class`` takes values unchanged; ``multi_label`` cells may hold several; ``ordinal`` values are ordered.
        multi_valued: how to treat a cell with several values: as a separate class (the sorted values joined), as its
            first value, or as unlabelled. An ordinal cell with several values is unlabelled, unless ``first``.
        separator: joins the values of a combination.
        order: the classes of an ordinal task in increasing order; empty sorts by number.
        bins: edges of an ordinal task; values from one edge up to, but not including, the next form one class.
        number: parses a value of an ordinal task.
    """

    kind: CellKind = "class"
    multi_valued: MultiValued = "combination"
    separator: str = ";"
    order: tuple[str, ...] = ()
    bins: tuple[float, ...] = ()
    number: Callable[[str], float] = plain_number


@dataclass(frozen=True)
class LabelledColumn:
    """The classes of a task and the label (N,) of each cell."""

    classes: tuple[str, ...]
    labels: Labels


def split_task(task: str, columns: Sequence[str]) -> tuple[str, str | None]:
    """Return the column of a task, and the value if the task has the form ``Column=Value``."""
    if task in columns or "=" not in task:
        return task, None
    column, _, value = task.partition("=")
    return column, value


def split_cells(cells: Sequence[str], separator: str, missing: MissingValues) -> list[tuple[str, ...]]:
    """Return the values of each cell without those that mark a missing value."""
    return [missing.values(cell.split(separator)) for cell in cells]


def one_value_cells(cells: Sequence[str], missing: MissingValues) -> list[tuple[str, ...]]:
    """Return each cell as one value, without splitting it."""
    return [missing.values([cell]) for cell in cells]


def label_cells(cells: Cells, rule: CellRule, where: Callable[[int], str]) -> LabelledColumn:
    """Return classes and labels of a column.

    Args:
        cells: the values of each cell.
        rule: how they map to classes.
        where: returns the location of a cell, for messages.

    Raises:
        ValueError: a value of an ordinal task is not a number, or not in the given order.
    """
    if rule.kind == "ordinal":
        return _label_ordinal(_join_equal_numbers(cells, rule), rule, where)
    values = [_joined(cell, rule) for cell in cells]
    classes = tuple(sorted({value for value in values if value is not None}, key=_class_order))
    return LabelledColumn(classes, _indices(values, classes))


def label_value(cells: Cells, value: str, task: str, rule: CellRule) -> LabelledColumn:
    """Return the binary task "does the cell contain ``value``?"; an empty cell is unlabelled.

    Raises:
        ValueError: no cell contains it; the message suggests the nearest value.
    """
    if rule.kind == "ordinal":
        *cells, (value,) = _join_equal_numbers([*cells, (value,)], rule)
    known = sorted({found for cell in cells for found in cell}, key=_class_order)
    if value not in known:
        raise ValueError(f"data.tasks: {task!r}: no cell contains {value!r}{nearest(value, known)}")
    labels = [int(value in cell) if cell else UNLABELLED for cell in cells]
    return LabelledColumn(NO_YES, np.array(labels, dtype=np.int64))


def _join_equal_numbers(cells: Cells, rule: CellRule) -> list[tuple[str, ...]]:
    """Return the cells with one spelling per number: the one in ``order``, otherwise the shortest one found."""
    met = sorted({value for cell in cells for value in cell}, key=lambda value: (len(value), value))
    spelling: dict[float, str] = {}
    numbers: dict[str, float] = {}
    for value in (*rule.order, *met):
        with contextlib.suppress(ValueError):  # a word in the order, or an invalid value that labelling reports
            numbers[value] = rule.number(value)
            spelling.setdefault(numbers[value], value)
    return [tuple(spelling[numbers[value]] if value in numbers else value for value in cell) for cell in cells]


def _joined(cell: Sequence[str], rule: CellRule) -> str | None:
    if len(cell) <= 1:
        return cell[0] if cell else None
    if rule.multi_valued == "first":
        return cell[0]
    return rule.separator.join(sorted(set(cell))) if rule.multi_valued == "combination" else None


def _label_ordinal(cells: Cells, rule: CellRule, where: Callable[[int], str]) -> LabelledColumn:
    single = [cell[0] if len(cell) == 1 or (cell and rule.multi_valued == "first") else None for cell in cells]
    if rule.order:
        for row, value in enumerate(single):
            if value is not None and value not in rule.order:
                raise ValueError(f"{where(row)}: {value!r} is not in the given order{nearest(value, rule.order)}")
        return LabelledColumn(rule.order, _indices(single, rule.order))
    numbers = [None if value is None else _number(value, rule, where(row)) for row, value in enumerate(single)]
    if rule.bins:
        edges = np.array(rule.bins)
        labels = [UNLABELLED if number is None else int(np.searchsorted(edges, number, "right")) for number in numbers]
        return LabelledColumn(_bin_names(rule.bins), np.array(labels, dtype=np.int64))
    rising = sorted({(number, value) for number, value in zip(numbers, single, strict=True) if number is not None})
    classes = tuple(str(value) for _, value in rising)
    return LabelledColumn(classes, _indices(single, classes))


def _number(value: str, rule: CellRule, where: str) -> float:
    try:
        return rule.number(value)
    except ValueError as error:
        raise ValueError(f"{where}: the values of an ordinal task must be numbers, got {value!r}") from error


def _bin_names(edges: Sequence[float]) -> tuple[str, ...]:
    middle = (f"{low:g} to below {high:g}" for low, high in itertools.pairwise(edges))
    return (f"below {edges[0]:g}", *middle, f"{edges[-1]:g} and above")


def _indices(values: Sequence[str | None], classes: Sequence[str]) -> Labels:
    index_of = {name: index for index, name in enumerate(classes)}
    return np.array([UNLABELLED if value is None else index_of[value] for value in values], dtype=np.int64)


def _class_order(name: str) -> tuple[bool, float, str]:
    """Sort numbers by value, followed by all other names alphabetically."""
    try:
        return False, plain_number(name), name
    except ValueError:
        return True, 0.0, name
