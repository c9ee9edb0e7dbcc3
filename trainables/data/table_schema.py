"""What a Parquet file says of itself: its image column, and the class names of its task columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.names import nearest

_BOOLEAN_NAMES = ("false", "true")


@dataclass(frozen=True)
class ShardSchema:
    """The image column of one file, and per task its class names (None: plain integers, known from the values only)."""

    image_column: str
    names: Mapping[str, tuple[str, ...] | None]


def read_schema(path: Path, tasks: Sequence[str]) -> ShardSchema:
    """Read a file's footer and check that it has an image column and integer columns for ``tasks``.

    Raises:
        ValueError: not a Parquet file, no or several image columns, a task column missing or not of integers.
    """
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: not a readable Parquet file: {error}") from error
    features = _features(path, schema)
    image_column = _image_column(path, schema)
    known = [name for name in schema.names if name != image_column]
    for task in tasks:
        if task not in known:
            raise ValueError(f"{path}: no column for task {task!r}{nearest(task, known)}")
    return ShardSchema(image_column, {task: _class_names(path, schema.field(task), features) for task in tasks})


def check_alike(schemas: Mapping[Path, ShardSchema], tasks: Sequence[str]) -> dict[str, tuple[str, ...] | None]:
    """Return the class names all files agree on.

    Raises:
        ValueError: two files name the classes of a task differently, so that equal numbers would mean different things.
    """
    first_path, first = next(iter(schemas.items()))
    for path, schema in schemas.items():
        for task in tasks:
            if schema.names[task] != first.names[task]:
                raise ValueError(
                    f"{path}: column {task!r}: class names must equal those of {first_path.name}: "
                    f"{first.names[task]}, got {schema.names[task]}"
                )
    return dict(first.names)


def _features(path: Path, schema: Any) -> dict[str, Any]:
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return {}
    try:
        return dict(json.loads(text).get("info", {}).get("features", {}))
    except (ValueError, TypeError, AttributeError) as error:
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
    if not (pa.types.is_integer(field.type) or pa.types.is_null(field.type)):
        raise ValueError(
            f"{path}: column {field.name!r}: a task must be a ClassLabel, integer or boolean column, is {field.type}"
        )
    feature = features.get(field.name)
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    if names is None and isinstance(feature.get("num_classes"), int):
        names = [str(index) for index in range(feature["num_classes"])]
    if not isinstance(names, list) or not names:
        raise ValueError(f"{path}: column {field.name!r}: a ClassLabel must list its names, got {names!r}")
    return tuple(str(name) for name in names)
