"""What a Parquet file says of itself: its image column, and the class names of its task columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.data.cells import split_task
from trainables.data.parquet_cells import is_cell_type
from trainables.names import nearest

_BOOLEAN_NAMES = ("false", "true")


@dataclass(frozen=True)
class ShardSchema:
    """The image column of one file, and per task its class names (None: known from the values only).

    ``cells``: columns of text or lists, and those of tasks ``column=value``, with the names of their integers if any.
    """

    image_column: str
    names: Mapping[str, tuple[str, ...] | None]
    cells: Mapping[str, tuple[str, ...] | None]


def read_schema(path: Path, tasks: Sequence[str]) -> ShardSchema:
    """Read a file's footer and check that it has an image column and columns for ``tasks``.

    Raises:
        ValueError: not a Parquet file, no or several image columns, a task column missing or of another type.
    """
    schema = _schema(path)
    features = _features(path, schema)
    image_column = _image_column(path, schema)
    known = [name for name in schema.names if name != image_column]
    names: dict[str, tuple[str, ...] | None] = {}
    cells: dict[str, tuple[str, ...] | None] = {}
    for task in tasks:
        column, value = split_task(task, known)
        if column not in known:
            raise ValueError(f"{path}: no column for task {task!r}{nearest(column, known)}")
        field = schema.field(column)
        if is_cell_type(field.type):
            cells[column] = _class_label_names(path, column, _inner_feature(features.get(column)))
        elif value is not None:
            cells[column] = _class_names(path, field, features)
        else:
            names[task] = _class_names(path, field, features)
    return ShardSchema(image_column, names, cells)


def task_columns(path: Path) -> tuple[str, ...]:
    """Return the columns of a file that can be tasks.

    Raises:
        ValueError: not a Parquet file, or no image column.
    """
    schema = _schema(path)
    image_column = _image_column(path, schema)
    kinds = {field.name: field.type for field in schema if field.name != image_column}
    return tuple(str(name) for name, kind in kinds.items() if is_cell_type(kind) or _is_whole(kind))


def check_alike(schemas: Mapping[Path, ShardSchema]) -> dict[str, tuple[str, ...] | None]:
    """Return the class names all files agree on.

    Raises:
        ValueError: two files name the classes of a task differently, so that equal numbers would mean different things.
    """
    first_path, first = next(iter(schemas.items()))
    for path, schema in schemas.items():
        if schema.cells != first.cells:
            raise ValueError(
                f"{path}: columns of text and lists must be those of {first_path.name}: {dict(first.cells)}, "
                f"got {dict(schema.cells)}"
            )
        for task in first.names:
            if schema.names[task] != first.names[task]:
                raise ValueError(
                    f"{path}: column {task!r}: class names must equal those of {first_path.name}: "
                    f"{first.names[task]}, got {schema.names[task]}"
                )
    return dict(first.names)


def _schema(path: Path) -> Any:
    try:
        return pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: not a readable Parquet file: {error}") from error


def _features(path: Path, schema: Any) -> dict[str, Any]:
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return {}
    try:
        return dict(json.loads(text).get("info", {}).get("features", {}))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: the schema's 'huggingface' metadata must hold info.features: {error}") from error


def _image_column(path: Path, schema: Any) -> str:
    found = [field.name for field in schema if _holds_images(field.type)]
    if "image" in found:
        return "image"
    if len(found) == 1:
        return str(found[0])
    if found:
        raise ValueError(f"{path}: several image columns ({', '.join(found)}): one must be called 'image'")
    raise ValueError(f"{path}: no image column: expected struct<bytes: binary, path: string>, found {schema.names}")


def _holds_images(kind: Any) -> bool:
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    inner = kind.field("bytes").type
    return bool(pa.types.is_binary(inner) or pa.types.is_large_binary(inner))


def _class_names(path: Path, field: Any, features: Mapping[str, Any]) -> tuple[str, ...] | None:
    if pa.types.is_boolean(field.type):
        return _BOOLEAN_NAMES
    if not _is_whole(field.type):
        raise ValueError(
            f"{path}: column {field.name!r}: a task must be a column of ClassLabel, integers, booleans, text, "
            f"or lists of these, is {field.type}"
        )
    return _class_label_names(path, field.name, features.get(field.name))


def _is_whole(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind))


def _inner_feature(feature: Any) -> Any:
    """Return what a list's feature says of its entries."""
    return feature.get("feature") if isinstance(feature, dict) else None


def _class_label_names(path: Path, column: str, feature: Any) -> tuple[str, ...] | None:
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    if names is None and isinstance(feature.get("num_classes"), int):
        names = [str(index) for index in range(feature["num_classes"])]
    if not isinstance(names, list) or not names:
        raise ValueError(f"{path}: column {column!r}: a ClassLabel must list its names, got {names!r}")
    return tuple(str(name) for name in names)
