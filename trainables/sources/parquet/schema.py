"""The schema of a Parquet file: its image column and the contents of its task columns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from trainables.foundation.registry import nearest
from trainables.sources.parquet.arrow_types import entry_type, is_number, is_text, may_be_fractions, whole_numbers
from trainables.sources.parquet.files import open_parquet, read_columns
from trainables.sources.parquet.image_column import find_image_column
from trainables.sources.reading.cells import split_task

TASK_RULE = "a task must be a column of ClassLabel, integers, booleans, text, or lists of these"
_BOOLEAN_NAMES = ("false", "true")
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")

Holds = Literal["numbers", "text", "lists", "nothing"]


@dataclass(frozen=True)
class TaskColumn:
    """The contents of a column (``nothing``: its type is null), and the names of its numbers if the file has them."""

    holds: Holds
    names: tuple[str, ...] | None


@dataclass(frozen=True)
class ShardSchema:
    """The image column of one file, and the columns of its tasks."""

    image_column: str
    columns: Mapping[str, TaskColumn]


def read_schema(path: Path, tasks: Sequence[str]) -> ShardSchema:
    """Read a file's footer and check that it has an image column and columns for ``tasks``.

    Raises:
        ValueError: not a Parquet file, no or several image columns, or a task column missing or of the wrong type.
    """
    schema = _schema(path)
    features = _features(path, schema)
    image_column = find_image_column(path, schema)
    known = [name for name in schema.names if name != image_column]
    columns: dict[str, TaskColumn] = {}
    _refuse_twice(path, schema, image_column)
    for task in tasks:
        column, _ = split_task(task, known)
        if column not in known:
            raise ValueError(f"{path}: no column for task {task!r}{nearest(column, known)}")
        _refuse_twice(path, schema, column)
        columns[column] = _task_column(path, schema.field(column), features.get(column))
    return ShardSchema(image_column, columns)


def task_columns(path: Path) -> tuple[str, ...]:
    """Return the columns of a file that can be tasks.

    Raises:
        ValueError: not a Parquet file, or no image column.
    """
    schema = _schema(path)
    image_column = find_image_column(path, schema)
    others = [field for field in schema if field.name != image_column and not _PANDAS_INDEX.fullmatch(field.name)]
    fields = [field for field in others if schema.names.count(field.name) == 1]
    return tuple(
        str(field.name)
        for field in fields
        if _holds(field.type) is not None and (not may_be_fractions(field.type) or _is_whole(path, field.name))
    )


def check_alike(schemas: Mapping[Path, ShardSchema]) -> dict[str, TaskColumn]:
    """Return the task columns that all files agree on; a file whose column is of null type agrees with any.

    Raises:
        ValueError: two files store a task differently, or name its classes differently, so that equal numbers would
            mean different things.
    """
    agreed: dict[str, TaskColumn] = {}
    first: dict[str, Path] = {}
    for path, schema in schemas.items():
        for name, column in schema.columns.items():
            known = agreed.get(name)
            if known is None or known.holds == "nothing":
                agreed[name], first[name] = column, path
            elif column.holds not in (known.holds, "nothing"):
                rule = f"columns of text and lists must be those of {first[name].name}: {known.holds}"
                raise ValueError(f"{path}: column {name!r}: {rule}, got {column.holds}")
            elif column.holds != "nothing" and column.names != known.names:
                raise ValueError(
                    f"{path}: column {name!r}: class names must equal those of {first[name].name}: "
                    f"{known.names}, got {column.names}"
                )
    return agreed


def _schema(path: Path) -> Any:
    with open_parquet(path) as file:
        return file.schema_arrow


def _refuse_twice(path: Path, schema: Any, column: str) -> None:
    if schema.names.count(column) > 1:
        raise ValueError(
            f"{path}: column {column!r} appears {schema.names.count(column)} times; give each its own name"
        )


def _features(path: Path, schema: Any) -> dict[str, Any]:
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return {}
    try:
        return dict(json.loads(text).get("info", {}).get("features", {}))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: the schema's 'huggingface' metadata must hold info.features: {error}") from error


def _holds(kind: Any) -> Holds | None:
    """Return the contents of a column of this type, None if it cannot be a task."""
    if pa.types.is_null(kind):
        return "nothing"
    if is_text(kind):
        return "text"
    entry = entry_type(kind)
    if entry is None:
        return "numbers" if is_number(kind) else None
    return "lists" if is_text(entry) or is_number(entry) or pa.types.is_null(entry) else None


def _task_column(path: Path, field: Any, feature: Any) -> TaskColumn:
    holds = _holds(field.type)
    if holds is None:
        raise ValueError(f"{path}: column {field.name!r}: {TASK_RULE}, is {field.type}")
    if holds == "numbers" and pa.types.is_boolean(field.type):
        return TaskColumn(holds, _BOOLEAN_NAMES)
    return TaskColumn(holds, _class_label_names(path, field.name, _feature_of_entries(feature)))


def _is_whole(path: Path, column: str) -> bool:
    try:
        whole_numbers(read_columns(path, [column]).column(column))
    except pa.ArrowInvalid:
        return False
    return True


def _feature_of_entries(feature: Any) -> Any:
    """Return the ``datasets`` feature of single values: of a column, or of the entries of its lists.

    Older versions write ``[ClassLabel]`` and ``Sequence(ClassLabel)``, newer ones ``List`` and ``LargeList``.
    """
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0]
    if isinstance(feature, dict) and "feature" in feature:
        return _feature_of_entries(feature["feature"])
    return feature


def _class_label_names(path: Path, column: str, feature: Any) -> tuple[str, ...] | None:
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    if names is None and isinstance(feature.get("num_classes"), int):
        names = [str(index) for index in range(feature["num_classes"])]
    if not isinstance(names, list) or not names:
        raise ValueError(f"{path}: column {column!r}: a ClassLabel must list its names, got {names!r}")
    return tuple(str(name) for name in names)
