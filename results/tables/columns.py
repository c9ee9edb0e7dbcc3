"""Columns of tables: name, type, unit, meaning, nullability and allowed values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import pyarrow as pa

ColumnType = Literal["string", "int32", "int64", "float64", "timestamp"]

_ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True)
class Formerly:
    """The name that a column had in files written before schema version ``until``."""

    name: str
    until: int


@dataclass(frozen=True)
class Column:
    """One column. ``unit`` is ``""`` for names and texts; ``allowed`` empty means any value.

    ``before``: the value implied for rows written before the column existed; None if unknown, in which case only a
    nullable column can be filled.

    ``formerly``: the column's name in files of an older version, where its present name may have meant another one.
    """

    name: str
    type: ColumnType
    unit: str
    meaning: str
    nullable: bool = False
    allowed: tuple[str, ...] = ()
    before: str | float | None = None
    formerly: Formerly | None = None

    def field(self) -> pa.Field:
        """Return the Arrow field, with ``unit``, ``meaning`` and ``allowed`` as its metadata."""
        metadata = {"unit": self.unit, "meaning": self.meaning}
        if self.allowed:
            metadata["allowed"] = ",".join(self.allowed)
        return pa.field(self.name, _ARROW_TYPES[self.type], nullable=self.nullable, metadata=metadata)


@dataclass(frozen=True)
class TableSpec:
    """One table: the meaning of a row, its columns in order, and the columns that form its key."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = field(default=())

    def column(self, name: str) -> Column:
        """Return the column with this name."""
        return next(column for column in self.columns if column.name == name)

    def schema(self, version: int) -> pa.Schema:
        """Return the Arrow schema with the table's name, meaning, key and the schema version as metadata."""
        metadata = {
            "table": self.name,
            "meaning": self.meaning,
            "key": ",".join(self.key),
            "schema_version": str(version),
        }
        return pa.schema([column.field() for column in self.columns], metadata=metadata)


def text(name: str, meaning: str, *allowed: str) -> Column:
    """Return a text column; with ``allowed``, only these values are valid."""
    return Column(name, "string", "", meaning, allowed=allowed)


def optional(column: Column) -> Column:
    """Return the same column, nullable."""
    return replace(column, nullable=True)


def all_optional(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return the same columns, each nullable."""
    return tuple(optional(column) for column in columns)
