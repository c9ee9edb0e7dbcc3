"""Reading tables from Parquet, and checking rows against a table's schema.

Every page of a file carries a checksum, so a damaged one is refused and never read as other numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from results.plain_text import nearest
from results.tables.columns import TableSpec
from results.tables.schema import SCHEMA_VERSION, SCHEMAS, TABLES

Rows: TypeAlias = pd.DataFrame | pa.Table | Sequence[Mapping[str, Any]]


class NewerTableError(ValueError):
    """A table was written by a newer installation, so the meaning of its columns is unknown."""


_MISFITS = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError)
"""Arrow's exceptions for values that do not fit a type."""


def read_table(folder: Path, name: str, *, stage: Literal["tune", "confirm"] | None = None) -> pd.DataFrame:
    """Read a table of this version or of an older one, whose missing columns are filled.

    Nullable integer columns are returned as pandas' ``Int32`` and ``Int64``.

    Args:
        folder: Of the tables.
        name: Of the table.
        stage: None reads the rows of both stages.

    Raises:
        ValueError: The table is unknown, was never written, is damaged, or does not belong to a study.
        NewerTableError: It belongs to a newer schema.

    Example:
        >>> import tempfile
        >>> from results.tables.writing import write_tables
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = write_tables(Path(folder), {"failures": []})
        ...     len(read_table(Path(folder), "failures"))
        0
    """
    spec = _spec(name)
    path = table_path(folder, name)
    if not path.is_file():
        raise ValueError(f"{path}: no such table; collect the study first")
    table = _read_parquet(path, stage)
    version = _version_of(table.schema, path)
    return frame_of(_in_columns_of_today(_in_names_of_today(table, spec, version), spec, path))


def row_count(folder: Path, name: str) -> int:
    """Return the number of rows of a table that was written, of which only the end of its file is read."""
    return int(pq.read_metadata(table_path(folder, name)).num_rows)


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return a study's table as a frame; nullable integer columns become pandas' ``Int32`` and ``Int64``."""
    masked = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=masked.get)
    plain = {f.name: f.type.to_pandas_dtype() for f in table.schema if f.type in masked and not f.nullable}
    return frame.astype(plain)


def table_path(folder: Path, name: str) -> Path:
    """Return the path of a table."""
    return folder / f"{_spec(name).name}.parquet"


def arrow_table(name: str, rows: Rows) -> pa.Table:
    """Return rows as an Arrow table of exactly the table's schema.

    Raises:
        ValueError: The message names the table, the column, the row (from 0), the value and the rule.
    """
    spec, schema = _spec(name), SCHEMAS[name]
    if isinstance(rows, pa.Table):
        table = _in_schema(spec, rows)
        _refuse_unknown_words(spec, table)
        _refuse_double_rows(spec, table)
        return table
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows), dtype=object)
    _refuse_unknown_columns(spec, frame)
    arrays = [_array(name, field, frame) for field in schema]
    table = pa.Table.from_arrays(arrays, schema=schema)
    _refuse_unknown_words(spec, table)
    _refuse_double_rows(spec, table)
    return table


def _in_schema(spec: TableSpec, rows: pa.Table) -> pa.Table:
    """Refuse a table with other columns than its schema, or with empty values where they may not be."""
    schema = SCHEMAS[spec.name]
    if not rows.schema.equals(schema):
        raise ValueError(f"table {spec.name}: its columns are {', '.join(rows.column_names)}")
    for field in schema:
        if not field.nullable and rows[field.name].null_count:
            row = next(place for place, value in enumerate(rows[field.name]) if not value.is_valid)
            raise ValueError(f"table {spec.name}, column {field.name}, row {row}: empty, but a value is required")
    return rows


def _spec(name: str) -> TableSpec:
    if name not in TABLES:
        raise ValueError(f"unknown table {name!r}{nearest(name, TABLES)}")
    return TABLES[name]


def _refuse_unknown_columns(spec: TableSpec, frame: pd.DataFrame) -> None:
    known = {column.name: column for column in spec.columns}
    for name in frame.columns:
        if name not in known:
            raise ValueError(f"table {spec.name}: unknown column {name!r}{nearest(str(name), known)}")
    missing = [c.name for c in spec.columns if not c.nullable and c.name not in frame.columns]
    if missing and len(frame):
        raise ValueError(f"table {spec.name}: missing columns {', '.join(missing)}")


def _array(table: str, field: pa.Field, frame: pd.DataFrame) -> pa.Array:
    """Convert one column; an omitted column becomes empty values of its type."""
    if field.name not in frame.columns:
        return pa.nulls(len(frame), field.type)
    column = frame[field.name]
    try:
        array = _converted(column, field.type)
    except _MISFITS as error:
        raise ValueError(_first_misfit(table, field, column)) from error
    if array.null_count and not field.nullable:
        row = next(index for index, value in enumerate(array) if not value.is_valid)
        raise ValueError(f"table {table}, column {field.name}, row {row}: empty, but a value is required")
    return array


def _converted(column: pd.Series[Any], wanted: pa.DataType) -> pa.Array:
    """Convert values without loss; Arrow's own conversion of Python numbers would truncate 0.5 to 0."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        # Arrow would take such a series through NumPy, where the time zone gets lost.
        column = column.astype(object)
    if not (pa.types.is_integer(wanted) or pa.types.is_floating(wanted)):
        return pa.Array.from_pandas(column, type=wanted)
    found = pa.Array.from_pandas(column)
    if not (pa.types.is_integer(found.type) or pa.types.is_floating(found.type) or pa.types.is_null(found.type)):
        raise pa.ArrowTypeError(f"{found.type} is not numeric")
    return found.cast(wanted)


def _first_misfit(table: str, field: pa.Field, column: pd.Series[Any]) -> str:
    """Find the value that does not fit, so that the message can show it."""
    for row, value in enumerate(column):
        try:
            _converted(pd.Series([value], dtype=object), field.type)
        except _MISFITS:
            return f"table {table}, column {field.name}, row {row}: {value!r} is not of type {field.type}"
    return f"table {table}, column {field.name}: values of type {column.dtype} do not become {field.type}"


def _refuse_unknown_words(spec: TableSpec, table: pa.Table) -> None:
    for column in spec.columns:
        if not column.allowed:
            continue
        values = table[column.name]
        unknown = set(values.unique().to_pylist()) - {*column.allowed, None}
        if unknown:
            row, value = next((row, value) for row, value in enumerate(values.to_pylist()) if value in unknown)
            allowed = ", ".join(column.allowed)
            raise ValueError(f"table {spec.name}, column {column.name}, row {row}: {value!r} is not one of {allowed}")


def _refuse_double_rows(spec: TableSpec, table: pa.Table) -> None:
    if not spec.key:
        return
    names = list(spec.key)
    if table.group_by(names).aggregate([]).num_rows == len(table):
        return
    keys = table.select(names).to_pandas()
    double = keys.duplicated()
    if double.any():
        row = int(double.to_numpy().argmax())
        values = ", ".join(f"{name}={keys[name].iloc[row]!r}" for name in spec.key)
        raise ValueError(f"table {spec.name}, row {row}: a second row with {values}")


def _read_parquet(path: Path, stage: str | None) -> pa.Table:
    rows = None if stage is None else [("stage", "=", stage)]
    try:
        return pq.read_table(path, page_checksum_verification=True, filters=rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the file system's word, not that of the content
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"{path}: damaged ({reason}); collect the study again") from error


def _version_of(schema: pa.Schema, path: Path) -> int:
    """Return the schema version of a file; refuse one of a newer installation."""
    version = (schema.metadata or {}).get(b"schema_version", b"")
    if not version.isdigit():
        raise ValueError(f"{path}: not a table of a study (its metadata has no schema_version)")
    if int(version) > SCHEMA_VERSION:
        raise NewerTableError(
            f"{path}: written with schema version {int(version)}, but this installation knows versions up to "
            f"{SCHEMA_VERSION}; update modulation-study to read it"
        )
    return int(version)


def _in_names_of_today(table: pa.Table, spec: TableSpec, version: int) -> pa.Table:
    """Return a table of an older version with the present names of the columns that were renamed since then."""
    renamed = {c.formerly.name: c.name for c in spec.columns if c.formerly and version < c.formerly.until}
    return table.rename_columns([renamed.get(name, name) for name in table.column_names])


def _in_columns_of_today(table: pa.Table, spec: TableSpec, path: Path) -> pa.Table:
    """Return a table with exactly the current columns; those missing from an older version get their implied value."""
    expected = SCHEMAS[spec.name]
    for column, field in zip(spec.columns, expected, strict=True):
        if field.name not in table.column_names and (column.nullable or column.before is not None):
            filling = pa.array([column.before] * len(table), type=field.type)
            table = table.append_column(field, filling)
    differing = sorted({_described(field) for field in table.schema} ^ {_described(field) for field in expected})
    if differing:
        raise ValueError(f"{path}: does not hold the columns of table {spec.name}: {'; '.join(differing)}")
    return table.select(expected.names)


def _described(field: pa.Field) -> str:
    return f"{field.name} ({field.type}{'' if field.nullable else ', never empty'})"
